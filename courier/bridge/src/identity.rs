//! Who this instance is: a key that is made here and never leaves, and the certificate that the appliance gave for it.
//!
//! Both are in one file, which is replaced as a whole, so that no crash leaves a key beside the certificate of another.

mod file;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use courier_wire::{ASSERTION_TYPE, Assertion, attested_request};
use jiff::{SignedDuration, Timestamp};
use jose::{Header, SigningKey};
use pki::{Certificate, DistinguishedName, SignatureAlgorithm};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) use file::{is_there, load, store};

/// Why there is no identity to work with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum IdentityFault {
    /// Nothing was registered.
    #[error("{0}: this instance is not registered: `courier-bridge register --token FILE`")]
    Absent(PathBuf),
    /// The file cannot be read or written.
    #[error("{path}: {what}: {cause}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
    /// Others may read the key.
    #[error("{0}: others may read the key: chmod 600")]
    Open(PathBuf),
    /// What is in the file is no identity.
    #[error("{path}: {why}")]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The library makes no key.
    #[error("no key could be made")]
    Generation,
}

/// A key that was just made, with the request for its certificate.
pub(crate) struct NewKey {
    /// The key, PKCS#8.
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
    /// The request, PEM. It asks for no name: what the instance is called is for the appliance to say.
    pub(crate) request: String,
}

impl NewKey {
    /// Makes one: P-256.
    pub(crate) fn generate() -> Result<Self, IdentityFault> {
        let random = SystemRandom::new();
        let made = || -> Option<Self> {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).ok()?;
            let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).ok()?;
            let public = pki::key_file::parse(&pkcs8, None).ok()?.public_key;
            debug_assert!(!pair.public_key().as_ref().is_empty());
            let request = pki::csr::request(
                &DistinguishedName::empty(),
                &[],
                &public,
                SignatureAlgorithm::EcdsaSha256,
                |info| {
                    pair.sign(&random, info)
                        .map(|signature| signature.as_ref().to_vec())
                },
            );
            Some(Self {
                pkcs8,
                request: pki::pem::encode("CERTIFICATE REQUEST", &request.ok()?),
            })
        };
        made().ok_or(IdentityFault::Generation)
    }
}

/// The identity at work.
pub(crate) struct Identity {
    instance: Uuid,
    pkcs8: Zeroizing<Vec<u8>>,
    signing: SigningKey,
    chain: Vec<CertificateDer<'static>>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("instance", &self.instance)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Puts together what belongs together; a sentence when it does not.
    pub(crate) fn new(
        instance: &str,
        pkcs8: Zeroizing<Vec<u8>>,
        certificate_pem: &str,
    ) -> Result<Self, String> {
        let instance = Uuid::try_parse(instance).map_err(|_| "the instance is no UUID".to_owned())?;
        let certificates =
            Certificate::parse_all(certificate_pem.as_bytes()).map_err(|fault| fault.to_string())?;
        let leaf = certificates.first().ok_or("there is no certificate")?;
        let key = pki::key_file::parse(&pkcs8, None).map_err(|fault| fault.to_string())?;
        if key.public_key.fingerprint() != leaf.public_key().fingerprint() {
            return Err("the certificate is for another key".to_owned());
        }
        let signing = SigningKey::from_pkcs8_der(&pkcs8).map_err(|fault| fault.to_string())?;
        Ok(Self {
            instance,
            signing,
            not_before: leaf.not_before(),
            not_after: leaf.not_after(),
            chain: certificates
                .iter()
                .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
                .collect(),
            pkcs8,
        })
    }

    /// Which instance.
    pub(crate) fn instance(&self) -> Uuid {
        self.instance
    }

    /// The last second of the certificate.
    pub(crate) fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// When the next certificate is asked for: at two thirds of the life of this one.
    pub(crate) fn renew_at(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        let two_thirds = SignedDuration::from_millis(i64::try_from(life.as_millis() / 3 * 2).unwrap_or(0));
        self.not_before
            .saturating_add(two_thirds)
            .unwrap_or(self.not_before)
    }

    /// The certificates, its own first.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    /// The key for TLS.
    pub(crate) fn tls_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.to_vec()))
    }

    /// Attests that a request came from a client.
    pub(crate) fn attest(&self, request: &Attested<'_>, now: Timestamp) -> Option<String> {
        let body = sha256(request.body);
        let text = attested_request(request.method, request.host, request.target, &body);
        let assertion = Assertion {
            iss: self.instance.to_string(),
            client_ip: request.client.to_canonical().to_string(),
            iat: now.as_second(),
            jti: Uuid::new_v4().to_string(),
            request: URL_SAFE_NO_PAD.encode(sha256(&text)),
        };
        let mut header = Header::new(self.signing.algorithm());
        header.typ = Some(ASSERTION_TYPE.to_owned());
        let payload = serde_json::to_vec(&assertion).ok()?;
        self.signing.sign(&header, &payload, &SystemRandom::new()).ok()
    }
}

/// What is attested of a request.
#[derive(Debug)]
pub(crate) struct Attested<'a> {
    /// Who sent it.
    pub(crate) client: IpAddr,
    /// The method.
    pub(crate) method: &'a str,
    /// The header `Host`, as it is forwarded.
    pub(crate) host: &'a str,
    /// The path with the query.
    pub(crate) target: &'a str,
    /// The body.
    pub(crate) body: &'a [u8],
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, octets).as_ref());
    hash
}

#[cfg(test)]
mod tests;
