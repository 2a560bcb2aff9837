//! An export of the audit log: JSON entries one after the other, or in arrays, or as pages of the REST API.
//!
//! Where the details of an entry stand as they were written, its hash shows that nobody changed it. An export that went through a
//! program that writes JSON anew still has every number and hash, but the hashes prove nothing then.

use std::io::Read;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use store::audit::{AuditEntry, LoggedEntry};

use crate::audit::hexadecimal;

/// Why an export cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFault {
    /// It is no export.
    #[error("the export of the audit log cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Nothing is in it.
    #[error("the export of the audit log is empty")]
    Empty,
    /// Entries are missing.
    #[error("the export of the audit log lacks entry {0}: export again from there on")]
    Gap(i64),
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
    /// It tells something else of the time before the backup.
    #[error(
        "entry {0} of the export is not the one of the backup: it is the log of another installation, or was changed"
    )]
    Other(i64),
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
    /// Whether it may end before the backup does.
    may_end_early: bool,
}

#[derive(Deserialize)]
struct Line {
    seq: i64,
    at: Timestamp,
    actor: String,
    action: String,
    object: String,
    outcome: String,
    details: Box<RawValue>,
    hash: String,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Line>,
}

impl ExportedLog {
    /// Reads it.
    pub fn read(input: impl Read) -> Result<Self, ExportFault> {
        let mut entries = Vec::new();
        for value in serde_json::Deserializer::from_reader(input).into_iter::<Box<RawValue>>() {
            let value = value?;
            let text = value.get();
            let lines = if text.starts_with('[') {
                serde_json::from_str::<Vec<Line>>(text)?
            } else if let Ok(page) = serde_json::from_str::<Page>(text) {
                page.items
            } else {
                vec![serde_json::from_str::<Line>(text)?]
            };
            for line in lines {
                entries.push(line.read()?);
            }
        }
        entries.sort_by_key(|one| one.seq);
        entries.dedup_by_key(|one| one.seq);
        let gap = |pair: &[LoggedEntry]| match pair {
            [one, next] if next.seq != one.seq + 1 => Some(one.seq + 1),
            _ => None,
        };
        if let Some(missing) = entries.windows(2).find_map(gap) {
            return Err(ExportFault::Gap(missing));
        }
        if entries.is_empty() {
            return Err(ExportFault::Empty);
        }
        let follows = |pair: &[LoggedEntry]| match pair {
            [one, next] => store::audit::follows(&one.hash, next),
            _ => true,
        };
        let is_proven = entries.windows(2).all(follows);
        Ok(Self {
            entries,
            is_proven,
            may_end_early: false,
        })
    }

