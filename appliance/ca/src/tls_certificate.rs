//! The appliance's own server certificate, from its own CA through the one door.

use std::net::IpAddr;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use jiff::{SignedDuration, Timestamp};
use pki::{DistinguishedName, PublicKey, SignatureAlgorithm, SubjectAltName};
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::error::{Error, Refusal, Result};
use crate::issue::IssueRequest;
use crate::principal::Principal;

/// A server certificate and its key.
#[derive(Debug)]
pub struct TlsCertificate {
    /// The certificate.
    pub certificate_der: Vec<u8>,
    /// The certificates above it, nearest first, without a self-signed root.
    pub chain_der: Vec<Vec<u8>>,
    /// Its private key: DER PKCS#8, P-256. Made in memory; where it is kept is the caller's to decide.
    pub key_pkcs8: Zeroizing<Vec<u8>>,
    /// When it must be renewed: after two thirds of its life.
    pub renew_at: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
}

/// Who asks for it, in orders and the audit log.
const REQUESTER: &str = "chancery-tls";

impl Authority {
    /// Issues a server certificate for these host names and addresses, from `issuer` (by identifier or name) or the only
    /// one that comes into question.
    pub async fn tls_certificate(&self, names: &[String], issuer: Option<&str>) -> Result<TlsCertificate> {
        let names = names
            .iter()
            .map(|name| host_name(name))
            .collect::<Result<Vec<_>>>()?;
        let (pair, key_pkcs8) = new_key()?;
        let spki = pair.public_key().as_der().map_err(Error::internal)?;
        let public_key = PublicKey::from_spki_der(spki.as_ref()).map_err(Error::internal)?;
        let info = pki::csr::request_info(&DistinguishedName::empty(), &public_key, false, &names);
        let signature = pair.sign(&SystemRandom::new(), &info).map_err(Error::internal)?;
        let request = IssueRequest {
            csr: pki::csr::assemble(&info, SignatureAlgorithm::EcdsaSha256, signature.as_ref()),
            profile: "tls-server".to_owned(),
            issuer: issuer.map(str::to_owned),
            ..IssueRequest::default()
        };
        let made = self.issue(&Principal::local(REQUESTER), request).await?;
        let now = self.inner().clock.now();
        let two_thirds = SignedDuration::from_secs(made.not_after.duration_since(now).as_secs() / 3 * 2);
        Ok(TlsCertificate {
            renew_at: now.saturating_add(two_thirds).unwrap_or(now),
            not_after: made.not_after,
            certificate_der: made.certificate.der().to_vec(),
            chain_der: made.chain.der().to_vec(),
            key_pkcs8,
        })
    }
}

fn new_key() -> Result<(EcdsaKeyPair, Zeroizing<Vec<u8>>)> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    let pkcs8 = Zeroizing::new(pkcs8.map_err(Error::internal)?.as_ref().to_vec());
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).map_err(Error::internal)?;
    Ok((pair, pkcs8))
}

/// A DNS name or an address.
fn host_name(text: &str) -> Result<SubjectAltName> {
    let typed = match text.parse::<IpAddr>() {
        Ok(address) => format!("ip:{address}"),
        Err(_) => format!("dns:{text}"),
    };
    typed
        .parse()
        .map_err(|fault: pki::SanFault| Refusal::of_requester("name_invalid", fault.to_string()).into())
}
