//! A witness of logs that are elsewhere: it cosigns a checkpoint only when it continues the last one it cosigned of that log
//! (c2sp.org/tlog-witness).
//!
//! What it has seen of a log is a file of this machine, never a row of the store: whoever administers the database of several servers
//! must not be able to make a witness forget. The file is synced before the cosignature leaves, under a lock for each log. A request
//! needs no token: nothing is looked up in a file, and nothing is locked, before a key of the log has been found to have signed it.

mod key;
mod known;
mod seen;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use parking_lot::Mutex;
use tlog::{ConsistencyText, Note, NoteKey, TreeHead};

use crate::audit::hexadecimal;
use crate::authority::Authority;
use crate::error::Result;
use crate::health::HealthProblem;
use crate::permit;
use crate::principal::Principal;

pub use key::{CosignFault, WitnessKey, WitnessKeyFault};
use known::Known;
pub use seen::{HeldSeenFile, SeenFault, SeenFile};
pub use tlog::{TLOG_SIZE, WitnessRefusal};

/// What makes a server a witness.
#[derive(Clone, Debug)]
pub struct WitnessSettings {
    /// Its name.
    pub name: String,
    /// The file of its key (Ed25519, PKCS#8 in PEM); made when it is not there.
    pub key_file: PathBuf,
    /// Where it keeps what it has seen.
    pub folder: PathBuf,
    /// The verifier keys of the logs it watches.
    pub logs: Vec<NoteKey>,
}

/// Why a server cannot be a witness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessFault {
    /// Its key.
    #[error(transparent)]
    Key(#[from] WitnessKeyFault),
    /// The key is there, and what was cosigned with it is not.
    #[error(
        "the key {} is there, and in {} nothing says what was cosigned with it: a witness that has forgotten that must take \
         another key, so move the key away; or make the folder with an empty file `known` in it if nothing was cosigned with the key yet",
        key.display(), folder.display()
    )]
    Forgotten {
        /// The file of the key.
        key: PathBuf,
        /// The folder that is not there, or empty.
        folder: PathBuf,
    },
    /// The folder is that of another witness, or of one whose key is gone.
    #[error(
        "the folder {} belongs to the witness {other}: bring its key back, or name a folder of its own for this one",
        folder.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The verifier key of its witness.
        other: String,
    },
    /// The folder cannot be made, read or written.
    #[error("the folder {} of the witness cannot be used: {source}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointFault {
    /// This server is no witness.
    #[error("this server is no witness")]
    NoWitness,
    /// By the rules of the protocol.
    #[error(transparent)]
    Refused(#[from] WitnessRefusal),
    /// What was seen of the log cannot be read or written; why is in the log and the health of this server.
    #[error(
        "this witness cannot cosign now; its operator finds out why in its health (`audit_witness_state`)"
    )]
    Unusable,
    /// The clock of this server is not to be trusted at the moment, and its time would be signed.
    #[error("this witness cannot cosign now: {0}")]
    Clock(String),
}

/// A log that is watched.
#[derive(Debug)]
struct Watched {
    origin: String,
    keys: Vec<NoteKey>,
    file: SeenFile,
    /// What is in the file, once that was read; held while it changes.
    seen: Arc<tokio::sync::Mutex<Option<TreeHead>>>,
    size: AtomicU64,
    fault: Mutex<Option<String>>,
    /// Where it is kept that the log has signed two trees of one size.
    fork: Mutex<Option<PathBuf>>,
}

/// How far a log was cosigned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchedLog {
    /// Which one.
    pub origin: String,
    /// Entries under the last checkpoint that was cosigned; 0 before the first.
    pub size: u64,
    /// Why it cannot be cosigned.
    pub problem: Option<String>,
}

/// A witness and its logs.
#[derive(Debug)]
pub(crate) struct Witness {
    key: WitnessKey,
    known: Mutex<Known>,
    logs: BTreeMap<String, Arc<Watched>>,
}

impl Witness {
    fn open(settings: &WitnessSettings) -> std::result::Result<Self, WitnessFault> {
        let folder = &settings.folder;
        let (key, known) = key_and_known(settings)?;
        let mut keys: BTreeMap<String, Vec<NoteKey>> = BTreeMap::new();
        for log in &settings.logs {
            keys.entry(log.name().to_string()).or_default().push(log.clone());
        }
        let watch = |(origin, keys): (String, Vec<NoteKey>)| {
            let watched = Watched::new(folder, origin.clone(), keys);
            // A file that cannot be read is told at once, not with the first request.
            match watched.file.hold(&origin, key.verifier()) {
                Ok(held) if held.head().is_none() && known.has(&origin) => {
                    watched.fails(&watched.file.is_gone());
                }
                Ok(held) => watched.note(held.head().as_ref()),
                Err(fault) => watched.fails(&fault.to_string()),
            }
            (origin, Arc::new(watched))
        };
        let logs = keys.into_iter().map(watch).collect();
        let known = Mutex::new(known);
        Ok(Self { key, known, logs })
    }

