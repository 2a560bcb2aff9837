//! The entries of a file, and what in it is none.
//!
//! A disk that fills up and a machine that falls leave half a line, at the end or, where the export went on, in the middle. What
//! cannot be read as JSON is passed over from the line it begins in; whether an entry is missing for it shows in the numbers.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use store::audit::{AuditEntry, LoggedEntry};

use super::ExportFault;
use crate::audit::octets;

/// An entry, and the line it begins in, from 1.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) line: usize,
    pub(super) logged: LoggedEntry,
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

/// How often all lines may be read for values that turn out to be none. After that a value is looked for on one line alone: a file of
/// lines that each begin something would be read to its end for each of them.
const VAIN: usize = 8;

/// Reads all of it: the entries in their order, and the lines that are no JSON.
pub(super) fn read(text: &[u8]) -> Result<(Vec<Found>, Vec<usize>), ExportFault> {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    let (mut rest, mut line) = (text, 1);
    let mut in_vain = VAIN * (ends(text) + 1);
    loop {
        let begin = rest.iter().position(|octet| !octet.is_ascii_whitespace());
        let Some(begin) = begin else {
            return Ok((found, skipped));
        };
        let (blank, value) = rest.split_at(begin);
        line += ends(blank);
        let first_line = value.iter().position(|octet| *octet == b'\n');
        let first_line = first_line.unwrap_or(value.len());
        let tried = if in_vain == 0 {
            value.get(..first_line).unwrap_or(value)
        } else {
            value
        };
        let mut values = serde_json::Deserializer::from_slice(tried).into_iter::<&RawValue>();
        let end = match values.next() {
            Some(Ok(json)) if json.get().starts_with(['{', '[']) => {
                take(json.get(), line, &mut found)?;
                values.byte_offset()
            }
            none => {
                // Where it cannot be read any further.
                let lines = none.and_then(Result::err).map_or(1, |fault| fault.line());
                in_vain = in_vain.saturating_sub(lines.saturating_sub(1));
                skipped.push(line);
                first_line
            }
        };
        let (taken, behind) = value.split_at(end.min(value.len()));
        line += ends(taken);
        rest = behind;
    }
}

fn ends(octets: &[u8]) -> usize {
    octets.split(|octet| *octet == b'\n').skip(1).count()
}

fn take(json: &str, line: usize, found: &mut Vec<Found>) -> Result<(), ExportFault> {
    let fault = |source| ExportFault::Unreadable { line, source };
    let lines = if json.starts_with('[') {
        serde_json::from_str::<Vec<Line>>(json).map_err(fault)?
    } else if let Ok(page) = serde_json::from_str::<Page>(json) {
        page.items
    } else {
        vec![serde_json::from_str::<Line>(json).map_err(fault)?]
    };
    for one in lines {
        found.push(Found {
            line,
            logged: one.read(line)?,
        });
    }
    Ok(())
}

impl Line {
    fn read(self, line: usize) -> Result<LoggedEntry, ExportFault> {
        let text = self.details.get();
        let details = if text.starts_with('"') {
            serde_json::from_str(text).map_err(|source| ExportFault::Unreadable { line, source })?
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
