//! Keys that sign notes: what they sign, how that is verified, and their text form, the verifier key
//! (c2sp.org/signed-note, c2sp.org/tlog-cosignature).
//!
//! The private half is never here: [`NoteKey::message`] hands out what is to be signed,
//! [`NoteKey::signature`] takes back what somebody else signed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pki::key::{BadSignature, KeyFault};
use pki::{KeyAlgorithm, PublicKey, SignatureAlgorithm};

use crate::key_name::KeyName;
use crate::note_signature::NoteSignature;
use crate::signature_kind::{KeyId, SignatureKind};

/// A public key with its name and the kind of its signatures. Printed and parsed as verifier key:
/// `<name>+<key ID>+<base64 of type octets and key octets>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: KeyName,
    kind: SignatureKind,
    key: PublicKey,
    id: KeyId,
}

/// Why something is no key for notes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteKeyFault {
    /// Keys of this algorithm make no signatures of this kind.
    #[error("a key of {0} cannot sign notes this way")]
    Algorithm(KeyAlgorithm),
    /// Not a verifier key, or one of a kind that is not known here.
    #[error("malformed verifier key: {0}")]
    Malformed(&'static str),
    /// The public key in it is refused.
    #[error("the key of the verifier key is refused")]
    Key(#[source] KeyFault),
}

/// Why there is nothing to sign, or what was signed is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// A time before 1970.
    #[error("a cosignature has no time before 1970")]
    Time,
    /// The signature is not this key's over the message.
    #[error("the signature does not verify")]
    Bad(#[from] BadSignature),
}

impl NoteKey {
    /// Gives a public key the name and the kind under which it signs.
    pub fn new(name: KeyName, kind: SignatureKind, key: PublicKey) -> Result<Self, NoteKeyFault> {
        let algorithm = key.algorithm();
        if !kind.is_made_by(algorithm) {
            return Err(NoteKeyFault::Algorithm(algorithm));
        }
        let id = kind.key_id(&name, &key);
        Ok(Self { name, kind, key, id })
    }

    /// The octets to sign for a note of this text, with [`NoteKey::algorithm`]. The time goes into a
    /// witness's signature, in whole seconds, and into nothing else.
    pub fn message(&self, text: &str, at: Timestamp) -> Result<Vec<u8>, SignatureFault> {
        let seconds = u64::try_from(at.as_second()).map_err(|_| SignatureFault::Time)?;
        Ok(self.message_at(text, seconds))
    }

    /// The line for the note from the signature over [`NoteKey::message`], which is verified first.
    pub fn signature(
        &self,
        text: &str,
        at: Timestamp,
        signature: &[u8],
    ) -> Result<NoteSignature, SignatureFault> {
        let seconds = u64::try_from(at.as_second()).map_err(|_| SignatureFault::Time)?;
        let mut octets = Vec::new();
        if self.kind.is_timed() {
            octets.extend(seconds.to_be_bytes());
        }
        octets.extend(signature);
        self.verify(text, &octets)?;
        Ok(NoteSignature {
            name: self.name.clone(),
            key_id: self.id,
            signature: octets,
        })
    }

    /// What the key is called.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// How it signs.
    pub fn kind(&self) -> SignatureKind {
        self.kind
    }

    /// Its identifier in notes.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The algorithm it signs messages with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        match self.kind {
            SignatureKind::Ed25519 | SignatureKind::Cosignature => SignatureAlgorithm::Ed25519,
            SignatureKind::Ecdsa | SignatureKind::EcdsaCosignature => SignatureAlgorithm::EcdsaSha256,
        }
    }

    /// Verifies what stands behind the key ID of a signature line; gives the time that a witness signed.
    pub(crate) fn verify(&self, text: &str, octets: &[u8]) -> Result<Option<Timestamp>, BadSignature> {
        if !self.kind.is_timed() {
            self.key.verify(self.algorithm(), text.as_bytes(), octets)?;
            return Ok(None);
        }
        let (seconds, signature) = octets.split_first_chunk().ok_or(BadSignature)?;
        let seconds = u64::from_be_bytes(*seconds);
        // At most 2^63 - 1; what lies beyond the year 9999 is a time in the future, which may be refused, too.
        let at = i64::try_from(seconds).map_err(|_| BadSignature)?;
        let at = Timestamp::from_second(at).map_err(|_| BadSignature)?;
        self.key
            .verify(self.algorithm(), &self.message_at(text, seconds), signature)?;
        Ok(Some(at))
    }

    fn message_at(&self, text: &str, seconds: u64) -> Vec<u8> {
        if self.kind.is_timed() {
            format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
        } else {
            text.as_bytes().to_vec()
        }
    }
}

/// Longest verifier key read, in octets.
const MAX_VERIFIER_KEY_LEN: usize = 4096;

/// What stands before the 32 octets of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

impl FromStr for NoteKey {
    type Err = NoteKeyFault;

    fn from_str(text: &str) -> Result<Self, NoteKeyFault> {
        let malformed = NoteKeyFault::Malformed;
        if text.len() > MAX_VERIFIER_KEY_LEN {
            return Err(malformed("too long"));
        }
        // The base64 may have a plus of its own.
        let (name, rest) = text.split_once('+').ok_or(malformed("no plus"))?;
        let (id, octets) = rest.split_once('+').ok_or(malformed("no second plus"))?;
        let octets = STANDARD.decode(octets).map_err(|_| malformed("base64"))?;
        let find = |kind: SignatureKind| Some((kind, octets.strip_prefix(kind.type_octets())?));
        let (kind, key) = SignatureKind::ALL
            .into_iter()
            .find_map(find)
            .ok_or(malformed("kind"))?;
        let key = match kind {
            SignatureKind::Ed25519 | SignatureKind::Cosignature => {
                PublicKey::from_spki_der(&[&ED25519_SPKI, key].concat())
            }
            SignatureKind::Ecdsa | SignatureKind::EcdsaCosignature => PublicKey::from_spki_der(key),
        };
        let name = KeyName::new(name).map_err(|_| malformed("name"))?;
        let key = Self::new(name, kind, key.map_err(NoteKeyFault::Key)?)?;
        if key.id.to_string() == id {
            Ok(key)
        } else {
            Err(malformed("key ID"))
        }
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [self.kind.type_octets(), self.kind.key_octets(&self.key)].concat();
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(octets))
    }
}

#[cfg(test)]
mod tests;