    /// What is asked for is judged by the signature first, so that others cost no look into files.
    async fn add_checkpoint(
        self: Arc<Self>,
        body: &[u8],
        now: Timestamp,
    ) -> std::result::Result<String, AddCheckpointFault> {
        let request = ConsistencyText::parse(body).map_err(WitnessRefusal::from)?;
        let origin = tlog::unverified_origin(&request.checkpoint);
        let log = self.logs.get(origin).ok_or(WitnessRefusal::UnknownLog)?;
        let log = Arc::clone(log);
        let (head, note) = tlog::witnessed(&request, &log.keys)?;
        let mut seen = Arc::clone(&log.seen).lock_owned().await;
        // It runs to its end even when nobody waits for the answer any more.
        let cosigned = tokio::task::spawn_blocking(move || {
            let outcome = log.cosign(&self, &mut seen, &request, head, note, now);
            if let Err(fault) = &outcome {
                log.tell(fault);
            }
            outcome
        });
        match cosigned.await {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(Stop::Refused(refusal))) => Err(refusal.into()),
            Ok(Err(Stop::Fault(_))) | Err(_) => Err(AddCheckpointFault::Unusable),
        }
    }
}

/// The key of a witness with what its folder says of it. The key comes first: when it cannot be made or reached, nothing is made that
/// would say later that nothing was cosigned with it.
fn key_and_known(settings: &WitnessSettings) -> std::result::Result<(WitnessKey, Known), WitnessFault> {
    let (key_file, folder) = (&settings.key_file, &settings.folder);
    let unusable = |source| WitnessFault::Folder {
        path: folder.clone(),
        source,
    };
    let has_key = key_file.try_exists().map_err(|source| WitnessKeyFault::File {
        path: key_file.clone(),
        source,
    })?;
    let known = Known::read(folder).map_err(unusable)?;
    if known.is_none() && has_key {
        return Err(WitnessFault::Forgotten {
            key: key_file.clone(),
            folder: folder.clone(),
        });
    }
    let foreign = |other: &str| WitnessFault::Foreign {
        folder: folder.clone(),
        other: other.to_owned(),
    };
    if let Some(known) = known.as_ref().filter(|known| !has_key && !known.is_empty()) {
        return Err(foreign(known.key()));
    }
    let key = WitnessKey::open_or_make(&settings.name, key_file)?;
    let Some(mut known) = known else {
        seen::make_folder(folder).map_err(unusable)?;
        let known = Known::begin(folder, key.verifier()).map_err(unusable)?;
        return Ok((key, known));
    };
    if let Some(other) = known.belong_to(key.verifier(), !has_key).map_err(unusable)? {
        return Err(foreign(&other));
    }
    Ok((key, known))
}

/// Why nothing was cosigned.
enum Stop {
    Refused(WitnessRefusal),
    Fault(String),
}

impl Watched {
    fn new(folder: &Path, origin: String, keys: Vec<NoteKey>) -> Self {
        // An origin has slashes; the file begins with it.
        let name = hexadecimal(digest(&SHA256, origin.as_bytes()).as_ref());
        Self {
            file: SeenFile::new(&folder.join(name)),
            origin,
            keys,
            seen: Arc::default(),
            size: AtomicU64::new(0),
            fault: Mutex::new(None),
            fork: Mutex::new(None),
        }
        .with_evidence()
    }

    fn with_evidence(self) -> Self {
        let evidence = self.file.evidence();
        if evidence.exists() {
            *self.fork.lock() = Some(evidence);
        }
        self
    }

    fn cosign(
        &self,
        witness: &Witness,
        seen: &mut Option<TreeHead>,
        request: &ConsistencyText,
        head: TreeHead,
        note: Note,
        now: Timestamp,
    ) -> std::result::Result<String, Stop> {
        let fault = |fault: SeenFault| Stop::Fault(fault.to_string());
        let key = &witness.key;
        let mut file = self.file.hold(&self.origin, key.verifier()).map_err(fault)?;
        let (found, is_first) = (file.head(), seen.is_none());
        if !is_first && *seen != found {
            return Err(Stop::Fault(self.file.was_changed()));
        }
        if found.is_none() && witness.known.lock().has(&self.origin) {
            return Err(Stop::Fault(self.file.is_gone()));
        }
        tlog::continued(request, &head, &found.unwrap_or_else(TreeHead::empty)).map_err(|refusal| {
            if let (WitnessRefusal::Fork(_), Some(before)) = (&refusal, file.note()) {
                self.accuse(before, &note);
            }
            Stop::Refused(refusal)
        })?;
        let (cosigned, line) = key
            .cosign(note, now)
            .map_err(|fault| Stop::Fault(fault.to_string()))?;
        if found != Some(head) {
            // What of this is on the disk is known only when it has ended well.
            *seen = None;
            file.write(&cosigned, head).map_err(fault)?;
        } else if is_first {
            file.sync().map_err(fault)?;
        }
        let added = witness.known.lock().add(&self.origin);
        added.map_err(|error| Stop::Fault(format!("the file of known logs cannot be written: {error}")))?;
        *seen = Some(head);
        self.note(Some(&head));
        tracing::debug!(log = self.origin, size = head.size(), "a checkpoint was cosigned");
        Ok(line.to_string())
    }

