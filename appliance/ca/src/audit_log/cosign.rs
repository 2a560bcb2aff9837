//! Having checkpoints cosigned by witnesses. Asking them is for an edge; here is what they are asked, and what their answer means.
//!
//! Checkpoints wait for no witness: its line comes under the last one when it has answered, in the store, so that every server of that
//! store has it. One server at a time asks a witness. How far it has got stands under the checkpoints themselves, and the witness says
//! it, too; when that is more than this log ever signed, somebody has brought the log back to an earlier time or shown the witness another.

mod state;

use std::time::Duration;

use store::audit_tree::{self, CheckpointRow};
use store::leases::{self, Lease};
use store::{Reader, Tx};
use tlog::{ConsistencyText, Note, NoteKey, NoteSignature, Tiles};

use super::look::{self, broken, fetch};
use super::{AuditLog, Trouble, unsigned};
use crate::authority::Authority;
use crate::error::{Error, Result};

pub(crate) use state::WitnessStates;

/// How long a server may ask before another one does.
const LENGTH: Duration = Duration::from_mins(1);
/// Checkpoints that are looked through for the last one that a witness cosigned.
const LOOKED_THROUGH: u32 = 64;
/// Characters of an answer that are told.
const TOLD: usize = 200;

/// What a witness is to be asked, and the right to ask.
#[derive(Debug)]
pub struct AuditWitnessRequest {
    /// The body of `add-checkpoint`.
    pub body: String,
    witness: NoteKey,
    note: Note,
    origin: String,
    old: i64,
    size: i64,
    lease: Lease,
}

/// What the store says about a witness.
struct Standing {
    log: AuditLog,
    /// The last checkpoint.
    row: CheckpointRow,
    /// The size of the last one that the witness has signed.
    cosigned: Option<i64>,
}

impl Authority {
    /// What a witness has to be asked now; nothing when the last checkpoint has its signature, or another server asks.
    pub async fn audit_witness_request(&self, witness: &NoteKey) -> Result<Option<AuditWitnessRequest>> {
        let store = &self.inner().store;
        let own = witness.clone();
        let Some(found) = store.read(move |reader| standing(reader, &own)).await? else {
            return Ok(None);
        };
        let now = self.inner().clock.now();
        let states = &self.inner().audit.witnesses;
        let old = states.change(witness, |state| state.look(&found, now));
        let Some(old) = old else { return Ok(None) };
        let (name, node) = (format!("audit-witness:{}", witness.name()), store.node());
        let taken = store
            .write(move |tx| leases::take(tx, &name, node, LENGTH))
            .await?;
        let Some(lease) = taken else { return Ok(None) };
        let (row, log) = (found.row.clone(), found.log.clone());
        let made = store
            .read(move |reader| Ok(text(reader, &log, &row, old)))
            .await?;
        let text = match made {
            Ok(text) => text,
            Err(Trouble::Store(error)) => return Err(error.into()),
            Err(Trouble::Alarm(alarm)) => return Err(Error::conflict("audit_alarm", alarm.to_string())),
        };
        Ok(Some(AuditWitnessRequest {
            body: text.to_string(),
            witness: witness.clone(),
            note: text.checkpoint,
            origin: found.log.origin().to_owned(),
            old,
            size: found.row.size,
            lease,
        }))
    }

    /// What a witness answered: its signature is put under the checkpoint, or it is noted why there is none. The text of an error
    /// says why the witness has to be asked again later; without one it may be asked again at once.
    pub async fn audit_witness_answered(
        &self,
        request: AuditWitnessRequest,
        status: u16,
        body: &[u8],
    ) -> Result<std::result::Result<(), String>> {
        let outcome = match status {
            200 => match tlog::cosignature(&request.note, body, &request.witness) {
                Ok(line) => return self.take_cosignature(request, line).await.map(Ok),
                Err(_) => Err(Bad::Alarm(
                    "its answer is not signed by the key that is configured for it: look whether `key` is its verifier key; if it is, \
                     somebody else answers in its place"
                        .to_owned(),
                )),
            },
            409 => self.conflict(&request, tlog::read_size(body)).await?,
            422 => Err(Bad::Alarm(format!(
                "it says that this log does not continue the {} entries it has cosigned: the log was brought back to an earlier time or \
                 rewritten, or the witness was shown another one under its key",
                request.old
            ))),
            403 => Err(Bad::Fault(
                "it does not trust the key of this log (403): give its operator what `chancery audit key` prints".to_owned(),
            )),
            404 => Err(Bad::Fault(
                "it does not watch this log, or is no witness at this address (404): look at `url`, and give its operator what \
                 `chancery audit key` prints"
                    .to_owned(),
            )),
            _ => Err(Bad::Fault(format!("it answered {status}: {}", told(body)))),
        };
        match outcome {
            Ok(()) => {
                self.release_witness(&request.lease).await;
                Ok(Ok(()))
            }
            Err(bad) => Ok(Err(self.not_cosigned(request, bad).await)),
        }
    }

    /// Takes note that a witness could not be asked, and lets another server try.
    pub async fn audit_witness_failed(&self, request: AuditWitnessRequest, why: &str) {
        self.not_cosigned(request, Bad::Fault(why.to_owned())).await;
    }

    async fn not_cosigned(&self, request: AuditWitnessRequest, bad: Bad) -> String {
        let now = self.inner().clock.now();
        let name = request.witness.name();
        let why = self
            .inner()
            .audit
            .witnesses
            .change(&request.witness, |state| match bad {
                Bad::Fault(why) => {
                    state.failed(now, &why);
                    why
                }
                Bad::Alarm(what) => {
                    state.failed(now, &what);
                    // Its words change with the log; that it is there is news once.
                    if state.alarm.is_none() {
                        tracing::error!(witness = %name, what, "a witness contradicts the audit log");
                    }
                    state.alarm = Some(what.clone());
                    state.is_confirmed = false;
                    what
                }
            });
        self.release_witness(&request.lease).await;
        why
    }

