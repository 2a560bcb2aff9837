//! `revoke`: the end of a certificate, from the host that has it.

use std::time::Duration;

use courier_wire::RevocationRequest;

use super::Console;
use crate::config::CertificateSettings;
use crate::decide::Standing;
use crate::failure::Failure;
use crate::lock::Lock;
use crate::report::{Done, Report, hexadecimal};
use crate::run::disk;
use crate::site::Site;
use crate::state::Memory;

/// What is revoked, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct What<'a> {
    /// Why.
    pub(super) reason: &'a str,
    /// Which one; the one on disk when absent.
    pub(super) fingerprint: Option<&'a str>,
}

/// Revokes the certificate on disk, or the one that is named.
pub(super) async fn revoke(
    console: Console,
    site: &Site,
    chosen: &[CertificateSettings],
    what: What<'_>,
    lock_timeout: Duration,
) -> Result<(), Failure> {
    let mut report = Report::default();
    let fingerprint = match (what.fingerprint, chosen) {
        // As OpenSSL writes it, too: with colons.
        (Some(given), _) => given.replace(':', "").to_ascii_lowercase(),
        (None, [one]) => {
            report.name.clone_from(&one.name);
            let found = disk::read(one)?;
            let Some(leaf) = found.leaf() else {
                return Err(Failure::Usage("there is no certificate on disk".to_owned()));
            };
            report.describe(leaf, site.clock().now());
            hexadecimal(&leaf.fingerprint_sha256())
        }
        (None, _) => {
            return Err(Failure::Usage(
                "the file has several certificates: choose one with --name, or give --fingerprint".to_owned(),
            ));
        }
    };
    let why = RevocationRequest {
        reason: Some(what.reason.to_owned()),
    };
    site.courier().await?.revoke(&fingerprint, &why).await?;
    for one in chosen {
        // It is revoked, whatever becomes of the note.
        if let Err(failure) = remember(one, &fingerprint, lock_timeout).await {
            let text = format!("that it is revoked was not noted here: {}", failure.told());
            tracing::warn!("{text}");
            report.warnings.push(text);
        }
    }
    report.fingerprint_sha256 = Some(fingerprint);
    report.action = Done::Revoked;
    console.report(&report);
    Ok(())
}

/// The next run must not wait for its daily question to learn what was done here.
async fn remember(
    settings: &CertificateSettings,
    fingerprint: &str,
    lock_timeout: Duration,
) -> Result<(), Failure> {
    let memory = Memory::open(&settings.state_dir, &settings.name)?;
    // A run at work would write over it, or be written over.
    let _lock = Lock::acquire(&memory.lock_path(), lock_timeout).await?;
    let mut state = memory.load()?.state;
    if state.installed_sha256.as_deref() == Some(fingerprint) {
        state.standing = Standing::Revoked;
        memory.save(&state)?;
    }
    Ok(())
}
