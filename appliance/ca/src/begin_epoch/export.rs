//! An export of the audit log: JSON entries one after the other, or in arrays, or as pages of the REST API.
//!
//! Where the details of an entry stand as they were written, its hash shows that it follows on the one before it. That tells torn and
//! foreign exports from whole ones; it does not tell that nobody changed it, because the hashes have no key and anybody can make
//! them anew. An export that went through a program that writes JSON anew still has every number and hash, but they show nothing then.

mod epochs;
mod lines;

use std::io::{self, Read};

use jiff::Timestamp;
use store::audit::LoggedEntry;

/// Why an export cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFault {
    /// It cannot be read from its disk.
    #[error("the export of the audit log cannot be read")]
    Disk(#[from] io::Error),
    /// A line is JSON and no entry.
    #[error("line {line} of the export of the audit log cannot be read as an entry: {source}")]
    Unreadable {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There are lines, and no entry.
    #[error("the export of the audit log cannot be read: none of its {0} lines is JSON")]
    NoJson(usize),
    /// Nothing is in it.
    #[error("the export of the audit log is empty")]
    Empty,
    /// Entries are missing.
    #[error("the export of the audit log lacks entry {0}: export again from there on")]
    Gap(i64),
    /// The same, and lines were found that are none.
    #[error(
        "the export of the audit log lacks entry {seq}: it may be in line {line}, which cannot be read; export again from that entry on"
    )]
    Torn {
        /// The entry.
        seq: i64,
        /// The line, from 1.
        line: usize,
    },
    /// It tells something else of the time before the backup.
    #[error(
        "entry {0} of the export is not the one of the backup: it is the log of another installation or of another epoch, or was changed"
    )]
    Other(i64),
    /// Its first entry after the backup does not hang on the last one of the backup.
    #[error(
        "entry {0} of the export does not follow on the last one of the backup: it is the log of another installation or of another \
         epoch. If its entries were written anew, give it with entry {before} as well, which the backup has too", before = .0 - 1
    )]
    NotFollowing(i64),
    /// Nothing shows that it is of this log: it shares no entry with the backup, and its hashes show nothing.
    #[error(
        "nothing shows that the export is of the log of the backup: it begins with entry {first}, behind the last one of the backup, and its \
         entries were written anew, so that their hashes show nothing. Export again from an entry on that the backup has, at the latest from \
         entry {known} (`chancery audit export --after {}`); if you know otherwise whose log it is, --accept-unproven-export takes it",
        known - 1
    )]
    Unproven {
        /// Its first entry.
        first: i64,
        /// The last entry of the backup.
        known: i64,
    },
    /// The entries of two epochs are in it, and none of them can be taken.
    #[error(
        "the file has two epochs of the audit log: entry {seq} of the later one is in line {line}. If the backup is of the later epoch, \
         give the entries since that line alone; if it is of the earlier one, those before"
    )]
    TwoEpochs {
        /// The first entry of the later epoch.
        seq: i64,
        /// Its line, from 1.
        line: usize,
    },
    /// It says nothing of the time after the backup.
    #[error(
        "the export of the audit log ends with entry {ends}, before the backup, which has {known}: what was revoked after the backup would be \
        good again. Export from entry {} on, or say that there were no revocations, or that they are lost, by \
        --accept-lost-revocations with the time of the backup", known + 1
    )]
    Early {
        /// Its last entry.
        ends: i64,
        /// The last entry of the backup.
        known: i64,
    },
    /// An entry whose hash is none.
    #[error("entry {0} of the export has no hash: export the entries as they are")]
    NoHash(i64),
}

/// Entries of the log, without a gap.
#[derive(Clone, Debug)]
pub struct ExportedLog {
    entries: Vec<LoggedEntry>,
    /// Whether every hash follows on the one before it.
    is_proven: bool,
    /// Lines that are no JSON, from 1.
    skipped: Vec<usize>,
    /// The first entry that the file has of two epochs, and the line of the later one.
    two_epochs: Option<(i64, usize)>,
    /// Whether it may end before the backup does.
    may_end_early: bool,
    /// Whether it may be one that nothing shows to be of this log.
    may_be_unproven: bool,
}