    /// It ends by itself, too.
    async fn release_witness(&self, lease: &Lease) {
        let lease = lease.clone();
        let released = self.inner().store.write(move |tx| leases::release(tx, &lease));
        let _ = released.await;
    }

    /// The witness has seen another size than it was asked from.
    async fn conflict(
        &self,
        request: &AuditWitnessRequest,
        size: Option<u64>,
    ) -> Result<std::result::Result<(), Bad>> {
        let Some(size) = size.and_then(|size| i64::try_from(size).ok()) else {
            return Ok(Err(Bad::Fault(
                "it answered 409 without a size that can be read".to_owned(),
            )));
        };
        if size == request.size && request.old == size {
            return Ok(Err(Bad::Alarm(format!(
                "it has cosigned another checkpoint of {size} entries than the one of this log: the log was brought back to an earlier \
                 time, or the witness was shown another one under its key"
            ))));
        }
        if size == request.old {
            return Ok(Err(Bad::Fault(format!(
                "it was asked from {size} entries, and says that it has cosigned {size}"
            ))));
        }
        let last = self.inner().store.read(audit_tree::last_checkpoint).await?;
        let last = last.map_or(0, |last| last.size);
        if size > last {
            return Ok(Err(Bad::Alarm(format!(
                "it has cosigned {size} entries of this log, of which {last} are signed here: the log was brought back to an earlier \
                 time, or the witness was shown another one under its key"
            ))));
        }
        let states = &self.inner().audit.witnesses;
        Ok(states.change(&request.witness, |state| state.hears_of(size)))
    }

    async fn take_cosignature(&self, request: AuditWitnessRequest, line: NoteSignature) -> Result<()> {
        let (size, text) = (request.size, request.note.unverified_text().to_owned());
        let lease = request.lease.clone();
        let put = self.inner().store.write(move |tx| {
            put_under(tx, size, &text, &line)?;
            leases::release(tx, &lease)
        });
        put.await?;
        self.inner()
            .audit
            .witnesses
            .change(&request.witness, |state| state.is_done(size));
        // Not while the files are written by the duty.
        let _one_at_a_time = self.inner().audit.tended.lock().await;
        match self.inner().audit.log() {
            Some(log) if log.origin() == request.origin => self.write_audit_files(&log).await,
            _ => Ok(()),
        }
    }
}

/// Why there is no signature: what passes, and what must not be.
enum Bad {
    Fault(String),
    Alarm(String),
}

fn standing(reader: &Reader<'_>, witness: &NoteKey) -> store::Result<Option<Standing>> {
    let (Some(log), Some(row)) = (AuditLog::read(reader)?, audit_tree::last_checkpoint(reader)?) else {
        return Ok(None);
    };
    let is_cosigned = |row: &CheckpointRow| {
        let note = Note::parse(row.note.as_bytes());
        note.is_ok_and(|note| note.verify(std::slice::from_ref(witness)).is_ok())
    };
    let cosigned = if is_cosigned(&row) {
        Some(row.size)
    } else {
        let rows = audit_tree::newest_checkpoints(reader, LOOKED_THROUGH)?;
        rows.iter().find(|row| is_cosigned(row)).map(|row| row.size)
    };
    Ok(Some(Standing { log, row, cosigned }))
}

fn text(
    reader: &Reader<'_>,
    log: &AuditLog,
    row: &CheckpointRow,
    old: i64,
) -> std::result::Result<ConsistencyText, Trouble> {
    let head = look::signed_head(log, row)?;
    let note = Note::parse(row.note.as_bytes());
    let checkpoint = note.map_err(|fault| super::AuditAlarm::general(fault.to_string()))?;
    let old = unsigned(old);
    let mut tiles = Tiles::new(head.size(), |tile| fetch(reader, tile));
    let proof = tlog::consistency_proof(old, head.size(), |node| tiles.node(node)).map_err(broken)?;
    Ok(ConsistencyText {
        old,
        proof,
        checkpoint,
    })
}

/// Another witness may have signed meanwhile; a log that was begun anew has another text.
fn put_under(tx: &Tx<'_>, size: i64, text: &str, line: &NoteSignature) -> store::Result<()> {
    let Some(row) = audit_tree::checkpoint_of(tx, size)? else {
        return Ok(());
    };
    let Some(note) = with_line(&row.note, text, line) else {
        return Ok(());
    };
    audit_tree::put_checkpoint(tx, &CheckpointRow { note, ..row })
}

/// The note with a line of the witness that takes the place of an older one; nothing for a note of another text, or one that is full.
fn with_line(note: &str, text: &str, line: &NoteSignature) -> Option<String> {
    let before = Note::parse(note.as_bytes()).ok()?;
    if before.unverified_text() != text {
        return None;
    }
    let is_another = |one: &&NoteSignature| one.name() != line.name() || one.key_id() != line.key_id();
    let mut others = before.signatures().iter().filter(is_another);
    let mut after = Note::new(text, others.next()?.clone()).ok()?;
    for other in others {
        after.push(other.clone()).ok()?;
    }
    after.push(line.clone()).ok()?;
    Some(after.to_string())
}

/// What was answered, as far as it fits a line.
fn told(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().filter(|c| !c.is_control()).take(TOLD).collect()
}
