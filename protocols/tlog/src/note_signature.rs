//! Signature lines of notes (c2sp.org/signed-note).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key_name::KeyName;
use crate::signature_kind::KeyId;

/// What a signature line begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// A signature line. Printed with its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    pub(crate) name: KeyName,
    pub(crate) key_id: KeyId,
    /// Not empty; what it is depends on the kind of the key.
    pub(crate) signature: Vec<u8>,
}

impl NoteSignature {
    /// Name of the key.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Identifier of the key; together with the name it tells which key it is.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Reads a line without its line end.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = line.strip_prefix(DASH)?;
        let (name, signature) = line.split_once(' ')?;
        let octets = STANDARD.decode(signature).ok()?;
        let (key_id, signature) = octets.split_first_chunk()?;
        if signature.is_empty() {
            return None;
        }
        Some(Self {
            name: KeyName::new(name).ok()?,
            key_id: KeyId(*key_id),
            signature: signature.to_vec(),
        })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [self.key_id.0.as_slice(), &self.signature].concat();
        writeln!(f, "{DASH}{} {}", self.name, STANDARD.encode(octets))
    }
}