    /// Two trees of one size under the key of the log: that is kept, the first time, for whoever has to show it.
    fn accuse(&self, before: &Note, other: &Note) {
        let evidence = self.file.evidence();
        let mut known = self.fork.lock();
        if known.is_some() {
            return;
        }
        let text = format!("{before}\n{other}");
        let kept = seen::write(&evidence, text.as_bytes(), 0o644);
        tracing::error!(
            log = self.origin,
            evidence = %evidence.display(),
            kept = kept.is_ok(),
            "a log has signed two trees of one size: it shows different entries to different people"
        );
        *known = Some(evidence);
    }

    fn note(&self, head: Option<&TreeHead>) {
        self.size.store(head.map_or(0, TreeHead::size), Ordering::Relaxed);
        *self.fault.lock() = None;
    }

    fn fails(&self, fault: &str) {
        let mut known = self.fault.lock();
        if known.as_deref() != Some(fault) {
            tracing::error!(log = self.origin, fault, "this witness cannot cosign a log");
        }
        *known = Some(fault.to_owned());
    }

    fn tell(&self, stop: &Stop) {
        match stop {
            Stop::Fault(fault) => self.fails(fault),
            // A checkpoint is for everybody to have: whoever sends it with a proof that proves nothing says nothing of the log.
            Stop::Refused(refusal) => {
                tracing::debug!(log = self.origin, %refusal, "a checkpoint was not cosigned");
            }
        }
    }
}

impl Authority {
    /// Makes this server a witness; gives its verifier key.
    pub fn be_a_witness(&self, settings: &WitnessSettings) -> std::result::Result<NoteKey, WitnessFault> {
        let witness = Witness::open(settings)?;
        let key = witness.key.verifier().clone();
        self.inner().audit.witness.store(Some(Arc::new(witness)));
        Ok(key)
    }

    /// `add-checkpoint`: the body of the request; gives the lines of the answer.
    pub async fn add_checkpoint(&self, body: &[u8]) -> std::result::Result<String, AddCheckpointFault> {
        let witness = self
            .inner()
            .audit
            .witness
            .load_full()
            .ok_or(AddCheckpointFault::NoWitness)?;
        let now = self.inner().clock.now();
        let admitted = self.inner().guard.admit(now);
        admitted.map_err(|error| AddCheckpointFault::Clock(error.to_string()))?;
        witness.add_checkpoint(body, now).await
    }

    /// Whether this server is a witness.
    pub fn is_a_witness(&self) -> bool {
        self.inner().audit.witness.load().is_some()
    }

    /// The verifier key of this witness, and how far it has cosigned each log; nothing when it is none.
    pub fn witness(&self, principal: &Principal) -> Result<Option<(NoteKey, Vec<WatchedLog>)>> {
        permit::check_reads_audit(principal)?;
        let shown = |witness: &Arc<Witness>| {
            let logs = witness.logs.values().map(|log| WatchedLog {
                origin: log.origin.clone(),
                size: log.size.load(Ordering::Relaxed),
                problem: log.fault.lock().clone(),
            });
            (witness.key.verifier().clone(), logs.collect())
        };
        Ok(self.inner().audit.witness.load().as_ref().map(shown))
    }

    pub(crate) fn witness_problems(&self) -> Vec<HealthProblem> {
        let Some(witness) = self.inner().audit.witness.load_full() else {
            return Vec::new();
        };
        let problems = |log: &Arc<Watched>| {
            let fault = log.fault.lock().clone().map(|fault| {
                let message = format!("the log {} is not cosigned: {fault}", log.origin);
                HealthProblem::new("audit_witness_state", message, false)
            });
            let fork = log.fork.lock().clone().map(|evidence| {
                let message = format!(
                    "the log {} has signed two trees of one size; both checkpoints are in {}: show them to its operator and to everybody \
                     who relies on it, and move the file away when it is settled",
                    log.origin,
                    evidence.display()
                );
                HealthProblem::new("audit_witness_fork", message, false)
            });
            [fault, fork]
        };
        witness.logs.values().flat_map(problems).flatten().collect()
    }
}
