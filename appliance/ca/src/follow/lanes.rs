//! What is taken over beside the revocations: each matter waits in a lane for whatever is at work on the same thing here, for
//! example an HSM that makes a key, and holds up nothing but its lane.
//!
//! A matter says only what is to be read; one that is told of twice is read once. One that fails is tried again until it succeeds.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::authority::Authority;
use crate::error::Result;
use crate::registry::entry_from_rows;

/// The first pause after a failure, and the longest: it doubles.
const PAUSE: Duration = Duration::from_millis(250);
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// What is to be read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    Profiles,
    ApiTokens,
    Issuer(Uuid),
    Responders(Uuid),
}

/// Matters that wait for each other.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: Mutex<BTreeSet<Matter>>,
    wake: Notify,
    /// Why the last round left something.
    trouble: Mutex<Option<String>>,
}

/// What waits for changes of tables here, of the set of issuers, of responders.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    tables: Lane,
    issuers: Lane,
    responders: Lane,
}

impl Lanes {
    pub(super) fn each(&self) -> [&Lane; 3] {
        [&self.tables, &self.issuers, &self.responders]
    }

    pub(super) fn put(&self, matter: Matter) {
        let lane = match matter {
            Matter::Profiles | Matter::ApiTokens => &self.tables,
            Matter::Issuer(_) => &self.issuers,
            Matter::Responders(_) => &self.responders,
        };
        lane.waiting.lock().insert(matter);
        lane.wake.notify_one();
    }

    /// How many lanes could not do what was to be done.
    pub(super) fn failing(&self) -> usize {
        let lanes = self.each().into_iter();
        lanes.filter(|lane| lane.trouble.lock().is_some()).count()
    }

    /// Why one of them could not.
    pub(super) fn trouble(&self) -> Option<String> {
        self.each()
            .into_iter()
            .find_map(|lane| lane.trouble.lock().clone())
    }
}

impl Authority {
    /// Does what waits in a lane, for ever.
    pub(super) async fn run(&self, lane: &Lane) {
        let mut pause = PAUSE;
        loop {
            if self.settle(lane).await.is_ok() {
                pause = PAUSE;
                lane.wake.notified().await;
            } else {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MOST_PAUSE);
            }
        }
    }

    /// Does what waits in a lane; what fails waits on, and the last failure is given.
    pub(super) async fn settle(&self, lane: &Lane) -> Result<()> {
        let waiting = lane.waiting.lock().clone();
        let mut outcome = Ok(());
        for matter in waiting {
            // A word that comes meanwhile puts it there again.
            lane.waiting.lock().remove(&matter);
            if let Err(error) = self.attend_to(matter).await {
                lane.waiting.lock().insert(matter);
                outcome = Err(error);
            }
        }
        let trouble = outcome.as_ref().err().map(ToString::to_string);
        let before = std::mem::replace(&mut *lane.trouble.lock(), trouble.clone());
        match (before, trouble) {
            (None, Some(error)) => {
                tracing::error!(
                    error,
                    "a change of another server cannot be taken over; it is tried again and again"
                );
            }
            (Some(_), None) => tracing::info!("all changes of other servers are taken over again"),
            _ => {}
        }
        outcome
    }

    async fn attend_to(&self, matter: Matter) -> Result<()> {
        match matter {
            Matter::Profiles => {
                let _turn = self.inner().table_changes.lock().await;
                self.load_profiles().await
            }
            Matter::ApiTokens => {
                let _turn = self.inner().table_changes.lock().await;
                self.load_tokens().await
            }
            Matter::Issuer(issuer) => {
                let _one_at_a_time = self.inner().issuer_changes.lock().await;
                self.read_issuer_anew(issuer).await
            }
            Matter::Responders(issuer) => self.take_over_responders(issuer).await,
        }
    }

    /// An issuer as the store has it. Whoever calls this has the turn of changes of issuers.
    pub(crate) async fn read_issuer_anew(&self, id: Uuid) -> Result<()> {
        let read = self.inner().store.read(move |reader| {
            let Some(row) = store::issuers::find(reader, id)? else {
                return Ok(None);
            };
            let key = store::keys::find(reader, &row.key_fingerprint)?;
            Ok(key.map(|key| (row, key)))
        });
        if let Some((row, key)) = read.await?
            && let Some(issuer) = self.inner().registry.find(id)
        {
            let entry = entry_from_rows(&row, &key, &self.inner().settings.base_url)?;
            issuer.update(|known| *known = entry);
        }
        Ok(())
    }

    async fn take_over_responders(&self, issuer_id: Uuid) -> Result<()> {
        let Some(issuer) = self.inner().registry.find(issuer_id) else {
            return Ok(());
        };
        let _one_at_a_time = issuer.responding.lock().await;
        self.take_up_responders_of(&issuer).await
    }
}
