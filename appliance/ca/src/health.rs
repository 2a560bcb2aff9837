//! Whether the authority can do its work, and a look at all of its parts.

mod keys;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use signer_wire::{KeyRecord, ServiceStatus};

use crate::audit;
use crate::audit_log::Waiting;
use crate::authority::Authority;
use crate::clock::{HIGH_WATER, from_millis};
use crate::crl_shard::CrlShard;
use crate::error::Result;
use crate::permit;
use crate::principal::Principal;
use crate::signer::SignFault;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthProblem {
    /// Stable code: `clock_set_back`, `signer_unavailable`, `hsm_unavailable`, `hsm_key_missing`, `hsm_warning`, `store_full`,
    /// `store_unavailable`, `crl_expired`, `crl_late`, `no_responder`, `issuer_revoked`, `changes_behind`, `changes_stuck`, `changes_unknown`, `audit_alarm`, `audit_checkpoint_late`,
    /// `audit_files`, `audit_export_stuck`, `audit_witness_alarm`, `audit_witness_late`, `audit_witness_state`.
    pub code: &'static str,
    /// One sentence for the operator.
    pub message: String,
    /// Whether it keeps the authority from issuing.
    pub is_fatal: bool,
}

/// Whether the authority is fit for work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Health {
    /// Whether it can issue now.
    pub is_ready: bool,
    /// What is wrong, the fatal first.
    pub problems: Vec<HealthProblem>,
}

/// A look at everything, for the operator.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its health.
    pub health: Health,
    /// The authority's time.
    pub now: Timestamp,
    /// The signing service, or why it does not answer.
    pub signer: std::result::Result<ServiceStatus, String>,
    /// Issuers in any state.
    pub issuers: usize,
    /// Serials whose status is known.
    pub serials: usize,
    /// Entries of the audit log.
    pub audit_entries: i64,
    /// Transactions committed since the start.
    pub store_commits: u64,
    /// Jobs in them.
    pub store_jobs: u64,
}

/// For how long what the signer said is believed.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// How long the signer is waited for.
const LOOK_DEADLINE: Duration = Duration::from_secs(2);

/// What the signer said of itself.
type SignerSays = std::result::Result<ServiceStatus, SignFault>;

/// What the signer said when it was asked last, so that many callers of `/readyz` cost it little.
#[derive(Debug, Default)]
pub(crate) struct SignerLook(tokio::sync::Mutex<Option<(Instant, SignerSays)>>);

/// The keys that the signer had when it was asked last.
#[derive(Debug, Default)]
pub(crate) struct KeysLook(tokio::sync::Mutex<Option<(Instant, Vec<KeyRecord>)>>);

/// Whether the store took what was written last, likewise.
#[derive(Debug, Default)]
pub(crate) struct StoreLook(tokio::sync::Mutex<Option<(Instant, store::Result<()>)>>);

/// The setting that is written to see whether anything can be.
const LOOKED_AT: &str = "health.looked_at";

impl Authority {
    /// Whether it can do its work. Asks the signer at most every few seconds.
    pub async fn health(&self) -> Health {
        let mut problems = Vec::new();
        match self.look_at_signer().await {
            Err(fault) => problems.push(HealthProblem::fatal(fault.code(), fault.to_string())),
            Ok(status) => problems.extend(self.token_problems(&status).await),
        }
        match self.look_at_store().await {
            Ok(()) => {}
            Err(error @ store::Error::Full) => {
                problems.push(HealthProblem::fatal("store_full", error.to_string()));
            }
            Err(error) => problems.push(HealthProblem::fatal("store_unavailable", error.to_string())),
        }
        problems.extend(self.following_problems());
        let now = self.inner().clock.now();
        let behind = self.inner().guard.behind(now);
        if behind > self.inner().settings.clock_tolerance {
            let message = format!(
                "the clock stands {} s behind the latest time seen",
                behind.as_secs()
            );
            problems.push(HealthProblem::fatal("clock_set_back", message));
        }
        problems.extend(self.issuer_problems(now));
        problems.extend(self.audit_problems(now));
        problems.sort_by_key(|problem| !problem.is_fatal);
        Health {
            is_ready: !problems.iter().any(|problem| problem.is_fatal),
            problems,
        }
    }

    /// A look at everything.
    pub async fn status(&self, principal: &Principal) -> Result<Status> {
        permit::check_reads_system(principal)?;
        let counters = self.inner().store.counters();
        let issuers = self.inner().registry.all();
        Ok(Status {
            health: self.health().await,
            now: self.inner().clock.now(),
            signer: self.look_at_signer().await.map_err(|fault| fault.to_string()),
            issuers: issuers.len(),
            serials: issuers.iter().map(|issuer| issuer.statuses.len()).sum(),
            audit_entries: self.inner().store.read(store::audit::last).await?,
            store_commits: counters.commits,
            store_jobs: counters.jobs,
        })
    }

    /// Takes the clock as it is, after it was set back; issuing goes on.
    pub async fn accept_clock(&self, principal: &Principal) -> Result<()> {
        let permit = permit::to_accept_clock(principal)?;
        let now = self.inner().clock.now();
        let was = from_millis(self.inner().guard.high_water());
        let details = json!({ "latest_time_seen": was.to_string(), "accepted": now.to_string() });
        let entry = audit::entry(now, permit.actor(), "clock.accept", "clock", audit::OK, &details);
        let mark = now.as_millisecond().to_string();
        self.change(entry, move |tx| store::settings::put(tx, HIGH_WATER, &mark))
            .await?;
        self.inner().guard.accept(now);
        tracing::warn!(%was, %now, "the clock was accepted as it is");
        Ok(())
    }

