//! A witness of logs that are elsewhere: it cosigns a checkpoint only when it continues the last one it cosigned of that log
//! (c2sp.org/tlog-witness).
//!
//! What it has seen of a log is a file of this machine, never a row of the store: whoever administers the database of several servers
//! must not be able to make a witness forget. The file is synced before the cosignature leaves, under a lock for each log. A request
//! needs no token: nothing is looked up in a file, and nothing is locked, before a key of the log has been found to have signed it.

mod key;
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
pub use seen::{SeenFault, SeenFile};
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
        "the key {} is there, and the folder {} with what was cosigned with it is not: a witness that has forgotten that must take \
         another key, so move the key away; or make the folder if nothing was cosigned with it yet",
        key.display(), folder.display()
    )]
    Forgotten {
        /// The file of the key.
        key: PathBuf,
        /// The folder that is not there.
        folder: PathBuf,
    },
    /// The folder cannot be made.
    #[error("the folder {} of the witness cannot be made: {source}", path.display())]
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
    logs: BTreeMap<String, Arc<Watched>>,
}

impl Witness {
    fn open(settings: &WitnessSettings) -> std::result::Result<Self, WitnessFault> {
        let (key_file, folder) = (&settings.key_file, &settings.folder);
        if key_file.exists() && !folder.is_dir() {
            return Err(WitnessFault::Forgotten {
                key: key_file.clone(),
                folder: folder.clone(),
            });
        }
        // The folder comes first, so that a key without it is one that has forgotten.
        seen::make_folder(folder).map_err(|source| WitnessFault::Folder {
            path: folder.clone(),
            source,
        })?;
        let key = WitnessKey::open_or_make(&settings.name, key_file)?;
        let mut keys: BTreeMap<String, Vec<NoteKey>> = BTreeMap::new();
        for log in &settings.logs {
            keys.entry(log.name().to_string()).or_default().push(log.clone());
        }
        let watch = |(origin, keys): (String, Vec<NoteKey>)| {
            let watched = Watched::new(folder, origin.clone(), keys);
            // A file that cannot be read is told at once, not with the first request.
            match watched.file.read(&origin, key.verifier()) {
                Ok(found) => watched.note(found.as_ref()),
                Err(fault) => watched.fails(&fault.to_string()),
            }
            (origin, Arc::new(watched))
        };
        let logs = keys.into_iter().map(watch).collect();
        Ok(Self { key, logs })
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
            let outcome = log.cosign(&self.key, &mut seen, &request, head, note, now);
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
        }
    }

    fn cosign(
        &self,
        key: &WitnessKey,
        seen: &mut Option<TreeHead>,
        request: &ConsistencyText,
        head: TreeHead,
        note: Note,
        now: Timestamp,
    ) -> std::result::Result<String, Stop> {
        let fault = |fault: SeenFault| Stop::Fault(fault.to_string());
        let found = self.file.read(&self.origin, key.verifier()).map_err(fault)?;
        if seen.is_some() && *seen != found {
            return Err(Stop::Fault(self.file.was_changed()));
        }
        *seen = found;
        tlog::continued(request, &head, &found.unwrap_or_else(TreeHead::empty)).map_err(Stop::Refused)?;
        let (cosigned, line) = key
            .cosign(note, now)
            .map_err(|fault| Stop::Fault(fault.to_string()))?;
        if found != Some(head) {
            self.file.write(&cosigned).map_err(fault)?;
            *seen = Some(head);
        }
        self.note(Some(&head));
        tracing::debug!(log = self.origin, size = head.size(), "a checkpoint was cosigned");
        Ok(line.to_string())
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
            // What the key of a log has signed and does not fit may prove that the log misbehaves.
            Stop::Refused(WitnessRefusal::BadProof) => {
                tracing::warn!(
                    log = self.origin,
                    "a log does not continue what this witness cosigned"
                );
            }
            Stop::Refused(_) => {}
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
        witness.add_checkpoint(body, self.inner().clock.now()).await
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
        let problem = |log: &Arc<Watched>| {
            let fault = log.fault.lock().clone()?;
            let message = format!("the log {} is not cosigned: {fault}", log.origin);
            Some(HealthProblem::new("audit_witness_state", message, false))
        };
        witness.logs.values().filter_map(problem).collect()
    }
}