    /// Somebody accepts that it says nothing of the time after the backup.
    #[must_use]
    pub fn accepted_if_early(mut self) -> Self {
        self.may_end_early = true;
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

    /// Whether its hashes prove that nobody changed it.
    pub fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// Entries after a number.
    pub(super) fn after(&self, seq: i64) -> impl Iterator<Item = &LoggedEntry> {
        self.entries.iter().filter(move |one| one.seq > seq)
    }

    /// Holds it against what the backup has of the same time, and looks whether it follows on that.
    pub(super) fn check_against(&self, known: &[LoggedEntry], last: i64) -> Result<(), ExportFault> {
        if self.first() > last + 1 {
            return Err(ExportFault::Gap(last + 1));
        }
        for own in &self.entries {
            let Some(there) = known.iter().find(|one| one.seq == own.seq) else {
                continue;
            };
            if there.hash != own.hash {
                return Err(ExportFault::Other(own.seq));
            }
        }
        // Another log is another log, wherever it ends.
        self.check_reaches(last)
    }
}

impl Line {
    fn read(self) -> Result<LoggedEntry, ExportFault> {
        let text = self.details.get();
        let details = if text.starts_with('"') {
            serde_json::from_str(text)?
        } else {
            text.to_owned()
        };
        let hash = octets(&self.hash).ok_or(ExportFault::NoHash(self.seq))?;
        Ok(LoggedEntry {
            seq: self.seq,
            entry: AuditEntry {
                at: self.at.as_millisecond(),
                actor: self.actor,
                action: self.action,
                object: self.object,
                outcome: self.outcome,
                details,
            },
            hash,
        })
    }
}

fn octets(hexadecimal_text: &str) -> Option<Vec<u8>> {
    let octets: Option<Vec<u8>> = hexadecimal_text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    octets.filter(|octets| hexadecimal(octets) == hexadecimal_text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    /// A log of so many entries, each hanging on the one before it.
    fn log(entries: i64) -> Vec<LoggedEntry> {
        let mut log: Vec<LoggedEntry> = Vec::new();
        for seq in 1..=entries {
            let entry = AuditEntry {
                at: 1_767_225_600_000 + seq,
                actor: "anna".to_owned(),
                action: "certificate.issue".to_owned(),
                object: seq.to_string(),
                outcome: "ok".to_owned(),
                details: format!(r#"{{"z":{seq},"a":"é"}}"#),
            };
            let before = log.last().map(|one| one.hash.clone()).unwrap_or_default();
            let mut logged = LoggedEntry {
                seq,
                entry,
                hash: Vec::new(),
            };
            logged.hash = hash_after(&before, &logged);
            log.push(logged);
        }
        log
    }

    /// As the head of the store's `audit.rs` says.
    fn hash_after(before: &[u8], one: &LoggedEntry) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut field = |bytes: &[u8]| {
            octets.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            octets.extend_from_slice(bytes);
        };
        let (seq, at) = (one.seq.to_be_bytes(), one.entry.at.to_be_bytes());
        let entry = &one.entry;
        let texts = [
            &entry.actor,
            &entry.action,
            &entry.object,
            &entry.outcome,
            &entry.details,
        ];
        [b"chancery audit 1".as_slice(), before, &seq, &at]
            .into_iter()
            .for_each(&mut field);
        for text in texts {
            field(text.as_bytes());
        }
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &octets)
            .as_ref()
            .to_vec()
    }

    fn line(one: &LoggedEntry, details: &str) -> String {
        let at = crate::clock::from_millis(one.entry.at);
        format!(
            r#"{{"seq":{},"at":"{at}","actor":"anna","action":"certificate.issue","object":"{}","outcome":"ok","details":{details},"hash":"{}"}}"#,
            one.seq,
            one.entry.object,
            hexadecimal(&one.hash)
        )
    }

    #[test]
    fn lines_arrays_and_pages_are_read_and_the_hashes_hold_where_details_are_as_they_were() {
        let log = log(4);
        let lines: Vec<String> = log.iter().map(|one| line(one, &one.entry.details)).collect();
        let texts: Vec<String> = log
            .iter()
            .map(|one| line(one, &serde_json::to_string(&one.entry.details).unwrap()))
            .collect();
        for text in [
            lines.join("\n"),
            format!("[{}]", lines.join(",")),
            format!(r#"{{"items":[{}],"next":null}}"#, lines.join(",")),
            format!("{}\n[{}]", lines.join("\n"), lines.join(",")),
            texts.join("\n"),
        ] {
            let read = ExportedLog::read(text.as_bytes()).unwrap();
            assert_eq!(read.entries, log, "{text}");
            assert!(read.is_proven() && read.first() == 1 && read.last().unwrap().0 == 4);
            read.check_against(log.get(..2).unwrap(), 2).unwrap();
        }
        let anew: Vec<String> = log.iter().map(|one| line(one, r#"{"a":"é","z":1}"#)).collect();
        assert!(!ExportedLog::read(anew.join("\n").as_bytes()).unwrap().is_proven());
    }

    #[test]
    fn a_gap_and_another_log_are_found() {
        let log = log(4);
        let text = |numbers: &[usize]| -> String {
            let chosen = numbers.iter().filter_map(|number| log.get(*number));
            chosen.map(|one| line(one, &one.entry.details)).collect()
        };
        assert!(matches!(
            ExportedLog::read(text(&[0, 1, 3]).as_bytes()),
            Err(ExportFault::Gap(3))
        ));
        assert!(matches!(
            ExportedLog::read(text(&[]).as_bytes()),
            Err(ExportFault::Empty)
        ));
        let late = ExportedLog::read(text(&[2, 3]).as_bytes()).unwrap();
        assert!(matches!(late.check_against(&[], 1), Err(ExportFault::Gap(2))));
        late.check_against(&[], 2).unwrap();
        let whole = ExportedLog::read(text(&[0, 1]).as_bytes()).unwrap();
        let mut other = log.clone();
        for one in &mut other {
            one.hash = vec![7; 32];
        }
        assert!(matches!(
            whole.accepted_if_early().check_against(&other, 4),
            Err(ExportFault::Other(1))
        ));
    }

    #[test]
    fn an_export_that_ends_before_the_backup_is_told_unless_that_is_accepted() {
        let log = log(4);
        let lines: String = log
            .iter()
            .take(2)
            .map(|one| line(one, &one.entry.details))
            .collect();
        let early = ExportedLog::read(lines.as_bytes()).unwrap();
        early.check_against(log.get(..2).unwrap(), 2).unwrap();
        let fault = early.check_against(&log, 4).unwrap_err();
        assert!(matches!(fault, ExportFault::Early { ends: 2, known: 4 }));
        assert!(fault.to_string().contains("from entry 5 on"), "{fault}");
        early.accepted_if_early().check_against(&log, 4).unwrap();
    }
}
