//! A run for one certificate: look, decide, order, install, tell.
//!
//! Killed at any instant, it leaves a certificate and key on disk that belong together and serve, and a state from which the next run
//! goes on: the key is on disk before its request is sent, the request is kept word for word under its idempotency key, and an order is
//! forgotten only when its hooks have run.

mod ask;
pub mod deploy;
pub mod disk;
mod facts;
mod finish;
mod install;
pub mod next;
mod order;
mod token;
mod wanted;

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use crate::client::Clock;
use crate::config::{CertificateSettings, KeyProvider, KeyReuse};
use crate::decide::{self, Decision, Heard, Outcome, Wanted};
use crate::failure::Failure;
use crate::lock::Lock;
use crate::report::{Report, Window, Wrong, hexadecimal};
use crate::site::Site;
use crate::state::{LastRun, Memory, State};
use crate::write::{self, Watch};

use disk::Found;
use next::{Intent, Next};
use token::Opened;

/// How a run is done, besides what the file says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Up to the order, and not further.
    pub is_dry: bool,
    /// How long a pending order is waited for, instead of what the file says.
    pub wait: Option<Duration>,
    /// How long another instance is waited for.
    pub lock_timeout: Duration,
}

/// One certificate and what a run needs for it.
#[derive(Debug)]
pub struct Task<'a> {
    /// The certificate.
    pub settings: &'a CertificateSettings,
    /// The appliance.
    pub site: &'a Site,
    /// How the run is done.
    pub options: Options,
}

/// A run under way.
struct Run<'a> {
    task: &'a Task<'a>,
    memory: Memory,
    state: State,
    found: Found,
    report: Report,
    token: Opened,
    watch: &'a mut dyn Watch,
}

/// Does what the intent asks for. What fails is told in the report.
pub async fn run(task: &Task<'_>, intent: Intent, watch: &mut dyn Watch) -> Report {
    let mut report = Report::of(&task.settings.name);
    let opened = open(task, watch).await;
    let (mut run, _lock) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            report.error = Some(Wrong::from(&failure));
            return report;
        }
    };
    let done = run.attempt(intent).await;
    let failed = match done {
        Ok(()) => None,
        Err(failure) => Some(run.mourn(failure).await),
    };
    run.sweep();
    if let Some(failure) = failed {
        run.report.error = Some(Wrong::from(&failure));
    }
    run.describe();
    run.report
}

/// How things stand, without changing anything; the appliance is asked when it may be.
pub async fn look(task: &Task<'_>, may_ask: bool) -> Report {
    let mut nobody = ();
    let mut report = Report::of(&task.settings.name);
    let (mut run, _lock) = match open(task, &mut nobody).await {
        Ok(opened) => opened,
        Err(failure) => {
            report.error = Some(Wrong::from(&failure));
            return report;
        }
    };
    if may_ask
        && run.found.leaf().is_some()
        && let Err(failure) = run.ask().await
    {
        run.report.error = Some(Wrong::from(&failure));
    }
    run.decide();
    if run.state.is_undeployed {
        run.warn("a server of the file has not taken what is on disk; the next run tries again");
    }
    run.describe();
    run.report
}

/// Takes the lock, repairs what a killed run left, and reads what is there.
async fn open<'a>(task: &'a Task<'a>, mut watch: &'a mut dyn Watch) -> Result<(Run<'a>, Lock), Failure> {
    let settings = task.settings;
    let memory = Memory::open(&settings.state_dir, &settings.name)?;
    let lock = Lock::acquire(&memory.lock_path(), task.options.lock_timeout).await?;
    write::repair(&settings.output, &mut watch)?;
    let mut report = Report::of(&settings.name);
    let mut remembered = memory.load()?;
    report.warnings.extend(remembered.warning);
    let config = task.site.config();
    if let Some(other) = remembered.state.config.replace(config.to_path_buf())
        && is_another(&other, config)
    {
        let text = format!(
            "what is remembered of this certificate is also that of {}: give one of them another `name` or `state_dir`, or each run undoes \
             what the other did",
            other.display()
        );
        tracing::warn!("{text}");
        report.warnings.push(text);
    }
    let found = disk::read(settings)?;
    report.warnings.extend(found.broken.clone());
    let run = Run {
        task,
        memory,
        state: remembered.state,
        found,
        report,
        token: Opened::NotYet,
        watch,
    };
    Ok((run, lock))
}

