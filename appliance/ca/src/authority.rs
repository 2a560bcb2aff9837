//! The authority: what all use cases share, how it is loaded, and how a change is written.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use store::audit::AuditEntry;
use store::{AtWork, OcspAnswers, Store, Tx};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::api_tokens::StoredToken;
use crate::audit_log::AuditState;
use crate::certify::InFlight;
use crate::clock::{Clock, ClockGuard, HIGH_WATER, since_start};
use crate::courier::CourierState;
use crate::duty::Nudge;
use crate::error::{Error, Result};
use crate::follow::Following;
use crate::health::{KeysLook, SignerLook, StoreLook};
use crate::issuer::Issuer;
use crate::metrics::Metrics;
use crate::ocsp_cache::OcspCache;
use crate::profiles::ProfileEntry;
use crate::recover::Recovery;
use crate::registry::{self, Registry};
use crate::seal::Checks;
use crate::settings::Settings;
use crate::signer::Signer;
use crate::verified_requests::VerifiedRequests;

/// The use cases, over one store and one signer. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Authority {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) signer: Signer,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) settings: Settings,
    pub(crate) guard: ClockGuard,
    pub(crate) registry: Registry,
    pub(crate) profiles: ArcSwap<BTreeMap<String, ProfileEntry>>,
    pub(crate) tokens: ArcSwap<HashMap<String, StoredToken>>,
    pub(crate) in_flight: InFlight,
    pub(crate) verified_requests: VerifiedRequests,
    pub(crate) ocsp_cache: OcspCache,
    /// Which signatures are verified.
    pub(crate) checks: Checks,
    /// How many may wait for an OCSP answer that is signed on demand.
    pub(crate) ocsp_budget: Semaphore,
    /// The signed OCSP answers on disk; none where there is no folder for them.
    pub(crate) answers: Option<OcspAnswers>,
    pub(crate) signer_look: SignerLook,
    pub(crate) keys_look: KeysLook,
    pub(crate) store_look: StoreLook,
    /// One change of the set of issuers at a time.
    pub(crate) issuer_changes: tokio::sync::Mutex<()>,
    /// One change of the profiles and tokens in memory at a time.
    pub(crate) table_changes: tokio::sync::Mutex<()>,
    pub(crate) audit: AuditState,
    pub(crate) couriers: CourierState,
    pub(crate) crl_nudge: Nudge,
    pub(crate) responder_nudge: Nudge,
    /// How far this server is with the changes of others.
    pub(crate) following: Following,
    /// Work that runs to its end.
    pub(crate) tasks: TaskTracker,
    recovered: OnceLock<Recovery>,
}

impl Authority {
    /// Loads everything from the store, seeds the ready-made profiles, and settles what a crash left behind, so that
    /// whoever holds an authority holds one without orphans; [`Authority::recovered`] says what was found.
    pub async fn open(store: Store, signer: Signer, clock: Clock, settings: Settings) -> Result<Self> {
        let asked_at = since_start();
        // What is told from here on is taken over; what was before is read with everything else.
        let read = store.read(|reader| {
            let high_water = store::settings::number(reader, HIGH_WATER)?;
            Ok((
                high_water,
                store::changes::mark(reader)?,
                store::epoch::current(reader)?,
            ))
        });
        let (high_water, mark, epoch) = read.await?;
        let inner = Inner {
            guard: ClockGuard::new(high_water.unwrap_or(0), settings.clock_tolerance),
            ocsp_cache: OcspCache::new(settings.ocsp_cache_entries),
            checks: Checks::default(),
            ocsp_budget: Semaphore::new(settings.ocsp_on_demand),
            answers: open_answers(&settings, epoch)?,
            registry: Registry::default(),
            profiles: ArcSwap::default(),
            tokens: ArcSwap::default(),
            in_flight: InFlight::default(),
            verified_requests: VerifiedRequests::default(),
            signer_look: SignerLook::default(),
            keys_look: KeysLook::default(),
            store_look: StoreLook::default(),
            issuer_changes: tokio::sync::Mutex::default(),
            table_changes: tokio::sync::Mutex::default(),
            audit: AuditState::default(),
            couriers: CourierState::default(),
            crl_nudge: Nudge::default(),
            responder_nudge: Nudge::default(),
            following: Following::from(mark, asked_at),
            tasks: TaskTracker::new(),
            recovered: OnceLock::new(),
            metrics: Metrics::new().map_err(Error::internal)?,
            store,
            signer,
            clock,
            settings,
        };
        let authority = Self {
            inner: Arc::new(inner),
        };
        authority.be_present().await?;
        authority.tell_program().await?;
        authority.load_issuers().await?;
        authority.load_profiles().await?;
        authority.load_tokens().await?;
        authority.disable_unfinished_issuers().await?;
        let recovery = authority.recover().await?;
        authority.inner.recovered.get_or_init(|| recovery);
        Ok(authority)
    }

