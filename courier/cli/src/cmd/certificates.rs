//! `run`, `generate`, `renew`, `status` and `generate-keys`: what is done certificate by certificate.

use crate::args::Global;
use crate::config::{CertificateSettings, KeyProvider};
use crate::decide::Outcome;
use crate::failure::Failure;
use crate::key::{KeptKey, LocalKey};
use crate::lock::Lock;
use crate::report::{Done, Report, Wrong};
use crate::run::next::Intent;
use crate::run::{self, Options, Task};
use crate::site::Site;
use crate::state::Memory;
use crate::token_key;
use crate::write::Watch;

use super::Console;

/// The exit code where everything is as it should be but a server that has not taken it: that of a deployment that fails.
const UNDEPLOYED: u8 = 9;

/// How `status` looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Whether the outcome becomes the exit code.
    pub(super) is_check: bool,
    /// Whether the appliance is left alone.
    pub(super) is_offline: bool,
    /// Whether metrics are printed instead.
    pub(super) is_prometheus: bool,
}

/// One run for each certificate; the worst exit code.
pub(super) async fn run(
    intent: Intent,
    global: &Global,
    site: &Site,
    chosen: &[CertificateSettings],
    console: Console,
    watch: &mut dyn Watch,
) -> u8 {
    if chosen.is_empty() {
        return without_certificates(site, console);
    }
    let mut worst = 0;
    for settings in chosen {
        let task = task(global, site, settings);
        let report = run::run(&task, intent, watch).await;
        worst = worst.max(report.error.as_ref().map_or(0, |wrong| wrong.exit_code));
        console.report(&report);
    }
    worst
}

/// How each certificate stands.
pub(super) async fn status(
    how: &Look,
    global: &Global,
    site: &Site,
    chosen: &[CertificateSettings],
    console: Console,
) -> u8 {
    if chosen.is_empty() {
        return without_certificates(site, console);
    }
    let mut worst = 0;
    let mut reports = Vec::new();
    for settings in chosen {
        let report = run::look(&task(global, site, settings), !how.is_offline).await;
        let found = match (&report.error, report.outcome) {
            (Some(wrong), _) => wrong.exit_code,
            (None, _) if how.is_check => check_code(&report),
            (None, _) => 0,
        };
        worst = worst.max(found);
        if how.is_prometheus {
            reports.push(report);
        } else {
            console.report(&report);
        }
    }
    if how.is_prometheus {
        console.print(metrics(&reports).trim_end());
    }
    worst
}

/// What `status --check` ends with.
fn check_code(report: &Report) -> u8 {
    let Some(on_disk) = report.on_disk else { return 0 };
    let code = match on_disk {
        Outcome::Current | Outcome::OrderPending => 0,
        Outcome::RenewalDue | Outcome::Superseded => 20,
        Outcome::Missing | Outcome::Unreadable => 21,
        Outcome::Expired | Outcome::NotYetValid => 22,
        Outcome::Revoked => 23,
        Outcome::KeyMismatch | Outcome::UntrustedChain => 24,
        Outcome::ConfigDrift => 25,
    };
    // What is on its way already is no reason for an alarm, as long as what is there works.
    let is_under_way = report.outcome == Some(Outcome::OrderPending);
    match code {
        20 | 25 if is_under_way => 0,
        0 if report.is_undeployed => UNDEPLOYED,
        code => code,
    }
}

/// The text format of Prometheus, for its text file collector.
fn metrics(reports: &[Report]) -> String {
    let label = |report: &Report| report.name.replace(['\\', '"', '\n'], "_");
    let mut text = String::from(
        "# HELP courier_certificate_not_after_seconds When the certificate ends, in seconds since 1970.\n\
         # TYPE courier_certificate_not_after_seconds gauge\n",
    );
    for report in reports {
        if let Some(until) = report.not_after {
            let name = label(report);
            let line = format!(
                "courier_certificate_not_after_seconds{{name=\"{name}\"}} {}\n",
                until.as_second()
            );
            text.push_str(&line);
        }
    }
    text.push_str(
        "# HELP courier_certificate_ok Whether the certificate is current.\n# TYPE courier_certificate_ok gauge\n",
    );
    for report in reports {
        let is_ok =
            report.error.is_none() && report.on_disk == Some(Outcome::Current) && !report.is_undeployed;
        let name = label(report);
        let line = format!("courier_certificate_ok{{name=\"{name}\"}} {}\n", u8::from(is_ok));
        text.push_str(&line);
    }
    text
}