impl Run<'_> {
    async fn attempt(&mut self, intent: Intent) -> Result<(), Failure> {
        self.drop_other_order().await?;
        let mut next = next::next(intent, &self.decide())?;
        if next == Next::Nothing && self.state.unacknowledged.is_some() && !self.state.is_undeployed {
            next = Next::Ask;
        }
        if next == Next::Ask && !self.task.options.is_dry {
            self.ask().await?;
            next = next::next(intent, &self.decide())?;
        }
        if self.task.options.is_dry {
            return self.rehearse(next).await;
        }
        let next = match next {
            Next::Nothing | Next::Ask => return self.rest().await,
            next => next,
        };
        if next != Next::Resume {
            self.order(next, self.reuses_key(intent)).await?;
        }
        match self.finish().await {
            Err(failure)
                if next == Next::Resume
                    && (is_gone(&failure) || intent.is_forced() && is_unusable(&failure)) =>
            {
                tracing::warn!(
                    reason = failure.told(),
                    "the pending order is of no use: ordering anew"
                );
                self.forget_order()?;
                let decision = self.decide();
                let next = match next::next(intent, &decision) {
                    Ok(next) if intent.is_forced() => next,
                    _ => next::next(Intent::Ensure, &decision)?,
                };
                if matches!(next, Next::Issue | Next::Renew) {
                    self.order(next, self.reuses_key(intent)).await?;
                    return self.finish().await;
                }
                Ok(())
            }
            done => done,
        }
    }

    /// Decides from what is known, and says so in the report.
    fn decide(&mut self) -> Decision {
        let settings = self.task.settings;
        let now = self.clock().now();
        let configured = configured(settings);
        let has_changed = self.state.ordered.as_ref().map(|ordered| *ordered != configured);
        let wanted = Wanted {
            names: settings.names.clone(),
            subject: None,
            has_changed,
            key: settings.key.kind.algorithm(),
            threshold: settings.renewal.threshold,
            renew_on_drift: settings.renewal.on_config_change,
            use_window: settings.renewal.use_server_window,
        };
        let heard = Heard {
            has_pending: self.state.pending.is_some(),
            checked_at: self.state.checked_at,
            standing: self.state.standing,
            window: self.state.window,
        };
        let share = f64::from(self.state.share.unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
        let decision = decide::decide(&self.found.as_disk(now), &wanted, &heard, now, share);
        self.report.outcome = Some(decision.outcome);
        self.report.on_disk = Some(decision.on_disk);
        self.report.renew_at = decision.renew_at;
        decision
    }

    /// Nothing was to be done.
    async fn rest(&mut self) -> Result<(), Failure> {
        let outcome = self.report.outcome;
        let was_undeployed = self.state.is_undeployed;
        self.deploy_again().await?;
        if was_undeployed && !self.state.is_undeployed && self.state.unacknowledged.is_some() {
            self.ask().await?;
        }
        let on_nochange = self.task.settings.hooks.on_nochange.clone();
        if let Some(hook) = on_nochange {
            let facts = self.facts();
            self.hook(&hook, "nochange", &facts).await?;
        }
        self.remember_run(outcome, None)
    }

    /// What a failed run leaves: the state says so, the hook has run.
    async fn mourn(&mut self, failure: Failure) -> Failure {
        if self.task.options.is_dry || matches!(failure, Failure::Usage(_)) {
            return failure;
        }
        let outcome = self.report.outcome;
        if let Err(fault) = self.remember_run(outcome, Some(failure.told())) {
            tracing::warn!(reason = fault.told(), "the outcome of the run was not noted");
        }
        // An order that only takes longer is no failure of the run.
        let hook = self.task.settings.hooks.on_failure.clone();
        if let Some(hook) = hook.filter(|_| !matches!(failure, Failure::Pending { .. })) {
            let mut facts = self.facts();
            facts.insert("COURIER_ERROR_CODE".to_owned(), failure.code());
            facts.insert("COURIER_ERROR_MESSAGE".to_owned(), failure.told());
            if let Some(id) = failure.request_id() {
                facts.insert("COURIER_REQUEST_ID".to_owned(), id);
            }
            if let Err(fault) = self.hook(&hook, "failure", &facts).await {
                tracing::warn!(reason = fault.told(), "the hook on_failure failed");
            }
        }
        failure
    }

    fn remember_run(&mut self, outcome: Option<Outcome>, error: Option<String>) -> Result<(), Failure> {
        self.state.failures = match error {
            Some(_) => self.state.failures.saturating_add(1),
            None => 0,
        };
        let outcome = outcome.map(|outcome| serde_json::to_value(outcome).unwrap_or_default());
        let outcome = outcome.and_then(|outcome| outcome.as_str().map(ToOwned::to_owned));
        self.state.last_run = Some(LastRun {
            at: self.clock().now(),
            outcome: outcome.unwrap_or_default(),
            error,
        });
        self.save()
    }

    fn reuses_key(&self, intent: Intent) -> bool {
        self.task.settings.key.reuse == KeyReuse::OnRenew
            || matches!(intent, Intent::Renew { reuse_key: true, .. })
    }

    fn describe(&mut self) {
        let now = self.clock().now();
        if let Some(leaf) = self.found.leaf() {
            self.report.describe(leaf, now);
        }
        self.report.is_undeployed = self.state.is_undeployed;
        self.report.server_window = self.state.window.map(|(start, end)| Window { start, end });
        if let Some(order) = self.state.pending.as_ref().and_then(|pending| pending.order) {
            self.report.order = Some(order.to_string());
        }
    }

    fn save(&mut self) -> Result<(), Failure> {
        self.watch.step("write the state");
        Ok(self.memory.save(&self.state)?)
    }

    fn clock(&self) -> &Clock {
        self.task.site.clock()
    }

    fn now(&self) -> Timestamp {
        self.clock().now()
    }
}

