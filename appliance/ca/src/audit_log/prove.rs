//! Proofs for somebody who has nothing but the key of the log.

use store::Reader;
use tlog::{Bundle, ConsistencyText, InclusionText, Note, Tiles, TreeHead};

use super::look::{self, broken, fetch};
use super::{AuditLog, Trouble, leaf, signed, unsigned};
use crate::authority::Authority;
use crate::error::{Error, Result};
use crate::permit;
use crate::principal::Principal;

/// A proof about one entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditProof {
    /// The number of the entry.
    pub seq: i64,
    /// The proof, as a file (c2sp.org/tlog-proof).
    pub text: String,
}

/// How an entry is named.
enum Named {
    Seq(i64),
    Object(String),
}

impl Authority {
    /// The verifier key of the log; none before there is a CA.
    pub async fn audit_key(&self, principal: &Principal) -> Result<Option<String>> {
        permit::check_reads_audit(principal)?;
        let log = self.inner().store.read(AuditLog::read).await?;
        Ok(log.map(|log| log.key.to_string()))
    }

    /// The last checkpoint, a signed note.
    pub async fn audit_checkpoint(&self, principal: &Principal) -> Result<String> {
        permit::check_reads_audit(principal)?;
        let row = self
            .inner()
            .store
            .read(store::audit_tree::last_checkpoint)
            .await?;
        row.map(|row| row.note).ok_or_else(not_yet)
    }

    /// Proves an entry by its number, or the first one about an object.
    pub async fn prove_audit_entry(&self, principal: &Principal, which: &str) -> Result<AuditProof> {
        permit::check_reads_audit(principal)?;
        let named = match which.parse() {
            Ok(seq) => Named::Seq(seq),
            Err(_) => Named::Object(which.to_owned()),
        };
        let read = self.inner().store.read(move |reader| {
            let seq = match &named {
                Named::Seq(seq) => Some(*seq),
                Named::Object(object) => store::audit::first_about(reader, object)?,
            };
            Ok(seq.map(|seq| (seq, prove(reader, seq))))
        });
        match read.await? {
            None => Err(Error::not_found("audit entry", which)),
            Some((_, Err(Trouble::Store(store::Error::Absent { .. })))) => {
                Err(Error::not_found("audit entry", which))
            }
            Some((seq, outcome)) => Ok(AuditProof {
                seq,
                text: found(outcome)?.ok_or_else(not_yet)?.to_string(),
            }),
        }
    }

    /// Proves that the last checkpoint, or the one of `new` entries, continues the one of `old` entries.
    pub async fn prove_audit_consistency(
        &self,
        principal: &Principal,
        old: i64,
        new: Option<i64>,
    ) -> Result<String> {
        permit::check_reads_audit(principal)?;
        let read = self
            .inner()
            .store
            .read(move |reader| Ok(prove_consistency(reader, old, new)));
        let text =
            found(read.await?)?.ok_or_else(|| Error::not_found("checkpoint of so many entries", old))?;
        Ok(text.to_string())
    }
}

fn not_yet() -> Error {
    let message = "no checkpoint has this yet: the next one is signed within seconds";
    Error::conflict("audit_not_signed", message)
}

fn found<T>(outcome: std::result::Result<T, Trouble>) -> Result<T> {
    outcome.map_err(|trouble| match trouble {
        Trouble::Alarm(alarm) => Error::conflict("audit_alarm", alarm.to_string()),
        Trouble::Store(error) => error.into(),
    })
}

/// What was signed last, or of so many entries: the note and its head.
fn checkpoint(
    reader: &Reader<'_>,
    size: Option<i64>,
) -> std::result::Result<Option<(Note, TreeHead)>, Trouble> {
    let row = match size {
        None => store::audit_tree::last_checkpoint(reader)?,
        Some(size) => store::audit_tree::checkpoint_of(reader, size)?,
    };
    let (Some(log), Some(row)) = (AuditLog::read(reader)?, row) else {
        return Ok(None);
    };
    let head = look::signed_head(&log, &row)?;
    let note = Note::parse(row.note.as_bytes());
    let note = note.map_err(|fault| super::AuditAlarm::general(fault.to_string()))?;
    Ok(Some((note, head)))
}

fn prove(reader: &Reader<'_>, seq: i64) -> std::result::Result<Option<InclusionText>, Trouble> {
    let absent = || store::Error::Absent {
        what: format!("audit entry {seq}"),
    };
    let logged = store::audit::after(reader, seq - 1, 1)?;
    let logged = logged
        .into_iter()
        .find(|logged| logged.seq == seq)
        .ok_or_else(absent)?;
    let Some((note, head)) = checkpoint(reader, None)? else {
        return Ok(None);
    };
    let index = unsigned(seq - 1);
    let Some(bundle) = Bundle::containing(index, head.size()) else {
        return Ok(None);
    };
    // Nobody is given a proof that does not hold.
    look::bundle(reader, &head, bundle.tile().index())?;
    let mut tiles = Tiles::new(head.size(), |tile| fetch(reader, tile));
    let proof = tlog::inclusion_proof(index, head.size(), |node| tiles.node(node)).map_err(broken)?;
    Ok(Some(InclusionText {
        extra: Some(leaf::leaf(&logged)),
        index,
        proof,
        checkpoint: note,
    }))
}

fn prove_consistency(
    reader: &Reader<'_>,
    old: i64,
    new: Option<i64>,
) -> std::result::Result<Option<ConsistencyText>, Trouble> {
    let Some((note, head)) = checkpoint(reader, new)? else {
        return Ok(None);
    };
    if old < 0 || old > signed(head.size()) {
        return Ok(None);
    }
    let mut tiles = Tiles::new(head.size(), |tile| fetch(reader, tile));
    let proof =
        tlog::consistency_proof(unsigned(old), head.size(), |node| tiles.node(node)).map_err(broken)?;
    Ok(Some(ConsistencyText {
        old: unsigned(old),
        proof,
        checkpoint: note,
    }))
}
