//! Making signatures, with a key at hand or with one elsewhere.

use std::fmt;

use aws_lc_rs::rand::SecureRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};

use super::{Algorithm, Header, JwsFault};
use crate::base64url;
use crate::jwk::{Jwk, KeyFault};

/// Header and payload in the form that is signed (RFC 7515 §5.1).
#[derive(Clone, Debug)]
pub struct Unsigned {
    algorithm: Algorithm,
    signing_input: String,
}

impl Unsigned {
    /// Puts header and payload together.
    pub fn new(header: &Header, payload: &[u8]) -> Self {
        let head = base64url::encode(header.to_json().as_bytes());
        Self {
            algorithm: header.alg,
            signing_input: format!("{head}.{}", base64url::encode(payload)),
        }
    }

    /// The octets to sign.
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    /// The compact form. A signature in DER, or of another curve, is refused by its length.
    pub fn assemble(self, signature: &[u8]) -> Result<String, JwsFault> {
        if !self.algorithm.is_signature_len(signature.len()) {
            return Err(JwsFault::KeyMismatch);
        }
        Ok(format!("{}.{}", self.signing_input, base64url::encode(signature)))
    }
}

/// A private key that signs.
pub struct SigningKey {
    pair: Pair,
    jwk: Jwk,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>, Algorithm),
    Ed25519(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// Reads unencrypted PKCS#8: RSA, a NIST curve or Ed25519.
    pub fn from_pkcs8_der(pkcs8: &[u8]) -> Result<Self, KeyFault> {
        let key = pki::key_file::parse(pkcs8, None)
            .map_err(|_| KeyFault::Malformed("it is no unencrypted private key"))?;
        let jwk = Jwk::from_spki_der(key.public_key.spki_der())?;
        let pkcs8 = key.pkcs8.as_slice();
        let pair = match Algorithm::ALL.into_iter().find(|algorithm| algorithm.fits(&jwk)) {
            Some(Algorithm::EdDsa) => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(|pair| Pair::Ed25519(Box::new(pair)))
            }
            Some(algorithm @ (Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512)) => {
                let curve = match algorithm {
                    Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
                    Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
                    _ => &ECDSA_P521_SHA512_FIXED_SIGNING,
                };
                EcdsaKeyPair::from_pkcs8(curve, pkcs8).map(|pair| Pair::Ec(Box::new(pair), algorithm))
            }
            Some(_) => RsaKeyPair::from_pkcs8(pkcs8).map(|pair| Pair::Rsa(Box::new(pair))),
            None => return Err(KeyFault::Unsupported),
        };
        Ok(Self {
            pair: pair.map_err(|_| KeyFault::Malformed("it is no private key of its kind"))?,
            jwk,
        })
    }

    /// The public key.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The algorithm to sign by when nobody asks for another: PS256 for RSA.
    pub fn algorithm(&self) -> Algorithm {
        match &self.pair {
            Pair::Rsa(_) => Algorithm::Ps256,
            Pair::Ec(_, algorithm) => *algorithm,
            Pair::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Signs a payload and hands out the compact form.
    pub fn sign(
        &self,
        header: &Header,
        payload: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<String, JwsFault> {
        if !header.alg.fits(&self.jwk) {
            return Err(JwsFault::KeyMismatch);
        }
        let unsigned = Unsigned::new(header, payload);
        let signature = self.signature(header.alg, unsigned.signing_input(), random)?;
        unsigned.assemble(&signature)
    }

    fn signature(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, JwsFault> {
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding = rsa_padding(algorithm).ok_or(JwsFault::KeyMismatch)?;
                pair.sign(padding, random, message, &mut signature)
                    .map(|()| signature)
            }
            Pair::Ec(pair, _) => pair
                .sign(random, message)
                .map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
        };
        signature.map_err(|_| JwsFault::Signing)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("thumbprint", &self.jwk.thumbprint())
            .finish_non_exhaustive()
    }
}

fn rsa_padding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_SHA512),
        _ => None,
    }
}