/// A key pair for the next order of each certificate.
pub(super) async fn generate_keys(
    global: &Global,
    site: &Site,
    chosen: &[CertificateSettings],
    console: Console,
) -> u8 {
    if chosen.is_empty() {
        return without_certificates(site, console);
    }
    let mut worst = 0;
    for settings in chosen {
        let mut report = Report::of(&settings.name);
        match prepare_key(global, site, settings).await {
            Ok(done) => report.action = done,
            Err(failure) => report.error = Some(Wrong::from(&failure)),
        }
        worst = worst.max(report.error.as_ref().map_or(0, |wrong| wrong.exit_code));
        console.report(&report);
    }
    worst
}

async fn prepare_key(global: &Global, site: &Site, settings: &CertificateSettings) -> Result<Done, Failure> {
    let memory = Memory::open(&settings.state_dir, &settings.name)?;
    let _lock = Lock::acquire(&memory.lock_path(), global.lock_timeout).await?;
    if global.dry_run {
        return Ok(Done::WouldMakeKey);
    }
    let passphrase = settings.key.passphrase.as_ref();
    let KeyProvider::Pkcs11(wanted) = &settings.key.provider else {
        let key = KeptKey::File(LocalKey::generate(settings.key.kind)?);
        let path = memory.keep_prepared_key(&key, passphrase)?;
        tracing::info!(path = %path.display(), "the next order takes this key");
        return Ok(Done::KeyMade);
    };
    let keys = site.open_token(settings)?;
    let mut state = memory.load()?.state;
    let made = token_key::make(&keys, settings, wanted, (&memory, &mut state), &mut ())?;
    let path = memory.keep_prepared_key(&KeptKey::Token(made), passphrase)?;
    // One that was prepared before is not wanted any more.
    for text in token_key::sweep(settings, (&memory, &mut state), || Ok(keys), &mut ())? {
        tracing::warn!("{text}");
    }
    tracing::info!(path = %path.display(), "the next order takes this key");
    Ok(Done::KeyMade)
}

fn task<'a>(global: &Global, site: &'a Site, settings: &'a CertificateSettings) -> Task<'a> {
    Task {
        settings,
        site,
        options: Options {
            is_dry: global.dry_run,
            wait: global.wait,
            lock_timeout: global.lock_timeout,
        },
    }
}

fn without_certificates(site: &Site, console: Console) -> u8 {
    let failure = Failure::Usage("the file has no section `certificate`".to_owned());
    console.failed(site.config(), &failure);
    failure.exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_order_hides_nothing_that_is_broken() {
        let code = |outcome, on_disk, is_undeployed| {
            let mut report = Report::of("web");
            (report.outcome, report.on_disk) = (Some(outcome), Some(on_disk));
            report.is_undeployed = is_undeployed;
            check_code(&report)
        };
        for (on_disk, wanted) in [
            (Outcome::Current, 0),
            (Outcome::RenewalDue, 0),
            (Outcome::ConfigDrift, 0),
            (Outcome::Missing, 21),
            (Outcome::Expired, 22),
            (Outcome::Revoked, 23),
            (Outcome::KeyMismatch, 24),
        ] {
            assert_eq!(code(Outcome::OrderPending, on_disk, false), wanted, "{on_disk:?}");
        }
        assert_eq!(code(Outcome::RenewalDue, Outcome::RenewalDue, false), 20);
        assert_eq!(code(Outcome::Current, Outcome::Current, true), 9);
        assert_eq!(code(Outcome::Expired, Outcome::Expired, true), 22);
    }

    #[test]
    fn metrics_name_each_certificate() {
        let mut report = Report::of("web\"01");
        report.on_disk = Some(Outcome::Current);
        report.not_after = Some(jiff::Timestamp::UNIX_EPOCH);
        let text = metrics(&[report]);
        assert!(
            text.contains("courier_certificate_not_after_seconds{name=\"web_01\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("courier_certificate_ok{name=\"web_01\"} 1\n"),
            "{text}"
        );
    }
}
