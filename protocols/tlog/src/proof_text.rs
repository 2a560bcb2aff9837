//! Proofs as texts: that an entry is in a log (c2sp.org/tlog-proof), and that a log continues one that was seen before
//! (the body of `add-checkpoint`, c2sp.org/tlog-witness).
//!
//! Both end with a checkpoint as a signed note, so that they are verified with nothing but the key of the log. They are read
//! strictly and written as they were read; reading one says nothing about its truth.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::note::{MAX_NOTE_LEN, Note, NoteFault};
use crate::proof::MAX_PROOF_LEN;

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Longest proof read, in octets: an entry in base64, hashes, a note.
pub const MAX_PROOF_TEXT_LEN: usize = MAX_NOTE_LEN + 256 * 1024;

/// The text is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofTextFault {
    /// Not of the form of a proof.
    #[error("malformed proof: {0}")]
    Malformed(&'static str),
    /// What it ends with is no note.
    #[error("the checkpoint of the proof is malformed")]
    Note(#[from] NoteFault),
}

use ProofTextFault::Malformed;

/// A proof of inclusion with the checkpoint it leads to. Printed as a file that is named `.tlog-proof`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionText {
    /// What the application adds; Chancery has the octets of the entry here, so that the file stands alone.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry, counted from 0.
    pub index: u64,
    /// The hashes of [`crate::inclusion_proof`].
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

impl InclusionText {
    /// Reads one.
    pub fn parse(octets: &[u8]) -> Result<Self, ProofTextFault> {
        let (head, checkpoint) = divide(octets)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(Malformed("header"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.and_then(|line| line.strip_prefix("extra "));
        let extra = extra.map(|text| STANDARD.decode(text).map_err(|_| Malformed("extra")));
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        Ok(Self {
            extra: extra.transpose()?,
            index: number(index, "index")?,
            proof: hashes(lines)?,
            checkpoint,
        })
    }
}

impl fmt::Display for InclusionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        end(f, &self.proof, &self.checkpoint)
    }
}

/// A proof of consistency with the newer checkpoint. Printed as the body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyText {
    /// Size of the older tree; 0 for a log that was not seen before.
    pub old: u64,
    /// The hashes of [`crate::consistency_proof`].
    pub proof: Vec<Hash>,
    /// The newer checkpoint, signed.
    pub checkpoint: Note,
}

impl ConsistencyText {
    /// Reads one.
    pub fn parse(octets: &[u8]) -> Result<Self, ProofTextFault> {
        let (head, checkpoint) = divide(octets)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        Ok(Self {
            old: number(old, "old size")?,
            proof: hashes(lines)?,
            checkpoint,
        })
    }
}

impl fmt::Display for ConsistencyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        end(f, &self.proof, &self.checkpoint)
    }
}

/// What stands before the first empty line, and the note behind it.
fn divide(octets: &[u8]) -> Result<(&str, Note), ProofTextFault> {
    if octets.len() > MAX_PROOF_TEXT_LEN {
        return Err(Malformed("length"));
    }
    let text = str::from_utf8(octets).map_err(|_| Malformed("not UTF-8"))?;
    let (head, checkpoint) = text.split_once("\n\n").ok_or(Malformed("no empty line"))?;
    Ok((head, Note::parse(checkpoint.as_bytes())?))
}

/// ASCII digits without leading zeros.
fn number(text: Option<&str>, what: &'static str) -> Result<u64, ProofTextFault> {
    let text = text.ok_or(Malformed(what))?;
    let is_decimal = text.bytes().all(|octet| octet.is_ascii_digit());
    if !is_decimal || (text.starts_with('0') && text != "0") {
        return Err(Malformed(what));
    }
    text.parse().map_err(|_| Malformed(what))
}

fn hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Hash>, ProofTextFault> {
    let mut hashes = Vec::new();
    for line in lines {
        if hashes.len() == MAX_PROOF_LEN {
            return Err(Malformed("too many hashes"));
        }
        hashes.push(Hash::from_base64(line).map_err(|_| Malformed("hash"))?);
    }
    Ok(hashes)
}

fn end(f: &mut fmt::Formatter<'_>, proof: &[Hash], checkpoint: &Note) -> fmt::Result {
    for hash in proof {
        writeln!(f, "{}", hash.to_base64())?;
    }
    write!(f, "\n{checkpoint}")
}

#[cfg(test)]
mod tests;
