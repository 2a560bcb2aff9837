//! Signed notes: a text and the signatures under it (c2sp.org/signed-note).
//!
//! A note is read strictly and written as it was read. Signatures of keys that are not known here are kept
//! and otherwise ignored, so that a log may change its key and witnesses may sign along.

use std::fmt;

use jiff::Timestamp;

use crate::key_name::KeyName;
use crate::note_key::NoteKey;
use crate::note_signature::NoteSignature;

/// Longest note, in octets.
pub const MAX_NOTE_LEN: usize = 256 * 1024;
/// Most signatures of a note; the specification asks for 16 at least.
pub const MAX_SIGNATURES: usize = 32;

/// A text that ends with a line end, and its signatures, one at least. Printed as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// Why something is no note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteFault {
    /// Longer than [`MAX_NOTE_LEN`], or more than [`MAX_SIGNATURES`] signatures.
    #[error("note is longer than {MAX_NOTE_LEN} octets or has more than {MAX_SIGNATURES} signatures")]
    TooLong,
    /// Not of the form of a note.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
}

impl Note {
    /// A note from its text, that ends with a line end and has no other control character, and its first
    /// signature.
    pub fn new(text: &str, signature: NoteSignature) -> Result<Self, NoteFault> {
        if !text.ends_with('\n') || has_controls(text) {
            return Err(NoteFault::Malformed("text"));
        }
        let mut note = Self {
            text: text.to_owned(),
            signatures: Vec::new(),
        };
        note.push(signature)?;
        Ok(note)
    }

    /// Reads a note.
    pub fn parse(octets: &[u8]) -> Result<Self, NoteFault> {
        if octets.len() > MAX_NOTE_LEN {
            return Err(NoteFault::TooLong);
        }
        let note = str::from_utf8(octets).map_err(|_| NoteFault::Malformed("not UTF-8"))?;
        if has_controls(note) {
            return Err(NoteFault::Malformed("control character"));
        }
        // The last empty line is the one before the signatures.
        let end = note.rfind("\n\n").ok_or(NoteFault::Malformed("no empty line"))?;
        let (text, lines) = note.split_at(end + 1);
        let lines = lines
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or(NoteFault::Malformed("signatures"))?;
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(NoteFault::TooLong);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: lines
                .split('\n')
                .map(|line| NoteSignature::parse(line).ok_or(NoteFault::Malformed("signature line")))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Adds a signature under the others.
    pub fn push(&mut self, signature: NoteSignature) -> Result<(), NoteFault> {
        self.signatures.push(signature);
        if self.signatures.len() > MAX_SIGNATURES || self.to_string().len() > MAX_NOTE_LEN {
            self.signatures.pop();
            return Err(NoteFault::TooLong);
        }
        Ok(())
    }

    /// The text, whoever wrote it: only for finding out by which keys it should be signed. [`Note::verify`]
    /// gives the one to believe.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// The signatures, as they stand.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Verifies the signatures of these keys. A signature that names one of them must be its own, and one of
    /// them must have signed; which and how many is for the caller to judge. Other signatures are ignored.
    pub fn verify<'a>(&'a self, keys: &'a [NoteKey]) -> Result<Verified<'a>, VerifyFault> {
        let mut signers: Vec<Signer<'a>> = Vec::new();
        for signature in &self.signatures {
            let named = |key: &&NoteKey| *key.name() == signature.name && key.id() == signature.key_id;
            for key in keys.iter().filter(named) {
                let at = key
                    .verify(&self.text, &signature.signature)
                    .map_err(|_| VerifyFault::BadSignature(signature.name.clone()))?;
                // Who signs twice counts once.
                if signers.iter().all(|signer| signer.key != key) {
                    signers.push(Signer { key, at });
                }
            }
        }
        if signers.is_empty() {
            return Err(VerifyFault::Unsigned);
        }
        let text = &self.text;
        Ok(Verified { text, signers })
    }
}

/// A text that keys have signed; only [`Note::verify`] makes one.
#[derive(Clone, Debug)]
pub struct Verified<'a> {
    text: &'a str,
    signers: Vec<Signer<'a>>,
}

impl<'a> Verified<'a> {
    /// The text that was signed.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Who signed it, one at least, each once.
    pub fn signers(&self) -> &[Signer<'a>] {
        &self.signers
    }

    /// Whether this key is among them.
    pub fn is_signed_by(&self, key: &NoteKey) -> bool {
        self.signers.iter().any(|signer| signer.key == key)
    }
}

/// A key whose signature was verified.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The key.
    pub key: &'a NoteKey,
    /// When it signed, in whole seconds, if it is a witness's.
    pub at: Option<Timestamp>,
}

/// Why a note is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyFault {
    /// The signature of a known key is not its own.
    #[error("the signature of {0} does not verify")]
    BadSignature(KeyName),
    /// None of the known keys has signed.
    #[error("no known key has signed the note")]
    Unsigned,
}

/// Whether there is a control character of ASCII that is not a line end.
fn has_controls(text: &str) -> bool {
    text.contains(|c| c < ' ' && c != '\n')
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| write!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests;
