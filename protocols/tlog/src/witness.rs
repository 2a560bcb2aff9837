//! What a witness makes of `add-checkpoint`, and what the log makes of its answer (c2sp.org/tlog-witness).
//!
//! The body of the request is a [`ConsistencyText`]. [`witnessed`] and [`continued`] are the checks of the witness in the order of
//! the specification; between them it looks up what it has seen. Remembering that, before it answers, is for the caller.

use crate::checkpoint::{Checkpoint, CheckpointFault};
use crate::head::TreeHead;
use crate::note::{Note, NoteFault};
use crate::note_key::NoteKey;
use crate::note_signature::NoteSignature;
use crate::proof::verify_consistency;
use crate::proof_text::{ConsistencyText, ProofTextFault};

/// The type of the body that says up to where a witness has seen a log.
pub const TLOG_SIZE: &str = "text/x.tlog.size";

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRefusal {
    /// Not the body of the request.
    #[error("the body is no request to a witness: {0}")]
    Malformed(#[from] ProofTextFault),
    /// What the note says is no checkpoint.
    #[error("the note is no checkpoint: {0}")]
    NoCheckpoint(CheckpointFault),
    /// The old size is beyond that of the checkpoint.
    #[error("the old size is larger than that of the checkpoint")]
    Shrinks,
    /// No log of this origin is watched.
    #[error("this witness does not watch a log of this origin")]
    UnknownLog,
    /// No key that is trusted for the origin has signed.
    #[error("no key that this witness trusts for this log has signed the checkpoint")]
    Unsigned,
    /// The log was seen up to another size.
    #[error("this witness has cosigned {0} entries of this log")]
    Conflict(u64),
    /// Another tree of this size was cosigned: the log has signed both, which proves that it shows different entries to different people.
    #[error("this witness has cosigned another tree of {0} entries of this log")]
    Fork(u64),
    /// The log does not continue what was cosigned, or does not prove it.
    #[error("the proof does not show that the log continues what this witness cosigned")]
    BadProof,
}

impl WitnessRefusal {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::NoCheckpoint(_) | Self::Shrinks => 400,
            Self::Unsigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict(_) | Self::Fork(_) => 409,
            Self::BadProof => 422,
        }
    }
}

/// Which log a note is about, whoever wrote it: its first line.
pub fn unverified_origin(note: &Note) -> &str {
    note.unverified_text().split('\n').next().unwrap_or_default()
}

/// What a request asks to be cosigned: the head, and the note with the signatures of the log alone. `keys` are those that are trusted
/// for its origin.
pub fn witnessed(request: &ConsistencyText, keys: &[NoteKey]) -> Result<(TreeHead, Note), WitnessRefusal> {
    if keys.is_empty() {
        return Err(WitnessRefusal::UnknownLog);
    }
    let note = &request.checkpoint;
    let verified = note.verify(keys).map_err(|_| WitnessRefusal::Unsigned)?;
    let checkpoint = Checkpoint::parse(verified.text()).map_err(WitnessRefusal::NoCheckpoint)?;
    if request.old > checkpoint.head().size() {
        return Err(WitnessRefusal::Shrinks);
    }
    let own = only_of(note, keys).ok_or(WitnessRefusal::Unsigned)?;
    Ok((checkpoint.head(), own))
}

/// Whether the head of a request continues what was seen of its log; [`TreeHead::empty`] when that is nothing.
pub fn continued(request: &ConsistencyText, head: &TreeHead, seen: &TreeHead) -> Result<(), WitnessRefusal> {
    if seen.size() == head.size() && seen.root() != head.root() {
        return Err(WitnessRefusal::Fork(seen.size()));
    }
    if request.old != seen.size() {
        return Err(WitnessRefusal::Conflict(seen.size()));
    }
    verify_consistency(seen, head, &request.proof).map_err(|_| WitnessRefusal::BadProof)
}

/// The same note with the first signature of each of these keys and no others.
fn only_of(note: &Note, keys: &[NoteKey]) -> Option<Note> {
    let mut signatures = keys.iter().filter_map(|key| of(note, key));
    let mut own = Note::new(note.unverified_text(), signatures.next()?.clone()).ok()?;
    for signature in signatures {
        own.push(signature.clone()).ok()?;
    }
    Some(own)
}

fn of<'a>(note: &'a Note, key: &NoteKey) -> Option<&'a NoteSignature> {
    let signatures = note.signatures().iter();
    let mut named = signatures.filter(|line| line.name() == key.name() && line.key_id() == key.id());
    named.next()
}

/// The answer of a witness has no signature of its key that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no signature of the witness over this checkpoint")]
pub struct NotCosigned;

/// The signature of a witness out of the lines it answered with; lines of other keys are ignored.
pub fn cosignature(note: &Note, lines: &[u8], witness: &NoteKey) -> Result<NoteSignature, NotCosigned> {
    let mut answered = format!("{}\n", note.unverified_text()).into_bytes();
    answered.extend(lines);
    let answered = Note::parse(&answered).map_err(|_: NoteFault| NotCosigned)?;
    // Lines cannot bring another text in: an empty one among them is no signature.
    if answered.unverified_text() != note.unverified_text() {
        return Err(NotCosigned);
    }
    answered
        .verify(std::slice::from_ref(witness))
        .map_err(|_| NotCosigned)?;
    of(&answered, witness).cloned().ok_or(NotCosigned)
}

/// The size in an answer of status 409: decimal, and a line end.
pub fn read_size(octets: &[u8]) -> Option<u64> {
    let digits = octets.strip_suffix(b"\n")?;
    let is_decimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !is_decimal || (digits.starts_with(b"0") && digits != b"0") {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
