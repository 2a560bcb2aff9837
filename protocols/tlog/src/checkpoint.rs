//! Checkpoints: the text of a note that says how a log stands (c2sp.org/tlog-checkpoint).
//!
//! The text of a foreign note is ignored until [`crate::Note::verify`] has given it; which origins a key may
//! speak for is for the caller to know. Extension lines are read and written back, never made: nobody who
//! watches the log could check them.

use std::fmt;

use crate::hash::{Hash, NoHash};
use crate::head::{HeadFault, TreeHead};
use crate::note::MAX_NOTE_LEN;

/// Origin, size and root, in this order a line each, and lines that mean nothing here. Printed as the text of
/// a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    head: TreeHead,
    extensions: Vec<String>,
}

/// Why a text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointFault {
    /// Not the three lines it must have, and non-empty ones behind.
    #[error("malformed checkpoint: {0}")]
    Malformed(&'static str),
    /// Well formed, about a tree that cannot be; a witness answers this otherwise than what is malformed.
    #[error("checkpoint of an impossible tree")]
    Head(#[source] HeadFault),
}

impl Checkpoint {
    /// The checkpoint of a log by its origin: one line, not empty, of at most what a note may have.
    pub fn new(origin: &str, head: TreeHead) -> Result<Self, CheckpointFault> {
        let checkpoint = Self {
            origin: line(Some(origin), "origin")?.to_owned(),
            head,
            extensions: Vec::new(),
        };
        if origin.len() > MAX_ORIGIN_LEN {
            return Err(CheckpointFault::Malformed("origin"));
        }
        Ok(checkpoint)
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, CheckpointFault> {
        if text.len() > MAX_NOTE_LEN {
            return Err(CheckpointFault::Malformed("length"));
        }
        let text = text
            .strip_suffix('\n')
            .ok_or(CheckpointFault::Malformed("last line"))?;
        let mut lines = text.split('\n');
        let origin = line(lines.next(), "origin")?.to_owned();
        let size = size(line(lines.next(), "size")?)?;
        let root = Hash::from_base64(line(lines.next(), "root")?)
            .map_err(|NoHash| CheckpointFault::Malformed("root"))?;
        let extensions = lines.map(|extension| line(Some(extension), "extension").map(ToOwned::to_owned));
        Ok(Self {
            origin,
            extensions: extensions.collect::<Result<_, _>>()?,
            head: TreeHead::new(size, root).map_err(CheckpointFault::Head)?,
        })
    }

    /// Which log it is about.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root of its tree.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The lines behind the root.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

/// Longest origin written, in octets: the limit of c2sp.org/tlog-cosignature for ML-DSA.
const MAX_ORIGIN_LEN: usize = 255;

fn line<'a>(line: Option<&'a str>, what: &'static str) -> Result<&'a str, CheckpointFault> {
    line.filter(|line| !line.is_empty() && !line.contains(|c| c < ' '))
        .ok_or(CheckpointFault::Malformed(what))
}

/// ASCII digits without leading zeros.
fn size(line: &str) -> Result<u64, CheckpointFault> {
    let is_decimal = line.bytes().all(|octet| octet.is_ascii_digit());
    if !is_decimal || (line.starts_with('0') && line != "0") {
        return Err(CheckpointFault::Malformed("size"));
    }
    line.parse()
        .map_err(|_| CheckpointFault::Head(HeadFault::TooLarge))
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, root) = (self.head.size(), self.head.root().to_base64());
        writeln!(f, "{}\n{size}\n{root}", self.origin)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests;
