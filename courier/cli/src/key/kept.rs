//! The key of a certificate where it is kept: in a file, or in a token with a reference to it in its place.

use pki::{KeyFingerprint, PublicKey};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::reference::{KeyReference, NoReference};
use super::{LocalKey, LocalKeyFault};

/// The key of a certificate.
#[derive(Debug)]
pub enum KeptKey {
    /// A file has it.
    File(LocalKey),
    /// A token has it.
    Token(KeyReference),
}

/// What stands in the place of a key is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptKeyFault {
    /// The key cannot be read.
    #[error(transparent)]
    Key(#[from] LocalKeyFault),
    /// The reference cannot be read.
    #[error(transparent)]
    Reference(#[from] NoReference),
}

impl KeptKey {
    /// Reads what a file has.
    pub fn parse(input: &[u8], passphrase: Option<&SecretString>) -> Result<Self, KeptKeyFault> {
        if KeyReference::is_meant(input) {
            return Ok(Self::Token(KeyReference::read(input)?));
        }
        Ok(Self::File(LocalKey::parse(input, passphrase)?))
    }

    /// What a file gets: PKCS#8 PEM, or the reference in a line.
    pub fn to_text(&self, passphrase: Option<&SecretString>) -> Result<Zeroizing<String>, LocalKeyFault> {
        match self {
            Self::File(key) => key.to_pem(passphrase),
            Self::Token(reference) => Ok(Zeroizing::new(format!("{reference}\n"))),
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> KeyFingerprint {
        match self {
            Self::File(key) => key.fingerprint(),
            Self::Token(reference) => reference.id,
        }
    }

    /// Whether it is the private key of a public key. Of a key in a token this is what the reference says; whether the token still
    /// has the key only the token knows.
    pub fn is_of(&self, public: &PublicKey) -> bool {
        match self {
            Self::File(key) => key.public_key() == public,
            Self::Token(reference) => reference.id == public.fingerprint(),
        }
    }

    /// The key itself, where a file has it.
    pub fn in_file(&self) -> Option<&LocalKey> {
        match self {
            Self::File(key) => Some(key),
            Self::Token(_) => None,
        }
    }

    /// The reference, where a token has it.
    pub fn in_token(&self) -> Option<&KeyReference> {
        match self {
            Self::File(_) => None,
            Self::Token(reference) => Some(reference),
        }
    }
}
