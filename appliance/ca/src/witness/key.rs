//! The key of a witness: Ed25519, in a file of its own.
//!
//! It is not in the HSM, because it vouches for nothing but what this machine has seen, and must be of no use to who holds that of a log.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jiff::Timestamp;
use pki::PublicKey;
use tlog::{KeyName, Note, NoteFault, NoteKey, NoteSignature, SignatureFault, SignatureKind};
use zeroize::Zeroizing;

use super::seen;

/// RFC 8410 section 4: what stands before the octets of the key.
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
const LABEL: &str = "PRIVATE KEY";

/// A private key with the name it signs under.
#[derive(Debug)]
pub struct WitnessKey {
    verifier: NoteKey,
    pair: Ed25519KeyPair,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessKeyFault {
    /// The name.
    #[error("the name of the witness: {0}")]
    Name(String),
    /// The file.
    #[error("the key of the witness {}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is in the file.
    #[error("{} is no Ed25519 key (PKCS#8 in PEM); `openssl genpkey -algorithm ed25519` makes one", path.display())]
    NoKey {
        /// Which one.
        path: PathBuf,
    },
    /// It could not be made.
    #[error("the key of the witness cannot be made")]
    Making,
}

/// Why a note was not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CosignFault {
    /// The signature.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// The note is full.
    #[error(transparent)]
    Note(#[from] NoteFault),
}

impl WitnessKey {
    /// The key of a file, which is made, for its owner alone to read, when it is not there.
    pub fn open_or_make(name: &str, file: &Path) -> Result<Self, WitnessKeyFault> {
        match Self::open(name, file) {
            Err(WitnessKeyFault::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        // A name that cannot be is told before there is a key.
        KeyName::new(name).map_err(|fault| WitnessKeyFault::Name(fault.to_string()))?;
        let made =
            Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| WitnessKeyFault::Making)?;
        let pem = Zeroizing::new(pki::pem::encode(LABEL, made.as_ref()));
        seen::write(file, pem.as_bytes(), 0o600).map_err(|source| WitnessKeyFault::File {
            path: file.to_owned(),
            source,
        })?;
        Self::open(name, file)
    }

    /// The key of a file that is there.
    pub fn open(name: &str, file: &Path) -> Result<Self, WitnessKeyFault> {
        let name = KeyName::new(name).map_err(|fault| WitnessKeyFault::Name(fault.to_string()))?;
        let text = fs::read(file).map_err(|source| WitnessKeyFault::File {
            path: file.to_owned(),
            source,
        })?;
        let text = Zeroizing::new(text);
        let unusable = || WitnessKeyFault::NoKey {
            path: file.to_owned(),
        };
        let blocks = pki::pem::decode(&text).map_err(|_| unusable())?;
        let block = blocks.iter().find(|block| block.label == LABEL);
        let der = &block.ok_or_else(unusable)?.der;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| unusable())?;
        let spki = [SPKI.as_slice(), pair.public_key().as_ref()].concat();
        let key = PublicKey::from_spki_der(&spki).map_err(|_| unusable())?;
        let verifier = NoteKey::new(name, SignatureKind::Cosignature, key).map_err(|_| unusable())?;
        Ok(Self { verifier, pair })
    }

    /// What its signatures are verified with.
    pub fn verifier(&self) -> &NoteKey {
        &self.verifier
    }

    /// Puts its signature under a note; gives the line, too. Whether the note may be cosigned, the caller knows.
    pub fn cosign(&self, mut note: Note, at: Timestamp) -> Result<(Note, NoteSignature), CosignFault> {
        let text = note.unverified_text().to_owned();
        let signature = self.pair.sign(&self.verifier.message(&text, at)?);
        let line = self.verifier.signature(&text, at, signature.as_ref())?;
        note.push(line.clone())?;
        Ok((note, line))
    }
}