/// Whether a file is there and is another one than this.
fn is_another(other: &Path, own: &Path) -> bool {
    let canonical = |path: &Path| std::fs::canonicalize(path).ok();
    canonical(other).is_some_and(|other| Some(other) != canonical(own))
}

/// Whether an order that was on its way is not there any more, or is of no use.
fn is_gone(failure: &Failure) -> bool {
    let is_lost = matches!(failure, Failure::KeyLost(_) | Failure::TooLate(_));
    is_lost
        || matches!(failure, Failure::Client(crate::client::Fault::Refused(refusal)) if matches!(refusal.status, 404 | 410))
}

/// Whether what was issued is refused here, and would be each time.
fn is_unusable(failure: &Failure) -> bool {
    matches!(failure, Failure::Write(write::WriteFault::Verify(_)))
}

/// What the file asks for, as one text to compare: whatever changes it asks for another certificate.
pub fn configured(settings: &CertificateSettings) -> String {
    let mut names: Vec<String> = settings.names.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    names.dedup();
    let mut asked = serde_json::json!({
        "names": names,
        "subject": hexadecimal(settings.subject.der()),
        "key": settings.key.kind.to_string(),
        "local": settings.generate_keys_locally,
        "profile": settings.profile,
        "validity_days": settings.validity_days,
        "usages": settings.extended_key_usage,
    });
    // Keys in files were there first: what was remembered of them stays what it was.
    if let (KeyProvider::Pkcs11(token), Some(members)) = (&settings.key.provider, asked.as_object_mut()) {
        members.insert("token".to_owned(), token.place.to_string().into());
    }
    hexadecimal(digest(&SHA256, asked.to_string().as_bytes()).as_ref())
}
