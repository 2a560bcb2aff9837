//! How this server stands with each witness of its log: from where to ask it, what it is told about it, since when it waits.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tlog::NoteKey;

use super::{Bad, Standing};
use crate::audit_log::Lags;

/// A witness that has cosigned nothing new for so long is a problem.
const LATE: Duration = Duration::from_mins(5);

/// How it stands with a witness.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Of which log.
    origin: String,
    /// How many entries of it the witness has cosigned, as the store says.
    known: i64,
    /// And as the witness itself says, when that is something else.
    pub(super) said: Option<i64>,
    /// Whether it has cosigned anything since the start of this server. What stands in the store may have been brought back with it,
    /// so it is asked once, also when its signature is there.
    pub(super) is_confirmed: bool,
    lag: i64,
    failures: u64,
    /// Since when a checkpoint waits for it, and why.
    waits: Option<(Timestamp, String)>,
    /// What must not be.
    pub(super) alarm: Option<String>,
}

/// All witnesses of the log, by name.
#[derive(Debug, Default)]
pub(crate) struct WitnessStates(Mutex<BTreeMap<String, State>>);

impl WitnessStates {
    pub(super) fn change<T>(&self, witness: &NoteKey, change: impl FnOnce(&mut State) -> T) -> T {
        change(self.0.lock().entry(witness.name().to_string()).or_default())
    }

    fn map<T>(&self, of: impl Fn(&State) -> T) -> BTreeMap<String, T> {
        let states = self.0.lock();
        states
            .iter()
            .map(|(name, state)| (name.clone(), of(state)))
            .collect()
    }

    pub(crate) fn lags(&self) -> Lags {
        self.map(|state| state.lag)
    }

    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        self.map(|state| state.failures)
    }

    pub(crate) fn alarms(&self) -> BTreeMap<String, Option<String>> {
        self.map(|state| state.alarm.clone())
    }

    /// Those that have cosigned nothing new for long, with since when and why.
    pub(crate) fn late(&self, now: Timestamp) -> BTreeMap<String, String> {
        let late = self.map(|state| {
            let (since, why) = state.waits.as_ref()?;
            let is_long = now.duration_since(*since).unsigned_abs() >= LATE;
            is_long.then(|| format!("since {since}, with {} entries that wait: {why}", state.lag))
        });
        let late = late.into_iter().filter_map(|(name, why)| Some((name, why?)));
        late.collect()
    }
}

impl State {
    /// How it stands when it is looked at; gives from where the witness has to be asked.
    pub(super) fn look(&mut self, found: &Standing, now: Timestamp) -> Option<i64> {
        if self.origin != found.log.origin() {
            // A log that was begun anew has nothing to do with the one before.
            *self = Self {
                origin: found.log.origin().to_owned(),
                failures: self.failures,
                ..Self::default()
            };
        }
        let size = found.row.size;
        if let Some(cosigned) = found.cosigned.filter(|cosigned| *cosigned > self.known) {
            self.known = cosigned;
            self.waits = None;
        }
        if found.cosigned != Some(size) {
            self.lag = (size - self.known).max(1);
            self.waits
                .get_or_insert_with(|| (now, "it has not answered yet".to_owned()));
        } else if self.is_confirmed {
            self.is_done(size);
            return None;
        }
        let old = self.said.unwrap_or(self.known);
        // One that has seen more than there is here is asked from the beginning, and says so again.
        Some(if old > size { 0 } else { old })
    }

    /// The witness says up to where it has seen the log, and is asked from there, unless its own signature says that it has seen more.
    pub(super) fn hears_of(&mut self, size: i64) -> Result<(), Bad> {
        if size < self.known {
            return Err(Bad::Alarm(format!(
                "it says that it has cosigned {size} entries, and its signature stands under {}: either it is another witness now, so look \
                 whether `key` is its verifier key; or it has forgotten what it saw, would cosign another log under this key, and has to \
                 take another one",
                self.known
            )));
        }
        self.said = Some(size);
        if let Some((_, why)) = &mut self.waits {
            *why = format!("it has cosigned {size} entries, and is asked from there");
        }
        Ok(())
    }

    pub(super) fn is_done(&mut self, size: i64) {
        self.known = self.known.max(size);
        (self.said, self.waits, self.alarm, self.lag) = (None, None, None, 0);
        self.is_confirmed = true;
    }

    pub(super) fn failed(&mut self, now: Timestamp, why: &str) {
        self.failures += 1;
        let since = self.waits.as_ref().map_or(now, |(since, _)| *since);
        self.waits = Some((since, why.to_owned()));
    }
}