impl ExportedLog {
    /// Reads it.
    pub fn read(mut input: impl Read) -> Result<Self, ExportFault> {
        let mut text = Vec::new();
        input.read_to_end(&mut text)?;
        let (found, skipped) = lines::read(&text)?;
        drop(text);
        if found.is_empty() {
            return Err(match skipped.len() {
                0 => ExportFault::Empty,
                lines => ExportFault::NoJson(lines),
            });
        }
        let chosen = epochs::choose(found)?;
        let gap = |pair: &[lines::Found]| match pair {
            [one, next] if next.logged.seq != one.logged.seq + 1 => Some((one.logged.seq + 1, one.line)),
            _ => None,
        };
        if let Some((seq, behind)) = chosen.found.windows(2).find_map(gap) {
            let torn = skipped.iter().find(|line| **line > behind);
            return Err(torn.map_or(ExportFault::Gap(seq), |line| ExportFault::Torn {
                seq,
                line: *line,
            }));
        }
        let entries: Vec<LoggedEntry> = chosen.found.into_iter().map(|one| one.logged).collect();
        let follows = |pair: &[LoggedEntry]| match pair {
            [one, next] => store::audit::follows(&one.hash, next),
            _ => true,
        };
        Ok(Self {
            is_proven: entries.windows(2).all(follows),
            entries,
            skipped,
            two_epochs: chosen.two_epochs,
            may_end_early: false,
            may_be_unproven: false,
        })
    }

    /// Somebody accepts that it says nothing of the time after the backup.
    #[must_use]
    pub fn accepted_if_early(mut self) -> Self {
        self.may_end_early = true;
        self
    }

    /// Somebody says that it is of this log, of which it shows nothing.
    #[must_use]
    pub fn accepted_if_unproven(mut self) -> Self {
        self.may_be_unproven = true;
        self
    }

    /// Whether it follows on a log with so many entries, without a gap and with something known of the time after them.
    pub fn check_reaches(&self, last: i64) -> Result<(), ExportFault> {
        if self.first() > last + 1 {
            return Err(ExportFault::Gap(last + 1));
        }
        match self.last() {
            Some((ends, _)) if ends < last && !self.may_end_early => {
                Err(ExportFault::Early { ends, known: last })
            }
            _ => Ok(()),
        }
    }

    /// The number of its first entry.
    pub fn first(&self) -> i64 {
        self.entries.first().map_or(0, |one| one.seq)
    }

    /// Its last entry: nothing is known of the time after that.
    pub fn last(&self) -> Option<(i64, Timestamp)> {
        let last = self.entries.last()?;
        Some((last.seq, crate::clock::from_millis(last.entry.at)))
    }

    /// Whether its entries are as they were written: each hash follows on the one before it. The hashes have no key, so this says
    /// nothing of somebody who made them anew.
    pub fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// The lines that are no JSON and were passed over, from 1: a write broke off there. No entry is missing for it.
    pub fn skipped_lines(&self) -> &[usize] {
        &self.skipped
    }

    /// Entries after a number.
    pub(super) fn after(&self, seq: i64) -> impl Iterator<Item = &LoggedEntry> {
        self.entries.iter().filter(move |one| one.seq > seq)
    }

    /// Holds it against what the backup, which has `last` entries, has of the same time, of which `known` is the end, and looks whether
    /// it follows on that.
    pub fn check_against(&self, known: &[LoggedEntry], last: i64) -> Result<(), ExportFault> {
        self.compare(known, last)
            .map_err(|fault| match (fault, self.two_epochs) {
                (ExportFault::Other(_) | ExportFault::NotFollowing(_), Some((seq, line))) => {
                    ExportFault::TwoEpochs { seq, line }
                }
                (fault, _) => fault,
            })
    }

    fn compare(&self, known: &[LoggedEntry], last: i64) -> Result<(), ExportFault> {
        if self.first() > last + 1 {
            return Err(ExportFault::Gap(last + 1));
        }
        for own in &self.entries {
            let there = known.binary_search_by_key(&own.seq, |one| one.seq);
            let there = there.ok().and_then(|place| known.get(place));
            if there.is_some_and(|there| there.hash != own.hash) {
                return Err(ExportFault::Other(own.seq));
            }
        }
        // Another log is another log, wherever it ends.
        self.check_reaches(last)?;
        let head = known.last().map_or(&[][..], |head| &head.hash);
        match self.after(last).next() {
            Some(next) if self.is_proven && !store::audit::follows(head, next) => {
                Err(ExportFault::NotFollowing(next.seq))
            }
            // An empty log is the beginning of every other.
            Some(next) if !self.is_proven && !self.may_be_unproven && self.first() > last && last > 0 => {
                Err(ExportFault::Unproven {
                    first: next.seq,
                    known: last,
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
