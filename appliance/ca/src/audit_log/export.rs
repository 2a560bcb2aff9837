//! How far exports have got, and how they are doing. Sending is for an edge; the store has a cursor for each, so that every entry is
//! sent at least once, by one server at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use store::audit::LoggedEntry;
use store::leases::{self, Lease};

use super::{Lags, leaf};
use crate::authority::Authority;
use crate::error::Result;

/// How long a server may send one page before another one may.
const LENGTH: Duration = Duration::from_mins(1);
/// An export that has made no way for so long is a problem.
const STUCK: Duration = Duration::from_mins(5);

/// Entries to be sent, and the right to say that they were.
#[derive(Debug)]
pub struct AuditExportPage {
    /// The name of the export.
    pub name: String,
    /// Each as the line that is its leaf, with the number and the action of its entry and the time in epoch milliseconds.
    pub lines: Vec<AuditLine>,
    lease: Lease,
    last: i64,
}

/// An entry to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// What was done.
    pub action: String,
    /// JSON on one line.
    pub json: String,
}

impl AuditLine {
    /// Of an entry of the store.
    pub fn of(logged: &LoggedEntry) -> Self {
        Self {
            seq: logged.seq,
            at: crate::clock::from_millis(logged.entry.at),
            action: logged.entry.action.clone(),
            json: String::from_utf8_lossy(&leaf::leaf(logged)).into_owned(),
        }
    }
}

/// How an export is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditExportHealth {
    /// Entries that are still to be sent.
    lag: i64,
    /// Attempts that failed since the start.
    failures: u64,
    /// Since when it makes no way, and why.
    stuck: Option<(Timestamp, String)>,
}

/// All exports of this server, by name.
#[derive(Debug, Default)]
pub(crate) struct ExportStates(Mutex<BTreeMap<String, AuditExportHealth>>);

impl ExportStates {
    fn change(&self, name: &str, change: impl FnOnce(&mut AuditExportHealth)) {
        let mut states = self.0.lock();
        let state = states
            .entry(name.to_owned())
            .or_insert_with(|| AuditExportHealth {
                lag: 0,
                failures: 0,
                stuck: None,
            });
        change(state);
    }

    pub(crate) fn lags(&self) -> Lags {
        let states = self.0.lock();
        states
            .iter()
            .map(|(name, state)| (name.clone(), state.lag))
            .collect()
    }

    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        let states = self.0.lock();
        states
            .iter()
            .map(|(name, state)| (name.clone(), state.failures))
            .collect()
    }

    /// Those that make no way, with since when and why.
    pub(crate) fn stuck(&self, now: Timestamp) -> Vec<(String, String)> {
        let states = self.0.lock();
        let stuck = states.iter().filter_map(|(name, state)| {
            let (since, why) = state.stuck.as_ref()?;
            let is_long = now.duration_since(*since).unsigned_abs() >= STUCK;
            is_long.then(|| {
                (
                    name.clone(),
                    format!("{} entries wait since {since}: {why}", state.lag),
                )
            })
        });
        stuck.collect()
    }
}

impl Authority {
    /// The next entries for an export, and the duty of sending them; nothing when there are none or another server sends.
    pub async fn audit_export_page(&self, name: &str, most: u32) -> Result<Option<AuditExportPage>> {
        let store = &self.inner().store;
        let own = name.to_owned();
        let read = store.read(move |reader| {
            let cursor = store::audit_tree::exported(reader, &own)?;
            Ok((cursor, store::audit::last(reader)?))
        });
        let (cursor, last) = read.await?;
        self.inner()
            .audit
            .exports
            .change(name, |state| state.lag = (last - cursor).max(0));
        if cursor >= last {
            if cursor > last {
                self.tell_moved(name, cursor, last);
            }
            return Ok(None);
        }
        let (lease_name, node) = (format!("audit-export:{name}"), store.node());
        let taken = store
            .write(move |tx| leases::take(tx, &lease_name, node, LENGTH))
            .await?;
        let Some(lease) = taken else { return Ok(None) };
        let own = name.to_owned();
        // Somebody else may have sent some since the look above.
        let read = store.read(move |reader| {
            let cursor = store::audit_tree::exported(reader, &own)?;
            store::audit::after(reader, cursor, most)
        });
        let entries = read.await?;
        let lines: Vec<AuditLine> = entries.iter().map(AuditLine::of).collect();
        Ok((!lines.is_empty()).then(|| AuditExportPage {
            name: name.to_owned(),
            lines,
            lease,
            last,
        }))
    }

    /// Nothing that was sent is behind the last entry: somebody moved the place to keep entries from being sent.
    fn tell_moved(&self, name: &str, cursor: i64, last: i64) {
        let now = self.inner().clock.now();
        self.inner().audit.exports.change(name, |state| {
            let since = state.stuck.as_ref().map_or(now, |(since, _)| *since);
            let why = format!(
                "the store says that {cursor} entries were sent, and has {last}: somebody changed it; give the export another name, \
                 and it begins anew"
            );
            state.stuck = Some((since, why));
        });
    }

    /// Records that a page was sent.
    pub async fn audit_exported(&self, page: AuditExportPage) -> Result<()> {
        let Some(seq) = page.lines.last().map(|line| line.seq) else {
            return Ok(());
        };
        let (name, lease) = (page.name.clone(), page.lease.clone());
        let at = self.inner().clock.now().as_millisecond();
        let written = self.inner().store.write(move |tx| {
            leases::require(tx, &lease)?;
            store::audit_tree::put_exported(tx, &name, seq, at)?;
            leases::release(tx, &lease)
        });
        written.await?;
        self.inner().audit.exports.change(&page.name, |state| {
            state.lag = (page.last - seq).max(0);
            state.stuck = None;
        });
        Ok(())
    }

    /// Takes note that a page could not be sent, and lets another server try.
    pub async fn audit_export_failed(&self, page: AuditExportPage, why: &str) {
        let now = self.inner().clock.now();
        self.inner().audit.exports.change(&page.name, |state| {
            state.failures += 1;
            let since = state.stuck.as_ref().map_or(now, |(since, _)| *since);
            state.stuck = Some((since, why.to_owned()));
        });
        let lease = page.lease.clone();
        // It ends by itself, too.
        let _ = self
            .inner()
            .store
            .write(move |tx| leases::release(tx, &lease))
            .await;
    }
}
