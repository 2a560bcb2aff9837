//! The audit lines: one JSON object for each request that used a key, written before its reply is sent; and for each test
//! signature, and for each key that is not what it was.
//!
//! The appliance keeps its own, chained audit log of what was issued. These lines are the second witness: what the
//! process that has the keys has really signed, and for whom.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use signer_wire::{Fault, Input, KeyRecord, Priority, Sign};
use token::Change;

use crate::batch::Outcome;
use crate::clock;
use crate::connection::Peer;

/// Where audit lines go.
#[derive(Debug)]
pub(crate) struct Audit {
    path: Option<PathBuf>,
    sink: Mutex<Sink>,
}

#[derive(Debug)]
enum Sink {
    File(File),
    StandardError,
}

#[derive(Serialize)]
struct Line<'a> {
    audit: &'a str,
    at: String,
    uid: u32,
    pid: i32,
    request: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<Tally>,
    #[serde(skip_serializing_if = "Digests::is_empty")]
    digests: Digests<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<ChangeLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    us: u64,
}

/// The digests that were signed, in the order of the request, as hexadecimal digits. A request may carry [`signer_wire::MAX_BATCH`] of them.
/// A message that was signed whole is not among them.
#[derive(Default)]
struct Digests<'a> {
    items: &'a [Sign],
    outcomes: &'a [Outcome],
}

impl<'a> Digests<'a> {
    fn all(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let signed = self
            .items
            .iter()
            .zip(self.outcomes)
            .filter(|(_, outcome)| outcome.is_ok());
        signed.filter_map(|(item, _)| match &item.input {
            Input::Digest(digest) => Some(digest.as_bytes()),
            Input::Message(_) => None,
        })
    }

    fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }
}

impl Serialize for Digests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.all().map(Hexadecimal))
    }
}

/// Written straight into the line: signatures ahead come in batches of hundreds.
struct Hexadecimal<'a>(&'a [u8]);

impl Serialize for Hexadecimal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| {
            DIGITS
                .get(usize::from(value))
                .map_or('0', |digit| char::from(*digit))
        };
        for octet in self.0 {
            formatter.write_char(digit(octet >> 4))?;
            formatter.write_char(digit(octet & 15))?;
        }
        Ok(())
    }
}

/// What one key did in a request.
#[derive(Serialize, PartialEq)]
struct Tally {
    key: String,
    scheme: String,
    made: usize,
    failed: usize,
}

#[derive(Serialize)]
struct KeyLine<'a> {
    label: &'a str,
    key: Option<String>,
    kind: Option<String>,
    tokens: &'a [String],
}

/// What is not as it was.
#[derive(Serialize)]
struct ChangeLine<'a> {
    attribute: &'a str,
    was: &'a str,
    is: &'a str,
    worse: bool,
}

impl Audit {
    /// Opens the file for appending, or takes standard error when none is configured.
    pub(crate) fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let sink = match &path {
            Some(path) => Sink::File(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(path)?,
            ),
            None => Sink::StandardError,
        };
        Ok(Self {
            path,
            sink: Mutex::new(sink),
        })
    }

    /// Opens the file anew, after it was rotated away.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let fresh = Self::open(self.path.clone())?;
        *self.sink.lock() = fresh.sink.into_inner();
        Ok(())
    }

    /// Records the signatures of one request.
    pub(crate) fn signatures(
        &self,
        peer: Peer,
        request: u64,
        priority: Priority,
        items: &[Sign],
        outcomes: &[Outcome],
        taken: Duration,
    ) -> io::Result<()> {
        let fault = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
        self.write(&Line {
            priority: Some(priority.to_string()),
            signatures: tallies(items, outcomes),
            digests: Digests { items, outcomes },
            fault: fault.map(|fault| fault.class.to_string()),
            ..Line::new("sign", peer, request, taken)
        })
    }

    /// Records that a key was made or taken over, or was not.
    pub(crate) fn key(
        &self,
        what: &str,
        peer: Peer,
        request: u64,
        label: &str,
        outcome: Result<&KeyRecord, &Fault>,
        taken: Duration,
    ) -> io::Result<()> {
        let made = outcome.ok();
        let key = KeyLine {
            label,
            key: made.map(|record| record.key.to_string()),
            kind: made.map(|record| record.kind.to_string()),
            tokens: made.map(|record| record.tokens.as_slice()).unwrap_or_default(),
        };
        let fault = outcome.err().map(|fault| fault.class.to_string());
        self.write(&Line {
            key: Some(key),
            fault,
            ..Line::new(what, peer, request, taken)
        })
    }

    /// Records a test signature that this service made for itself.
    pub(crate) fn test(&self, record: &KeyRecord, fault: Option<&str>, taken: Duration) -> io::Result<()> {
        let key = KeyLine {
            label: &record.label,
            key: Some(record.key.to_string()),
            kind: Some(record.kind.to_string()),
            tokens: &record.tokens,
        };
        self.write(&Line {
            key: Some(key),
            fault: fault.map(str::to_owned),
            ..Line::new("test", Peer::own(), 0, taken)
        })
    }

    /// Records that a key is not what it was when it was first seen.
    pub(crate) fn key_changed(&self, token: &str, change: &Change) -> io::Result<()> {
        let tokens = [token.to_owned()];
        let key = KeyLine {
            label: &change.label,
            key: Some(change.key.clone()),
            kind: None,
            tokens: &tokens,
        };
        let change = ChangeLine {
            attribute: &change.attribute,
            was: &change.was,
            is: &change.is,
            worse: change.is_worse,
        };
        self.write(&Line {
            key: Some(key),
            change: Some(change),
            ..Line::new("key_changed", Peer::own(), 0, Duration::ZERO)
        })
    }

    fn write(&self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        match &mut *self.sink.lock() {
            Sink::File(file) => file.write_all(&text),
            Sink::StandardError => io::stderr().lock().write_all(&text),
        }
    }
}

impl<'a> Line<'a> {
    fn new(audit: &'a str, peer: Peer, request: u64, taken: Duration) -> Self {
        Self {
            audit,
            at: clock::now().to_string(),
            uid: peer.uid,
            pid: peer.pid,
            request,
            priority: None,
            signatures: Vec::new(),
            digests: Digests::default(),
            key: None,
            change: None,
            fault: None,
            us: u64::try_from(taken.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// How many signatures each key made and failed to make; a batch is mostly of one key, so neighbours are counted
/// together.
fn tallies(items: &[Sign], outcomes: &[Outcome]) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = Vec::new();
    let mut previous = None;
    for (item, outcome) in items.iter().zip(outcomes) {
        if previous != Some((item.key, item.scheme)) {
            previous = Some((item.key, item.scheme));
            tallies.push(Tally {
                key: item.key.to_string(),
                scheme: item.scheme.to_string(),
                made: 0,
                failed: 0,
            });
        }
        if let Some(tally) = tallies.last_mut() {
            match outcome {
                Ok(_) => tally.made += 1,
                Err(_) => tally.failed += 1,
            }
        }
    }
    tallies
}
