//! The private key of a recipient: made per order, kept no longer than the order is pending.

use std::fmt;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::rand::SecureRandom;
use zeroize::Zeroizing;

use super::header::Header;
use super::{KEY_LEN, Undecryptable, kdf};
use crate::jwk::{Curve, Jwk, KeyFault};

/// How often a number is drawn until it is a key of the curve; that once is not enough has a chance of 2^-32.
const DRAWS: usize = 16;

/// A private key for agreement on P-256, P-384, P-521 or X25519.
pub struct RecipientKey {
    key: PrivateKey,
    octets: Zeroizing<Vec<u8>>,
    jwk: Jwk,
}

impl RecipientKey {
    /// Makes a key of a curve other than Ed25519.
    pub fn generate(curve: Curve, random: &dyn SecureRandom) -> Result<Self, KeyFault> {
        let mut octets = Zeroizing::new(vec![0; curve.coordinate_len()]);
        for _ in 0..DRAWS {
            random
                .fill(&mut octets)
                .map_err(|_| KeyFault::Malformed("there is no randomness"))?;
            if let (Curve::P521, Some(first)) = (curve, octets.first_mut()) {
                *first &= 1;
            }
            match Self::from_octets(curve, &octets) {
                Err(KeyFault::Malformed(_)) => {}
                made => return made,
            }
        }
        Err(KeyFault::Malformed("there is no randomness"))
    }

    /// Reads a private key as [`Self::to_octets`] writes it.
    pub fn from_octets(curve: Curve, octets: &[u8]) -> Result<Self, KeyFault> {
        let malformed = KeyFault::Malformed("it is no private key of its curve");
        let key = PrivateKey::from_private_key(algorithm(curve).ok_or(KeyFault::Unsupported)?, octets)
            .map_err(|_| malformed.clone())?;
        let public = key.compute_public_key().map_err(|_| malformed)?;
        let jwk = Jwk::from_agreement_octets(curve, public.as_ref())?;
        Ok(Self {
            key,
            octets: Zeroizing::new(octets.to_vec()),
            jwk,
        })
    }

    /// The private number, big-endian in the length of its curve, or the seed of X25519: to keep while the order is pending.
    pub fn to_octets(&self) -> &Zeroizing<Vec<u8>> {
        &self.octets
    }

    /// The public key, for the order.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The key that both sides come to.
    pub(super) fn agree(
        &self,
        peer: &Jwk,
        header: &Header,
    ) -> Result<Zeroizing<[u8; KEY_LEN]>, Undecryptable> {
        let (curve, octets) = peer.agreement_octets().ok_or(Undecryptable)?;
        if self.jwk.curve() != Some(curve) {
            return Err(Undecryptable);
        }
        let peer = UnparsedPublicKey::new(algorithm(curve).ok_or(Undecryptable)?, octets);
        agreement::agree(&self.key, peer, Undecryptable, |secret| {
            Ok(kdf::concat(
                secret,
                header.management.kdf_name(),
                &header.apu,
                &header.apv,
                256,
            ))
        })
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientKey")
            .field("thumbprint", &self.jwk.thumbprint())
            .finish_non_exhaustive()
    }
}

fn algorithm(curve: Curve) -> Option<&'static agreement::Algorithm> {
    match curve {
        Curve::P256 => Some(&agreement::ECDH_P256),
        Curve::P384 => Some(&agreement::ECDH_P384),
        Curve::P521 => Some(&agreement::ECDH_P521),
        Curve::X25519 => Some(&agreement::X25519),
        Curve::Ed25519 => None,
    }
}
