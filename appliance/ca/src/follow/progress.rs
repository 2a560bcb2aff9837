//! How far this server is with what others change: what it has heard, what it could not take over, how long ago it knew all.
//!
//! A server that cannot reach the database, or cannot take a revocation over, knows less and less. Beyond a limit
//! ([`Settings::store_lag`](crate::Settings::store_lag)) it is not ready, and signs no OCSP answer any more that says *good* or *unknown*:
//! a certificate may have been revoked elsewhere. That holds for a server that is alone, too, because it cannot know that it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use store::changes::{Change, Mark, Told};
use uuid::Uuid;

use super::lanes::Lanes;
use super::page::About;
use super::{Heard, LOOK};
use crate::authority::Authority;
use crate::clock::since_start;
use crate::error::{Error, Result};
use crate::health::HealthProblem;

/// The longest pause between two tries of what cannot be taken over.
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// How far it is, for everybody to see, and what waits.
#[derive(Debug, Default)]
pub(crate) struct Following {
    /// One look at the changes at a time.
    pub(super) position: tokio::sync::Mutex<Position>,
    pub(super) lanes: Lanes,
    /// Whether anybody follows: what only sets up a server, for example, does not.
    is_on: AtomicBool,
    /// When it was last known that nothing had been told that is not taken over, in milliseconds since the machine was started.
    known_at: AtomicU64,
    /// What cannot be taken over, and why.
    stuck: Mutex<(usize, Option<String>)>,
    /// Words that this program does not know.
    unknown: AtomicU64,
}

/// Up to where changes are taken over.
#[derive(Debug, Default)]
pub(super) struct Position {
    pub(super) mark: Mark,
    stuck: BTreeMap<Stuck, String>,
    pause: Duration,
    again_at: Duration,
}

/// What could not be taken over, although the store can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stuck {
    Issuer(Uuid),
    Revocation(About),
}

impl Position {
    /// Remembers what cannot be taken over; it is tried again until it can.
    pub(super) fn stick(&mut self, told: &Told, error: &Error) {
        let stuck = match (About::of(told), &told.change) {
            (Some(about), _) => Stuck::Revocation(about),
            (None, Change::Issuer { issuer } | Change::Issued { issuer, .. }) => Stuck::Issuer(*issuer),
            (None, change) => {
                tracing::error!(%error, ?change, "word of another server cannot be read");
                return;
            }
        };
        if self.stuck.insert(stuck, error.to_string()).is_none() {
            let change = &told.change;
            tracing::error!(%error, ?change, "a change of another server cannot be taken over; it is tried again and again");
            self.put_off(LOOK);
        }
    }

    fn put_off(&mut self, pause: Duration) {
        self.pause = pause.min(MOST_PAUSE);
        self.again_at = since_start() + self.pause;
    }
}

impl Following {
    /// From a place on, of which everything before is known.
    pub(crate) fn from(mark: Mark, known_at: Duration) -> Self {
        let following = Self {
            position: tokio::sync::Mutex::new(Position {
                mark,
                ..Position::default()
            }),
            ..Self::default()
        };
        following.known_at.store(millis(known_at), Ordering::SeqCst);
        following
    }

    pub(super) fn begin(&self) {
        self.is_on.store(true, Ordering::SeqCst);
    }

    /// Takes note of a look that came to the end of what was told.
    pub(super) fn note(&self, asked_at: Duration, position: &Position) {
        let is_revocation = |stuck: &Stuck| matches!(stuck, Stuck::Revocation(_));
        if !position.stuck.keys().any(is_revocation) {
            self.known_at.fetch_max(millis(asked_at), Ordering::SeqCst);
        }
        let why = position.stuck.values().next().cloned();
        *self.stuck.lock() = (position.stuck.len(), why);
    }

    pub(super) fn note_unknown(&self) {
        if self.unknown.fetch_add(1, Ordering::SeqCst) == 0 {
            tracing::error!(
                "a newer program told something that this one does not know: bring this server up to date"
            );
        }
    }

    /// For how long something may have been changed elsewhere that is not known here.
    pub(crate) fn lag(&self) -> Duration {
        if !self.is_on.load(Ordering::SeqCst) {
            return Duration::ZERO;
        }
        let known_at = Duration::from_millis(self.known_at.load(Ordering::SeqCst));
        since_start().saturating_sub(known_at)
    }

    /// How much cannot be taken over, and how many words were not known.
    pub(crate) fn troubles(&self) -> (usize, u64) {
        let stuck = self.stuck.lock().0 + self.lanes.failing();
        (stuck, self.unknown.load(Ordering::SeqCst))
    }
}

impl Authority {
    /// Whether this server knows too little to say that a certificate is good.
    pub(crate) fn is_behind(&self) -> bool {
        self.inner().following.lag() > self.inner().settings.store_lag
    }

    /// What keeps this server from knowing what the others do.
    pub(crate) fn following_problems(&self) -> Vec<HealthProblem> {
        let following = &self.inner().following;
        let (stuck, unknown) = following.troubles();
        let mut problems = Vec::new();
        if self.is_behind() {
            let message = format!(
                "what other servers changed is not known since {} s: check the way to the database; no OCSP answer is signed that says good",
                following.lag().as_secs()
            );
            problems.push(HealthProblem::new("changes_behind", message, true));
        }
        if stuck > 0 {
            let why = following.stuck.lock().1.clone();
            let why = why.or_else(|| following.lanes.trouble()).unwrap_or_default();
            let message = format!("{stuck} changes of other servers cannot be taken over: {why}");
            problems.push(HealthProblem::new("changes_stuck", message, false));
        }
        if unknown > 0 {
            let message = format!(
                "{unknown} changes of other servers are not known to this program: bring it up to date, and start it anew"
            );
            problems.push(HealthProblem::new("changes_unknown", message, false));
        }
        problems
    }

    /// Tries what could not be taken over, now and then.
    pub(super) async fn try_stuck_again(&self, position: &mut Position, heard: &mut Heard) -> Result<()> {
        if position.stuck.is_empty() || since_start() < position.again_at {
            return Ok(());
        }
        let about = position.stuck.keys().filter_map(|stuck| match stuck {
            Stuck::Revocation(about) => Some(*about),
            Stuck::Issuer(_) => None,
        });
        let page = self.read_again(about.collect()).await?;
        let before = position.stuck.len();
        for stuck in position.stuck.keys().copied().collect::<Vec<_>>() {
            let outcome = match stuck {
                Stuck::Issuer(issuer) => self.issuer_told_of(issuer, heard).await.map(drop),
                Stuck::Revocation(about) => match self.issuer_told_of(about.issuer, heard).await {
                    Ok(Some(issuer)) => self.take_over_revocation(&issuer, &about, &page).await,
                    other => other.map(drop),
                },
            };
            match outcome {
                Ok(()) => {
                    position.stuck.remove(&stuck);
                    tracing::info!(?stuck, "a change of another server is taken over at last");
                }
                Err(error @ Error::Unavailable { .. }) => return Err(error),
                Err(error) => drop(position.stuck.insert(stuck, error.to_string())),
            }
        }
        let pause = if position.stuck.len() < before {
            LOOK
        } else {
            position.pause * 2
        };
        position.put_off(pause);
        Ok(())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
