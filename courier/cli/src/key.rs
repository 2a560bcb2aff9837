//! Key pairs of the host: made here and kept as PKCS#8, or made in a token and kept there (`kept`), never sent anywhere.

mod kept;
mod reference;
mod request;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair,
};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Decode as _;
use pkcs8::pkcs5::pbes2;
use pki::key_file::KeyFileFault;
use pki::{DigestAlgorithm, KeyAlgorithm, KeyFingerprint, PublicKey, SignatureAlgorithm, key_file};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

pub use kept::{KeptKey, KeptKeyFault};
pub use reference::{KeyReference, NoReference};
pub use request::{RequestFault, request_of};

/// Rounds of PBKDF2-HMAC-SHA-256 over a passphrase.
const ROUNDS: u32 = 600_000;

/// The kinds of key that `key.algorithm` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// `ec-256`, the default.
    #[default]
    Ec256,
    /// `ec-384`.
    Ec384,
    /// `ec-521`.
    Ec521,
    /// `rsa-2048`.
    Rsa2048,
    /// `rsa-3072`.
    Rsa3072,
    /// `rsa-4096`.
    Rsa4096,
    /// `ed25519`.
    Ed25519,
}

/// Every kind with its spelling and what the rest of the product calls it.
const KINDS: [(KeyType, &str, KeyAlgorithm); 7] = [
    (KeyType::Ec256, "ec-256", KeyAlgorithm::P256),
    (KeyType::Ec384, "ec-384", KeyAlgorithm::P384),
    (KeyType::Ec521, "ec-521", KeyAlgorithm::P521),
    (KeyType::Rsa2048, "rsa-2048", KeyAlgorithm::Rsa(2048)),
    (KeyType::Rsa3072, "rsa-3072", KeyAlgorithm::Rsa(3072)),
    (KeyType::Rsa4096, "rsa-4096", KeyAlgorithm::Rsa(4096)),
    (KeyType::Ed25519, "ed25519", KeyAlgorithm::Ed25519),
];

/// The text names no kind of key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no key algorithm: write ec-256, ec-384, ec-521, rsa-2048, rsa-3072, rsa-4096 or ed25519")]
pub struct UnknownKeyType(String);

impl KeyType {
    /// What the rest of the product calls it.
    pub fn algorithm(self) -> KeyAlgorithm {
        let found = KINDS.iter().find(|(kind, ..)| *kind == self);
        found.map_or(KeyAlgorithm::P256, |(.., algorithm)| *algorithm)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = KINDS.iter().find(|(kind, ..)| kind == self);
        f.write_str(found.map_or("", |(_, text, _)| text))
    }
}

impl FromStr for KeyType {
    type Err = UnknownKeyType;

    fn from_str(text: &str) -> Result<Self, UnknownKeyType> {
        let found = KINDS.iter().find(|(_, spelling, _)| *spelling == text);
        found
            .map(|(kind, ..)| *kind)
            .ok_or_else(|| UnknownKeyType(text.to_owned()))
    }
}

/// Why a key cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalKeyFault {
    /// The library could not make one.
    #[error("no key could be made")]
    Generation,
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileFault),
    /// It could not be encrypted.
    #[error("the private key could not be encrypted")]
    Encryption,
    /// This kind of key signs no such digest.
    #[error("a key of {key} cannot sign with {algorithm}")]
    Algorithm {
        /// The key.
        key: KeyAlgorithm,
        /// What was asked for.
        algorithm: SignatureAlgorithm,
    },
    /// The library could not sign.
    #[error("the key could not sign")]
    Signing,
}

/// A private key in wiped memory, with its public key.
pub struct LocalKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.public.fingerprint();
        f.debug_struct("LocalKey")
            .field("public", &public)
            .finish_non_exhaustive()
    }
}

impl LocalKey {
    /// Makes a new one.
    pub fn generate(kind: KeyType) -> Result<Self, LocalKeyFault> {
        let pkcs8 = match kind {
            KeyType::Ec256 => ec(&ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyType::Ec384 => ec(&ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyType::Ec521 => ec(&ECDSA_P521_SHA512_ASN1_SIGNING),
            KeyType::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyType::Rsa3072 => rsa(KeySize::Rsa3072),
            KeyType::Rsa4096 => rsa(KeySize::Rsa4096),
            // The old form without the public key, which every OpenSSL reads.
            KeyType::Ed25519 => Ed25519KeyPair::generate()
                .ok()
                .and_then(|pair| pair.to_pkcs8v1().ok())
                .map(|der| Zeroizing::new(der.as_ref().to_vec())),
        };
        let pkcs8 = pkcs8.ok_or(LocalKeyFault::Generation)?;
        Self::parse(&pkcs8, None)
    }

    /// Reads one from PEM or DER.
    pub fn parse(input: &[u8], passphrase: Option<&SecretString>) -> Result<Self, LocalKeyFault> {
        let passphrase = passphrase.map(|secret| secret.expose_secret().as_bytes());
        let file = key_file::parse(input, passphrase)?;
        Ok(Self {
            pkcs8: file.pkcs8,
            public: file.public_key,
        })
    }

    /// PKCS#8 PEM, encrypted by PBES2 with AES-256 when there is a passphrase.
    pub fn to_pem(&self, passphrase: Option<&SecretString>) -> Result<Zeroizing<String>, LocalKeyFault> {
        let Some(passphrase) = passphrase else {
            return Ok(Zeroizing::new(pki::pem::encode("PRIVATE KEY", &self.pkcs8)));
        };
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| LocalKeyFault::Encryption)?;
        aws_lc_rs::rand::fill(&mut iv).map_err(|_| LocalKeyFault::Encryption)?;
        let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv);
        let parameters = parameters.map_err(|_| LocalKeyFault::Encryption)?;
        let key = PrivateKeyInfoRef::from_der(&self.pkcs8).map_err(|_| LocalKeyFault::Encryption)?;
        let sealed = key
            .encrypt_with_params(parameters, passphrase.expose_secret())
            .map_err(|_| LocalKeyFault::Encryption)?;
        Ok(Zeroizing::new(pki::pem::encode(
            "ENCRYPTED PRIVATE KEY",
            sealed.as_bytes(),
        )))
    }

