//! What an order asks for, wherever it is said: in a request that the courier signed with its key, or in the order itself when the
//! appliance is to make the key.

use std::sync::Arc;

use jose::Jwk;
use jose::jwk::{Curve, KeyUse};
use pki::profile::{Profile, order_from_csr, without_repeats};
use pki::{Csr, DistinguishedName, KeyAlgorithm, PublicKey, SignatureAlgorithm, SubjectAltName, Verified};

use super::checks::wrong;
use super::ordered::{OrderWarning, PlatformOrder};
use super::{key_name, remark, spelling};
use crate::error::Result;

/// The kinds of key that are made for couriers.
const MADE: [KeyAlgorithm; 7] = [
    KeyAlgorithm::P256,
    KeyAlgorithm::P384,
    KeyAlgorithm::P521,
    KeyAlgorithm::Rsa(2048),
    KeyAlgorithm::Rsa(3072),
    KeyAlgorithm::Rsa(4096),
    KeyAlgorithm::Ed25519,
];
/// Longest public key of a recipient, in octets of JSON.
const MOST_RECIPIENT: usize = signer_wire::MAX_RECIPIENT;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) subject: DistinguishedName,
    pub(super) names: Vec<SubjectAltName>,
    pub(super) algorithm: KeyAlgorithm,
    /// How the request is signed, or would be.
    pub(super) signature: Option<SignatureAlgorithm>,
    pub(super) asks_for_ca: bool,
    /// What it asks for and nobody looks at.
    pub(super) ignored: Vec<OrderWarning>,
    pub(super) key: WantedKey,
}

/// The key that is to be certified.
#[derive(Debug)]
pub(super) enum WantedKey {
    /// The courier has it.
    Given(PublicKey),
    /// It is made when everything else is right, and encrypted to this one.
    ToBeMade(Box<Jwk>),
}

impl Wanted {
    /// What a request asks for.
    pub(super) fn of_csr(profile: &Profile, csr: &Arc<Verified<Csr>>) -> Result<Self> {
        let order = order_from_csr(profile, csr)?;
        spelling::check(&order.subject, &order.names)?;
        Ok(Self {
            ignored: remark::ignored_extensions(csr),
            subject: order.subject,
            names: order.names,
            algorithm: order.public_key.algorithm(),
            signature: csr.signature_algorithm(),
            asks_for_ca: csr.requested_ca(),
            key: WantedKey::Given(order.public_key),
        })
    }

    /// What an order without a request asks for.
    pub(super) fn of_platform(platform: &PlatformOrder) -> Result<Self> {
        let invalid = |field, problem: String| wrong("validation_error", field, problem);
        let subject = platform.subject.to_name(platform.common_name.as_deref());
        let names = platform.names.iter().map(|name| spelling::name(name));
        let names: std::result::Result<Vec<SubjectAltName>, _> = names.collect();
        let names = names.map_err(|fault: pki::SanFault| invalid("sans", fault.to_string()))?;
        let algorithm = key_name::parse(&platform.algorithm).filter(|algorithm| MADE.contains(algorithm));
        let algorithm = algorithm.ok_or_else(|| {
            let known = MADE.map(key_name::of).join(", ");
            invalid("key_spec.algorithm", format!("is none of {known}"))
        })?;
        let recipient = recipient(platform).map_err(|problem| invalid("recipient", problem))?;
        let subject = subject.map_err(|problem| invalid("subject", problem))?;
        spelling::check(&subject, &names)?;
        Ok(Self {
            ignored: Vec::new(),
            subject,
            names: without_repeats(names),
            algorithm,
            signature: Some(signature_of(algorithm, platform.digest.as_deref())?),
            asks_for_ca: false,
            key: WantedKey::ToBeMade(Box::new(recipient)),
        })
    }
}

/// The key that the order's key is encrypted to: fresh, of a curve that keys are agreed on.
pub(super) fn recipient(platform: &PlatformOrder) -> std::result::Result<Jwk, String> {
    let text = platform.recipient.to_string();
    if text.len() > MOST_RECIPIENT {
        return Err(format!("longer than {MOST_RECIPIENT} octets"));
    }
    let key = Jwk::parse(text.as_bytes()).map_err(|fault| fault.to_string())?;
    let is_for_agreement = matches!(
        key.curve(),
        Some(Curve::P256 | Curve::P384 | Curve::P521 | Curve::X25519)
    );
    if is_for_agreement && matches!(key.key_use, None | Some(KeyUse::Encryption)) {
        return Ok(key);
    }
    Err("is no key for encryption of P-256, P-384, P-521 or X25519".to_owned())
}

/// How a request with such a key and digest would be signed.
fn signature_of(key: KeyAlgorithm, digest: Option<&str>) -> Result<SignatureAlgorithm> {
    use SignatureAlgorithm as By;
    let by = match (key, digest) {
        (_, None) => By::default_for(key),
        (KeyAlgorithm::Rsa(_), Some("sha256")) => By::RsaPkcs1Sha256,
        (KeyAlgorithm::Rsa(_), Some("sha384")) => By::RsaPkcs1Sha384,
        (KeyAlgorithm::Rsa(_), Some("sha512")) => By::RsaPkcs1Sha512,
        (_, Some("sha256")) => By::EcdsaSha256,
        (_, Some("sha384")) => By::EcdsaSha384,
        (_, Some("sha512")) => By::EcdsaSha512,
        _ => {
            return Err(wrong(
                "validation_error",
                "digest",
                "is none of sha256, sha384, sha512",
            ));
        }
    };
    if by.is_usable_with(key) {
        return Ok(by);
    }
    let problem = format!("a key of {} signs no such digest", key_name::of(key));
    Err(wrong("validation_error", "digest", problem))
}
