//! The transcript: one JSON record a line, each with the SHA-256 of the line before it.
//!
//! The first record stands on the hash of the plan. A line counts when its end is written: what a killed program left of one is
//! dropped when the ceremony goes on, and is a fault when the transcript is verified.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pki::Serial;
use serde::{Deserialize, Serialize};

use super::approval::Approval;
use super::fault::CeremonyError;
use super::folder;
use super::known::Known;
use super::output::Output;
use super::plan::Plan;
use super::sha256;
use super::statement::Statement;

/// Longest transcript read, in octets.
const MOST: usize = 256 * 1024 * 1024;

/// One line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Counts up from 1.
    pub record: usize,
    /// SHA-256 of the line before without its end; of the plan for the first.
    pub previous: String,
    /// When, by the clock of the machine.
    pub at: Timestamp,
    /// Who ran the ceremony.
    pub operator: String,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// The ceremony began.
    Opened {
        /// The text of the plan.
        plan: String,
        /// The version of the program.
        program: String,
    },
    /// A step begins; from here on something may be signed.
    Begun {
        /// Which.
        step: usize,
        /// The time that stands in what is signed.
        time: Timestamp,
        /// What was approved.
        statement: Box<Statement>,
        /// The hash of that.
        step_hash: String,
        /// What was known, of which the statement is made.
        known: Box<Known>,
        /// Who approved.
        approvals: Vec<Approval>,
        /// The last entry of the audit log before it.
        audit: i64,
    },
    /// A step was found broken off: what it had made by then, none of which goes on.
    Settled {
        /// Which.
        step: usize,
        /// Serials that may have been signed and are recorded nowhere: revoked.
        orphans: Vec<Serial>,
        /// Certificates that were signed for a CA that did not come about: revoked.
        abandoned: Vec<Output>,
        /// Labels of keys that are left in their tokens without use.
        unused_keys: Vec<String>,
    },
    /// A step is done.
    Done {
        /// Which.
        step: usize,
        /// What it made.
        outputs: Vec<Output>,
    },
    /// Every step is done.
    Finished {},
}

/// The records so far, and the file they are in.
#[derive(Debug)]
pub struct Transcript {
    path: PathBuf,
    /// All records.
    pub records: Vec<Record>,
    hashes: Vec<String>,
    genesis: String,
    /// Octets that count.
    octets: u64,
}