    /// What was settled when the authority was opened.
    pub fn recovered(&self) -> &Recovery {
        self.inner.recovered.get_or_init(Recovery::default)
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Its metrics; edges register theirs in the same registry.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Its signer, to look at keys and tokens.
    pub fn signer(&self) -> &Signer {
        &self.inner.signer
    }

    /// Told when a CRL is due before its time, because something was revoked.
    pub fn crl_nudge(&self) -> Arc<Notify> {
        self.inner.crl_nudge.wakes()
    }

    /// Told when it is time to look again for a responder that another server was making.
    pub fn responder_nudge(&self) -> Arc<Notify> {
        self.inner.responder_nudge.wakes()
    }

    /// Waits until all work under way has ended, also that whose callers went away. Called once, before the program ends
    /// and after the edges have stopped taking requests.
    pub async fn drain(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.be_gone().await;
        if let Some(answers) = self.inner.answers.clone() {
            let _ = tokio::task::spawn_blocking(move || answers.close()).await;
        }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Writes one change and its audit entry in one transaction; gives what the change gave, and the entry's number.
    pub(crate) async fn change<T, F>(&self, entry: AuditEntry, change: F) -> Result<(T, i64)>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> store::Result<T> + Send + 'static,
    {
        let outcome = self.inner.store.write(with_entry(entry, change)).await?;
        self.inner.metrics.audited(outcome.1);
        Ok(outcome)
    }

    /// The same for somebody at work, whose change may wait for those of others.
    pub(crate) async fn change_at_work<T, F>(
        &self,
        at_work: &AtWork,
        entry: AuditEntry,
        change: F,
    ) -> Result<(T, i64)>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> store::Result<T> + Send + 'static,
    {
        let job = with_entry(entry, change);
        let outcome = self.inner.store.write_at_work(at_work, job).await?;
        self.inner.metrics.audited(outcome.1);
        Ok(outcome)
    }

    /// Runs to its end what must not stop half-way when its caller goes away.
    pub(crate) async fn to_the_end<T, F, W>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> W,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let task = self.inner.tasks.spawn(work(self.clone()));
        task.await.map_err(Error::internal)?
    }

    /// Issuers, the status of every serial, CRLs and responders.
    async fn load_issuers(&self) -> Result<()> {
        let read = self
            .inner
            .store
            .read(|reader| Ok((store::issuers::all(reader)?, store::keys::all(reader)?)));
        let (issuers, keys) = read.await?;
        for row in &issuers {
            let key = keys.iter().find(|key| key.fingerprint == row.key_fingerprint);
            let key = key.ok_or_else(|| {
                Error::Internal(format!("the key of the stored issuer {} is missing", row.id))
            })?;
            let entry = registry::entry_from_rows(row, key, &self.inner.settings.base_url)?;
            self.inner.registry.add(Issuer::new(entry));
        }
        let authority = self.clone();
        let read = self
            .inner
            .store
            .read_long(move |reader| store::statuses::for_each(reader, |row| authority.take_status(&row)));
        read.await?;
        self.load_crls().await?;
        self.take_up_lists_above().await?;
        self.load_responders().await
    }

    fn take_status(&self, row: &store::statuses::SerialStatus<'_>) -> store::Result<()> {
        self.known_issuer(row.issuer_id, "a serial")?
            .map_or(Ok(()), |issuer| issuer.take_status(row))
    }

    /// The issuer of something that is loaded; nothing when another server has made it since the issuers were loaded: then all of
    /// it is told of.
    pub(crate) fn known_issuer(&self, id: Uuid, what: &str) -> store::Result<Option<Arc<Issuer>>> {
        match self.inner.registry.find(id) {
            None if !self.inner.store.is_shared() => Err(store::Error::Corrupt(format!(
                "{what} of an issuer {id}: there is none"
            ))),
            found => Ok(found),
        }
    }
}

/// A change and its audit entry as one job.
fn with_entry<T, F>(
    entry: AuditEntry,
    mut change: F,
) -> impl FnMut(&Tx<'_>) -> store::Result<(T, i64)> + Send + 'static
where
    T: 'static,
    F: FnMut(&Tx<'_>) -> store::Result<T> + Send + 'static,
{
    move |tx| {
        let outcome = change(tx)?;
        store::settings::raise(tx, HIGH_WATER, entry.at)?;
        Ok((outcome, store::audit::append(tx, &entry)?))
    }
}

fn open_answers(settings: &Settings, epoch: i64) -> Result<Option<OcspAnswers>> {
    let Some(folder) = &settings.ocsp_folder else {
        return Ok(None);
    };
    let answers = OcspAnswers::open(folder, epoch)?;
    if let Some(cause) = answers.begun_anew() {
        tracing::warn!(folder = %folder.display(), cause, "the OCSP answers on disk could not be read: begun anew");
    }
    Ok(Some(answers))
}
