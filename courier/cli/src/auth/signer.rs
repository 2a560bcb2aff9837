//! What the key of a certificate signs: challenges of the appliance, and what a client says of itself.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use jose::{Algorithm, Header, SigningKey};
use pki::Certificate;
use pki::key_file::KeyFile;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Context, Fault, token_file};

/// Most certificates sent with a signature.
const MAX_CHAIN: usize = 8;

/// A private key that signs compact JWS (RFC 7515).
pub(crate) struct Signer {
    key: KeyFile,
    signing: SigningKey,
    path: PathBuf,
}

impl Signer {
    /// The key in a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Fault> {
        Self::parse(
            &token_file::octets(path, "the private key", token_file::MAX_FILE_LEN)?,
            path,
            None,
        )
    }

    /// The key in octets that were read before, encrypted or not.
    pub(crate) fn parse(octets: &[u8], path: &Path, passphrase: Option<&[u8]>) -> Result<Self, Fault> {
        let broken = |cause| Fault::Key {
            path: path.to_owned(),
            cause,
        };
        let key = pki::key_file::parse(octets, passphrase).map_err(|cause| broken(cause.into()))?;
        let signing = SigningKey::from_pkcs8_der(&key.pkcs8).map_err(|cause| broken(cause.into()))?;
        Ok(Self {
            key,
            signing,
            path: path.to_owned(),
        })
    }

    /// Refuses a chain whose first certificate is of another key.
    pub(crate) fn must_belong_to(&self, chain: &[Vec<u8>]) -> Result<(), Fault> {
        let leaf = chain
            .first()
            .and_then(|der| Certificate::from_der(der).ok())
            .ok_or_else(|| Fault::Malformed("the certificate cannot be read".to_owned()))?;
        if leaf.public_key().fingerprint() == self.key.public_key.fingerprint() {
            return Ok(());
        }
        Err(Fault::Setting(format!(
            "the key {} does not belong to the certificate",
            self.path.display()
        )))
    }

    /// The answer to a challenge of the appliance, with the chain (`x5c`).
    pub(crate) async fn challenge(
        &self,
        method: &str,
        chain: &[Vec<u8>],
        context: &Context<'_>,
    ) -> Result<SecretString, Fault> {
        let audience = context.appliance.identity().await?;
        let nonce = context.appliance.challenge().await?;
        let mut claims = json!({
            "nonce": nonce,
            "uuid": context.uuid.to_string(),
            "aud": audience,
            "iat": context.now.as_second(),
            "method": method,
        });
        if let (Some(thumbprint), Some(members)) = (context.thumbprint, claims.as_object_mut()) {
            // RFC 7800 §3.1, RFC 9449 §6.1: the key that the session is bound to stands under the same signature.
            members.insert("cnf".to_owned(), json!({ "jkt": thumbprint }));
        }
        let mut header = Header::new(self.algorithm());
        header.x5c = chain.to_vec();
        self.sign(&header, &claims)
    }

    /// What a client says of itself (RFC 7523).
    pub(crate) fn assertion(&self, claims: &Value, key_id: Option<&str>) -> Result<SecretString, Fault> {
        let mut header = Header::new(self.algorithm());
        header.typ = Some("JWT".to_owned());
        header.kid = key_id.map(ToOwned::to_owned);
        self.sign(&header, claims)
    }

    /// The key for TLS.
    pub(crate) fn tls_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.pkcs8.to_vec()))
    }

    /// RSA signs by the padding that every issuer of tokens takes.
    fn algorithm(&self) -> Algorithm {
        match self.signing.algorithm() {
            Algorithm::Ps256 => Algorithm::Rs256,
            other => other,
        }
    }

    fn sign(&self, header: &Header, claims: &Value) -> Result<SecretString, Fault> {
        self.signing
            .sign(header, claims.to_string().as_bytes(), &SystemRandom::new())
            .map(SecretString::from)
            .map_err(|cause| Fault::Key {
                path: self.path.clone(),
                cause: cause.into(),
            })
    }
}

/// The certificates of a text in PEM, the first one being that of the key.
pub(crate) fn chain(pem: &[u8], origin: &str) -> Result<Vec<Vec<u8>>, Fault> {
    let blocks = pki::pem::decode(pem).map_err(|cause| Fault::Malformed(format!("{origin}: {cause}")))?;
    let chain: Vec<Vec<u8>> = blocks
        .into_iter()
        .filter(|block| block.label == "CERTIFICATE")
        .map(|block| block.der)
        .collect();
    match chain.len() {
        0 => Err(Fault::Malformed(format!("{origin} holds no certificate"))),
        1..=MAX_CHAIN => Ok(chain),
        more => Err(Fault::Malformed(format!(
            "{origin} holds {more} certificates: at most {MAX_CHAIN} are sent"
        ))),
    }
}
