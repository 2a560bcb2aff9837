//! From a signature scheme to a PKCS#11 mechanism and the octets it is given.
//!
//! Hashing is done here, with the processor's instructions for it, and never by the token: the rate is the same,
//! less travels to the token, and no token needs a composite mechanism (SoftHSM has none for ECDSA).

use aws_lc_rs::digest;
use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use signer_wire::{HashAlgorithm, Input, Scheme};

use crate::error::Error;

/// DER of a DigestInfo up to the digest (RFC 8017 §9.2, note 1): SHA-256.
const DIGEST_INFO_SHA256: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];
/// The same for SHA-384.
const DIGEST_INFO_SHA384: [u8; 19] = [
    0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00,
    0x04, 0x30,
];
/// The same for SHA-512.
const DIGEST_INFO_SHA512: [u8; 19] = [
    0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00,
    0x04, 0x40,
];

/// The mechanism that makes a scheme's signatures.
pub(crate) fn mechanism(scheme: Scheme) -> Mechanism<'static> {
    match scheme {
        Scheme::RsaPkcs1Sha256 | Scheme::RsaPkcs1Sha384 | Scheme::RsaPkcs1Sha512 => Mechanism::RsaPkcs,
        Scheme::RsaPssSha256 => pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32),
        Scheme::RsaPssSha384 => pss(MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
        Scheme::RsaPssSha512 => pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
        Scheme::EcdsaSha256 | Scheme::EcdsaSha384 | Scheme::EcdsaSha512 => Mechanism::Ecdsa,
        Scheme::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
        Scheme::MlDsa44 | Scheme::MlDsa65 | Scheme::MlDsa87 => {
            Mechanism::MlDsa(SignAdditionalContext::new(HedgeType::Preferred, None))
        }
    }
}

fn pss(hash_alg: MechanismType, mgf: PkcsMgfType, salt: u16) -> Mechanism<'static> {
    Mechanism::RsaPkcsPss(PkcsPssParams {
        hash_alg,
        mgf,
        s_len: u64::from(salt).into(),
    })
}

/// The hash algorithm in the words of the cryptographic library.
pub(crate) const fn hash(algorithm: HashAlgorithm) -> &'static digest::Algorithm {
    match algorithm {
        HashAlgorithm::Sha256 => &digest::SHA256,
        HashAlgorithm::Sha384 => &digest::SHA384,
        HashAlgorithm::Sha512 => &digest::SHA512,
    }
}

/// The octets that go into `C_Sign`: a DigestInfo, a digest, or the message.
#[derive(Debug)]
pub(crate) enum Octets<'a> {
    /// Put together here; at most a DigestInfo of SHA-512.
    Own([u8; 83], usize),
    /// The caller's message.
    Message(&'a [u8]),
}

impl Octets<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Own(octets, length) => octets.get(..*length).unwrap_or_default(),
            Self::Message(message) => message,
        }
    }
}

/// The digest of an input under the scheme's hash; `None` where the scheme signs the message itself.
pub(crate) fn digest_of(scheme: Scheme, input: &Input) -> Result<Option<digest::Digest>, Error> {
    match (scheme.hash(), input) {
        (None, Input::Message(_)) => Ok(None),
        (None, Input::Digest(_)) => Err(Error::Refused(format!(
            "{scheme} signs the message itself, and a digest was given"
        ))),
        (Some(algorithm), Input::Message(message)) => Ok(Some(digest::digest(hash(algorithm), message))),
        (Some(algorithm), Input::Digest(given)) => {
            digest::Digest::import_less_safe(given.as_bytes(), hash(algorithm))
                .map(Some)
                .map_err(|_| {
                    let (given, wanted) = (given.as_bytes().len(), algorithm.octets());
                    Error::Refused(format!(
                        "{scheme} signs a digest of {wanted} octets, and one of {given} was given"
                    ))
                })
        }
    }
}

/// What goes into `C_Sign` for this input.
pub(crate) fn octets(scheme: Scheme, input: &Input) -> Result<Octets<'_>, Error> {
    let digest = digest_of(scheme, input)?;
    let prefix: &[u8] = match scheme {
        Scheme::RsaPkcs1Sha256 => &DIGEST_INFO_SHA256,
        Scheme::RsaPkcs1Sha384 => &DIGEST_INFO_SHA384,
        Scheme::RsaPkcs1Sha512 => &DIGEST_INFO_SHA512,
        _ => &[],
    };
    match (digest, input) {
        (Some(digest), _) => {
            let mut own = [0; 83];
            let length = prefix.len() + digest.as_ref().len();
            for (place, octet) in own.iter_mut().zip(prefix.iter().chain(digest.as_ref())) {
                *place = *octet;
            }
            Ok(Octets::Own(own, length))
        }
        (None, Input::Message(message)) => Ok(Octets::Message(message)),
        (None, Input::Digest(_)) => Err(Error::Software("a digest without a hash")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use signer_wire::Digest;

    use super::*;

    #[test]
    fn a_message_and_its_digest_give_the_same_octets() {
        let message = b"tbs".to_vec();
        for scheme in Scheme::ALL {
            let Some(algorithm) = scheme.hash() else { continue };
            let digest = Digest::new(digest::digest(hash(algorithm), &message).as_ref()).unwrap();
            let by_message = octets(scheme, &Input::Message(message.clone()))
                .unwrap()
                .as_slice()
                .to_vec();
            let by_digest = octets(scheme, &Input::Digest(digest))
                .unwrap()
                .as_slice()
                .to_vec();
            assert_eq!(by_message, by_digest, "{scheme}");
            assert!(by_digest.ends_with(digest.as_bytes()));
        }
    }

    #[test]
    fn pkcs1_signs_a_digest_info() {
        let input = Input::Message(b"tbs".to_vec());
        for (scheme, length) in [
            (Scheme::RsaPkcs1Sha256, 51),
            (Scheme::RsaPkcs1Sha384, 67),
            (Scheme::RsaPkcs1Sha512, 83),
        ] {
            let octets = octets(scheme, &input).unwrap();
            let der = octets.as_slice();
            assert_eq!(der.len(), length);
            assert_eq!(
                der.get(1).map(|inner| usize::from(*inner) + 2),
                Some(length),
                "the outer length fits"
            );
        }
    }

    #[test]
    fn a_digest_of_the_wrong_length_or_for_a_message_scheme_is_refused() {
        let digest = Input::Digest(Digest::new(&[0; 32]).unwrap());
        assert!(octets(Scheme::EcdsaSha384, &digest).is_err());
        assert!(octets(Scheme::Ed25519, &digest).is_err());
        assert!(octets(Scheme::MlDsa65, &digest).is_err());
        assert!(octets(Scheme::EcdsaSha256, &digest).is_ok());
    }
}
