//! Keys that are made in a PKCS#11 token of the host and stay there: a TPM, an HSM, a soft token.
//!
//! The vendor's library is loaded into this process, and only when a certificate of such a key is due, or a key is to be destroyed:
//! whether what is installed belongs together the files alone tell (`key/reference.rs`). Each key has a label that nobody else uses. It
//! is noted in the state before the key is made and crossed out when the key is destroyed, so that a run that was killed leaves none
//! behind for good.

mod upkeep;

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use pki::{
    DigestAlgorithm, DistinguishedName, KeyFingerprint, PublicKey, SignatureAlgorithm, SubjectAltName,
};
use secrecy::SecretString;
use token::{Hsm, Input, KeyKind, KeyRef, Keys as _, PinSource, Scheme, TokenConfig};

use crate::failure::Failure;
use crate::key::{KeyReference, KeyType, LocalKeyFault, request_of};

pub use upkeep::{make, sweep};

/// Octets of the random end of a label.
const TAIL: usize = 6;

/// The longest label of the file: what is made of it has 64 characters at most.
pub const MAX_LABEL: usize = 64 - 1 - 2 * TAIL;

/// Which token, and how it is opened.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The vendor's library.
    pub module: PathBuf,
    /// The token.
    pub place: Place,
    /// The PIN of its user.
    pub pin: SecretString,
    /// What the labels of its keys begin with.
    pub label: String,
}

/// How a token is told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By its label.
    Label(String),
    /// By its serial number.
    Serial(String),
    /// By the slot it is in.
    Slot(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "token {label}"),
            Self::Serial(serial) => write!(f, "token with serial number {serial}"),
            Self::Slot(slot) => write!(f, "token in slot {slot}"),
        }
    }
}

impl TokenSettings {
    /// The kinds of key that are made in tokens.
    pub const KINDS: [KeyType; 5] = [
        KeyType::Ec256,
        KeyType::Ec384,
        KeyType::Rsa2048,
        KeyType::Rsa3072,
        KeyType::Rsa4096,
    ];

    /// A label that no other key has.
    fn fresh_label(&self) -> Result<String, Failure> {
        let mut tail = [0; TAIL];
        rand::fill(&mut tail).map_err(|_| LocalKeyFault::Generation)?;
        Ok(format!("{}-{}", self.label, crate::report::hexadecimal(&tail)))
    }

    fn config(&self) -> TokenConfig {
        let plain = |character: char| {
            if character.is_ascii_alphanumeric() || character == '-' {
                character
            } else {
                '_'
            }
        };
        let place = match &self.place {
            Place::Label(text) | Place::Serial(text) => text.clone(),
            Place::Slot(slot) => format!("slot-{slot}"),
        };
        let mut config = TokenConfig {
            // Also part of the name of the file that remembers a rejected PIN.
            name: place.chars().map(plain).collect(),
            module: self.module.clone(),
            sessions: Some(1),
            ..TokenConfig::default()
        };
        match &self.place {
            Place::Label(label) => config.label = Some(label.clone()),
            Place::Serial(serial) => config.serial = Some(serial.clone()),
            Place::Slot(slot) => config.slot = Some(*slot),
        }
        config
    }
}

/// A token that is open.
#[derive(Debug)]
pub struct TokenKeys {
    hsm: Hsm,
}

impl TokenKeys {
    /// Loads the library, looks for the token and logs in, once. A PIN that the token rejects is remembered in `state_dir`, and is not
    /// tried again by later runs either.
    pub fn open(settings: &TokenSettings, state_dir: &Path) -> Result<Self, token::Error> {
        let pin = PinSource::Given(settings.pin.clone());
        let memory = state_dir.is_dir().then_some(state_dir);
        let hsm = Hsm::connect(&settings.config(), pin, memory)?;
        Ok(Self { hsm })
    }

    /// Makes a key pair: sensitive, not extractable, for signing only, and tried once.
    fn generate(&self, label: &str, kind: KeyType) -> Result<KeyReference, Failure> {
        let record = self.hsm.generate_own(label, kind_of(kind)?)?;
        Ok(KeyReference {
            token: self.hsm.token_label().unwrap_or_default(),
            object: label.to_owned(),
            id: KeyFingerprint(*record.key.as_bytes()),
        })
    }

    /// The public key of a private key that is in the token, under this identifier and this label; nothing when it is not.
    pub fn public_key(&self, reference: &KeyReference) -> Option<PublicKey> {
        let record = self.hsm.find(&KeyRef::new(reference.id.0))?;
        let is_it = record.label == reference.object;
        PublicKey::from_spki_der(&record.spki).ok().filter(|_| is_it)
    }

    /// A request, signed in the token.
    pub fn request(
        &self,
        reference: &KeyReference,
        subject: &DistinguishedName,
        names: &[SubjectAltName],
        digest: Option<DigestAlgorithm>,
    ) -> Result<String, Failure> {
        let key = KeyRef::new(reference.id.0);
        let public = self.public_key(reference).ok_or(token::Error::KeyNotFound(key))?;
        request_of(&public, subject, names, digest, |algorithm, info| {
            let scheme = scheme_of(algorithm).ok_or(LocalKeyFault::Algorithm {
                key: public.algorithm(),
                algorithm,
            })?;
            let input = Input::Message(info.to_vec());
            Ok(self.hsm.sign(&key, scheme, &input, None)?)
        })
    }

    fn destroy(&self, label: &str) -> Result<usize, Failure> {
        Ok(self.hsm.destroy_own(label)?)
    }
}

fn kind_of(kind: KeyType) -> Result<KeyKind, token::Error> {
    Ok(match kind {
        KeyType::Ec256 => KeyKind::P256,
        KeyType::Ec384 => KeyKind::P384,
        KeyType::Rsa2048 => KeyKind::Rsa(2048),
        KeyType::Rsa3072 => KeyKind::Rsa(3072),
        KeyType::Rsa4096 => KeyKind::Rsa(4096),
        KeyType::Ec521 | KeyType::Ed25519 => {
            return Err(token::Error::Refused(format!(
                "no keys of {kind} are made in tokens"
            )));
        }
    })
}

fn scheme_of(algorithm: SignatureAlgorithm) -> Option<Scheme> {
    Some(match algorithm {
        SignatureAlgorithm::EcdsaSha256 => Scheme::EcdsaSha256,
        SignatureAlgorithm::EcdsaSha384 => Scheme::EcdsaSha384,
        SignatureAlgorithm::RsaPkcs1Sha256 => Scheme::RsaPkcs1Sha256,
        SignatureAlgorithm::RsaPkcs1Sha384 => Scheme::RsaPkcs1Sha384,
        SignatureAlgorithm::RsaPkcs1Sha512 => Scheme::RsaPkcs1Sha512,
        _ => return None,
    })
}