impl Transcript {
    /// Reads the transcript of a plan; an absent one has no records.
    pub fn open(path: &Path, plan: &Plan) -> Result<Self, CeremonyError> {
        let text = match std::fs::read(path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                return Err(CeremonyError::File {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let whole = text
            .iter()
            .rposition(|octet| *octet == b'\n')
            .map_or(0, |end| end + 1);
        let text = text.get(..whole).unwrap_or_default();
        if let Some(Event::Opened { plan: other, .. }) = first_event(text)
            && sha256(other.as_bytes()) != plan.hash
        {
            let what = "this is the transcript of another plan: put the plan back as it was, or name another folder \
                with --folder";
            return Err(CeremonyError::OtherPlan {
                path: path.to_owned(),
                what: what.to_owned(),
            });
        }
        let (records, hashes) = parse(text, Some(&plan.hash))?;
        Ok(Self {
            path: path.to_owned(),
            records,
            hashes,
            genesis: plan.hash.clone(),
            octets: whole as u64,
        })
    }

    /// Whether everything that stands in it holds, as [`super::verify`] looks at it: the chain of its lines is of no key, and
    /// anybody can write one.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), CeremonyError> {
        super::verify::check(plan, &self.records, &self.hashes)
    }

    /// The hash that the statement of the next step stands on: of the record with which the step before it ended.
    pub fn previous(&self) -> &str {
        let ends = |record: &&Record| matches!(record.event, Event::Opened { .. } | Event::Done { .. });
        let last = self
            .records
            .iter()
            .rfind(ends)
            .and_then(|record| self.hash_of(record.record));
        last.unwrap_or(&self.genesis)
    }

    /// The hash of the last record.
    pub fn head(&self) -> &str {
        self.hashes.last().unwrap_or(&self.genesis)
    }

    fn hash_of(&self, record: usize) -> Option<&str> {
        self.hashes.get(record.checked_sub(1)?).map(String::as_str)
    }

    /// How many steps are done.
    pub fn done(&self) -> usize {
        self.records
            .iter()
            .filter(|record| matches!(record.event, Event::Done { .. }))
            .count()
    }

    /// The beginning of a step that is not done.
    pub fn begun(&self) -> Option<&Event> {
        let is_of_step = |record: &&Record| matches!(record.event, Event::Begun { .. } | Event::Done { .. });
        let last = self.records.iter().rfind(is_of_step)?;
        matches!(last.event, Event::Begun { .. }).then_some(&last.event)
    }

    /// Whether everything is done.
    pub fn is_finished(&self) -> bool {
        matches!(
            self.records.last().map(|record| &record.event),
            Some(Event::Finished {})
        )
    }

    /// Appends a record; it is on the disk when this returns.
    pub(super) fn append(
        &mut self,
        at: Timestamp,
        operator: &str,
        event: Event,
    ) -> Result<(), CeremonyError> {
        let record = Record {
            record: self.records.len() + 1,
            previous: self.head().to_owned(),
            at,
            operator: operator.to_owned(),
            event,
        };
        let file_fault = |source| CeremonyError::File {
            path: self.path.clone(),
            source,
        };
        let mut line = serde_json::to_vec(&record).map_err(|error| file_fault(error.into()))?;
        let hash = sha256(&line);
        line.push(b'\n');
        let write = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            // What a killed program left of a line goes first.
            file.set_len(self.octets)?;
            file.write_all(&line)?;
            file.sync_all()
        };
        write().map_err(file_fault)?;
        folder::sync_parent(&self.path)?;
        self.octets += line.len() as u64;
        self.hashes.push(hash);
        self.records.push(record);
        Ok(())
    }

    /// Takes the transcript for one program alone.
    pub(super) fn lock(&self) -> Result<File, CeremonyError> {
        let path = self.path.with_extension("lock");
        let fault = |source| CeremonyError::File {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(fault)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            CeremonyError::OtherPlan {
                path: path.clone(),
                what: "another `chancery ceremony run` is at work here: wait until it ends".to_owned(),
            }
        })?;
        Ok(file)
    }
}

fn first_event(text: &[u8]) -> Option<Event> {
    let line = text.split(|octet| *octet == b'\n').next()?;
    serde_json::from_slice::<Record>(line)
        .ok()
        .map(|record| record.event)
}

/// Reads the lines of a transcript and checks their chain; gives the records and their hashes. The genesis is that of the plan
/// inside when it is not given.
pub(super) fn parse(text: &[u8], genesis: Option<&str>) -> Result<(Vec<Record>, Vec<String>), CeremonyError> {
    let fault = |record: usize, what: String| CeremonyError::Transcript { record, what };
    if text.len() > MOST {
        return Err(fault(1, format!("it is longer than {MOST} octets")));
    }
    let (mut records, mut hashes): (Vec<Record>, Vec<String>) = (Vec::new(), Vec::new());
    let mut lines: Vec<&[u8]> = text.split(|octet| *octet == b'\n').collect();
    if lines.pop().is_some_and(|rest| !rest.is_empty()) {
        return Err(fault(
            lines.len() + 1,
            "its end is missing: the transcript is cut off".to_owned(),
        ));
    }
    for (place, line) in lines.into_iter().enumerate() {
        let number = place + 1;
        let record: Record = serde_json::from_slice(line)
            .map_err(|error| fault(number, format!("cannot be read: {error}")))?;
        let genesis_of = || match (&record.event, genesis) {
            (_, Some(genesis)) => genesis.to_owned(),
            (Event::Opened { plan, .. }, None) => sha256(plan.as_bytes()),
            _ => String::new(),
        };
        let expected = hashes.last().cloned().unwrap_or_else(genesis_of);
        if record.record != number || record.previous != expected {
            let what =
                "does not follow from the record before it: something was changed, taken out or put in";
            return Err(fault(number, what.to_owned()));
        }
        hashes.push(sha256(line));
        records.push(record);
    }
    Ok((records, hashes))
}