    /// PKCS#8, unencrypted.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> KeyFingerprint {
        self.public.fingerprint()
    }

    /// The algorithm that this key signs with under a digest; the digest that goes with the key when none is asked for.
    pub fn signature_algorithm(
        &self,
        digest: Option<DigestAlgorithm>,
    ) -> Result<SignatureAlgorithm, LocalKeyFault> {
        signature_algorithm(self.public.algorithm(), digest)
    }

    /// Signs octets; ECDSA signatures are in DER.
    pub fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, LocalKeyFault> {
        let key = self.public.algorithm();
        let random = SystemRandom::new();
        let ec = |signing| -> Option<Vec<u8>> {
            let pair = EcdsaKeyPair::from_pkcs8(signing, &self.pkcs8).ok()?;
            Some(pair.sign(&random, message).ok()?.as_ref().to_vec())
        };
        let rsa = |padding| -> Option<Vec<u8>> {
            let pair = RsaKeyPair::from_pkcs8(&self.pkcs8).ok()?;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &random, message, &mut signature).ok()?;
            Some(signature)
        };
        let signature = match (key, algorithm) {
            (KeyAlgorithm::P256, SignatureAlgorithm::EcdsaSha256) => ec(&ECDSA_P256_SHA256_ASN1_SIGNING),
            (KeyAlgorithm::P384, SignatureAlgorithm::EcdsaSha384) => ec(&ECDSA_P384_SHA384_ASN1_SIGNING),
            (KeyAlgorithm::P521, SignatureAlgorithm::EcdsaSha512) => ec(&ECDSA_P521_SHA512_ASN1_SIGNING),
            (KeyAlgorithm::Rsa(_), SignatureAlgorithm::RsaPkcs1Sha256) => rsa(&RSA_PKCS1_SHA256),
            (KeyAlgorithm::Rsa(_), SignatureAlgorithm::RsaPkcs1Sha384) => rsa(&RSA_PKCS1_SHA384),
            (KeyAlgorithm::Rsa(_), SignatureAlgorithm::RsaPkcs1Sha512) => rsa(&RSA_PKCS1_SHA512),
            (KeyAlgorithm::Ed25519, SignatureAlgorithm::Ed25519) => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.pkcs8)
                    .ok()
                    .map(|pair| pair.sign(message).as_ref().to_vec())
            }
            _ => return Err(LocalKeyFault::Algorithm { key, algorithm }),
        };
        signature.ok_or(LocalKeyFault::Signing)
    }
}

/// The algorithm that a key of some kind signs with under a digest; the digest that goes with the key when none is asked for.
fn signature_algorithm(
    key: KeyAlgorithm,
    digest: Option<DigestAlgorithm>,
) -> Result<SignatureAlgorithm, LocalKeyFault> {
    let algorithm = match (key, digest) {
        (KeyAlgorithm::Rsa(_), Some(DigestAlgorithm::Sha256)) => SignatureAlgorithm::RsaPkcs1Sha256,
        (KeyAlgorithm::Rsa(_), Some(DigestAlgorithm::Sha384)) => SignatureAlgorithm::RsaPkcs1Sha384,
        (KeyAlgorithm::Rsa(_), Some(DigestAlgorithm::Sha512)) => SignatureAlgorithm::RsaPkcs1Sha512,
        (_, Some(DigestAlgorithm::Sha256)) => SignatureAlgorithm::EcdsaSha256,
        (_, Some(DigestAlgorithm::Sha384)) => SignatureAlgorithm::EcdsaSha384,
        (_, Some(DigestAlgorithm::Sha512)) => SignatureAlgorithm::EcdsaSha512,
        (_, None) => SignatureAlgorithm::default_for(key),
    };
    if algorithm.is_usable_with(key) {
        Ok(algorithm)
    } else {
        Err(LocalKeyFault::Algorithm { key, algorithm })
    }
}

fn ec(signing: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> Option<Zeroizing<Vec<u8>>> {
    let der = EcdsaKeyPair::generate(signing).ok()?.to_pkcs8v1().ok()?;
    Some(Zeroizing::new(der.as_ref().to_vec()))
}

fn rsa(size: KeySize) -> Option<Zeroizing<Vec<u8>>> {
    let pair = aws_lc_rs::rsa::KeyPair::generate(size).ok()?;
    let der: Pkcs8V1Der<'static> = pair.as_der().ok()?;
    Some(Zeroizing::new(der.as_ref().to_vec()))
}

#[cfg(test)]
mod tests;