    /// Remembers the time, so that a clock set back is noticed after a quiet day, too, and when each API token was used last.
    pub async fn mark_time(&self) -> Result<()> {
        let now = self.inner().clock.now();
        self.inner().guard.admit(now)?;
        let mark = now.as_millisecond();
        self.inner()
            .store
            .write(move |tx| store::settings::raise(tx, HIGH_WATER, mark))
            .await?;
        self.note_token_uses().await
    }

    /// Reads, and writes where reading says nothing: a full disk is seen by writing alone.
    async fn look_at_store(&self) -> store::Result<()> {
        let mut look = self.inner().store_look.0.lock().await;
        if let Some((at, said)) = look.as_ref()
            && at.elapsed() < LOOK_INTERVAL
        {
            return said.clone();
        }
        let at = self.inner().clock.now().to_string();
        let written = self
            .inner()
            .store
            .write(move |tx| store::settings::put(tx, LOOKED_AT, &at));
        let said = written.await;
        *look = Some((Instant::now(), said.clone()));
        said
    }

    async fn look_at_signer(&self) -> SignerSays {
        let mut look = self.inner().signer_look.0.lock().await;
        if let Some((at, said)) = look.as_ref()
            && at.elapsed() < LOOK_INTERVAL
        {
            return said.clone();
        }
        let asked = tokio::time::timeout(LOOK_DEADLINE, self.inner().signer.status()).await;
        let said = asked.unwrap_or_else(|_| Err(SignFault::deadline()));
        *look = Some((Instant::now(), said.clone()));
        said
    }

    /// Asks the signing process how its tokens are, for the metrics; at most every few seconds.
    pub async fn look_at_tokens(&self) {
        let tokens = self.inner().metrics.tokens();
        match self.look_at_signer().await {
            Ok(status) => tokens.update(&status.lanes),
            Err(_) => tokens.lost(),
        }
    }

    fn issuer_problems(&self, now: Timestamp) -> Vec<HealthProblem> {
        let mut problems = Vec::new();
        for issuer in self.inner().registry.all() {
            let entry = issuer.entry();
            // Of one whose key is lost it is known.
            if !entry.answers()
                || entry.key_lost.is_some()
                || entry
                    .certificate
                    .as_ref()
                    .is_some_and(|own| own.not_after() < now)
            {
                continue;
            }
            let mut problem = |code, message| {
                problems.push(HealthProblem {
                    code,
                    message,
                    is_fatal: false,
                });
            };
            let name = format!("{} {}", entry.name, entry.generation);
            if let Some((at, reason)) = self.revocation_of(&entry) {
                problem(
                    "issuer_revoked",
                    format!(
                        "the certificate of the issuer {name} is revoked since {at} ({reason}); it issues no more"
                    ),
                );
            }
            let has_none = |shard: &CrlShard| {
                let crl = shard.crl.load();
                crl.as_ref().is_none_or(|crl| crl.next_update <= now)
            };
            if issuer.shards.iter().any(has_none) {
                problem(
                    "crl_expired",
                    format!("there is no current CRL of the issuer {name}"),
                );
            }
            if let Some(fault) = self.crl_fault(&issuer) {
                problem(
                    "crl_late",
                    format!(
                        "a CRL of the issuer {name} is due and cannot be made since {}: {}",
                        fault.since, fault.why
                    ),
                );
            }
            let responder = issuer.responder.load();
            let is_valid = responder
                .as_ref()
                .is_some_and(|one| one.certificate.is_valid_at(now));
            if entry.offline.is_none() && !is_valid {
                problem(
                    "no_responder",
                    format!("there is no OCSP responder of the issuer {name}"),
                );
            }
        }
        problems
    }
}

/// How long entries may wait for a checkpoint that cannot be signed before that is told.
const LATE: Duration = Duration::from_mins(1);

impl Authority {
    /// None of them keeps the authority from issuing: entries are written, and signed when that is possible again.
    fn audit_problems(&self, now: Timestamp) -> Vec<HealthProblem> {
        let state = &self.inner().audit;
        let mut problems = Vec::new();
        let mut problem = |code, message| {
            problems.push(HealthProblem {
                code,
                message,
                is_fatal: false,
            });
        };
        if let Some(alarm) = state.alarm.lock().as_ref() {
            problem(
                "audit_alarm",
                format!("the audit log was tampered with, no checkpoint is signed: {alarm}"),
            );
        }
        let waiting = state.waiting.lock().clone();
        if let Some(Waiting { since, why, .. }) = waiting
            && now.duration_since(since).unsigned_abs() >= LATE
        {
            problem(
                "audit_checkpoint_late",
                format!("entries of the audit log wait for a checkpoint since {since}: {why}"),
            );
        }
        if let Some(fault) = state.files_fault.lock().as_ref() {
            problem(
                "audit_files",
                format!("the files of the audit log cannot be written: {fault}"),
            );
        }
        for (name, why) in state.exports.stuck(now) {
            problem(
                "audit_export_stuck",
                format!("the audit export {name} makes no way: {why}"),
            );
        }
        for (name, what) in state.witnesses.alarms() {
            if let Some(what) = what {
                problem(
                    "audit_witness_alarm",
                    format!("the witness {name} contradicts the audit log: {what}"),
                );
            }
        }
        for (name, why) in state.witnesses.late(now) {
            problem(
                "audit_witness_late",
                format!("the witness {name} does not cosign the audit log: {why}"),
            );
        }
        problems.extend(self.witness_problems());
        problems
    }
}

impl HealthProblem {
    fn fatal(code: &'static str, message: String) -> Self {
        Self::new(code, message, true)
    }

    pub(crate) fn new(code: &'static str, message: String, is_fatal: bool) -> Self {
        Self {
            code,
            message,
            is_fatal,
        }
    }
}
