//! `discover`: the certificates that lie on this host, told to the appliance.

use std::path::{Path, PathBuf};
use std::time::Instant;

use courier_wire::ScanCounts;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::{Console, trust};
use crate::config::CertificateSettings;
use crate::discover::{DiscoverySettings, Scan, scan};
use crate::failure::Failure;
use crate::report::hexadecimal;
use crate::site::Site;

/// How often a run looks.
const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// What notes the last time, beside the state of the first certificate.
const NOTE: &str = "discovered_at";

/// Looks, and tells the appliance unless it is a dry run.
pub(super) async fn discover(
    console: Console,
    site: &Site,
    settings: &DiscoverySettings,
    certificates: &[CertificateSettings],
    is_dry: bool,
) -> Result<(), Failure> {
    if settings.directories.is_empty() {
        return Err(Failure::Usage(
            "nothing says where to look: name folders with --dir, or in `discovery.directories`".to_owned(),
        ));
    }
    let found = look(settings, certificates);
    let refused = if is_dry { 0 } else { tell(site, &found).await? };
    let told: Vec<_> = found
        .certificates
        .iter()
        .map(|(der, places)| {
            let outline = pki::Outline::of_der(der).ok();
            json!({
                "fingerprint_sha256": hexadecimal(&pki::DigestAlgorithm::Sha256.digest(der)),
                "subject": outline.as_ref().map(|one| &one.subject),
                "not_after": outline.as_ref().map(|one| one.not_after),
                "key_algorithm": outline.as_ref().map(|one| &one.key),
                "fault": outline.and_then(|one| Some(one.fault?.to_string())),
                "places": places,
            })
        })
        .collect();
    let counts = found.counts;
    let text = format!(
        "{} certificates in {} files; {} could not be read, {} were left out{}",
        found.certificates.len(),
        counts.files,
        counts.unreadable,
        counts.skipped,
        if is_dry { "; nothing was told" } else { "" },
    );
    let value = json!({ "certificates": told, "counts": counts, "refused": refused, "dry_run": is_dry });
    console.tell(&value, &text);
    Ok(())
}

/// What a run does once a day where the file names folders. A failure is a warning: certificates come first.
pub(super) async fn once_a_day(
    site: &Site,
    settings: &DiscoverySettings,
    certificates: &[CertificateSettings],
) {
    let Some(note) = certificates.first().map(|first| first.state_dir.join(NOTE)) else {
        return;
    };
    let now = site.clock().now();
    if settings.directories.is_empty() || !is_due(&note, now) {
        return;
    }
    let found = look(settings, certificates);
    let told = match tell(site, &found).await {
        Ok(_) => trust::write(&note, now.to_string().as_bytes(), 0o600),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = told {
        tracing::warn!(error = failure.told(), "what was found on this host is not told");
    }
}

fn is_due(note: &PathBuf, now: Timestamp) -> bool {
    let last = std::fs::read_to_string(note).ok();
    let last = last.and_then(|text| text.trim().parse::<Timestamp>().ok());
    last.is_none_or(|last| last > now || now.duration_since(last) >= EVERY)
}

fn look(settings: &DiscoverySettings, certificates: &[CertificateSettings]) -> Scan {
    let own: Vec<PathBuf> = certificates
        .iter()
        .filter_map(|one| std::fs::canonicalize(&one.output.dir).ok())
        .collect();
    let is_managed = |path: &Path| {
        let path = std::fs::canonicalize(path);
        path.is_ok_and(|path| own.iter().any(|dir| path.starts_with(dir)))
    };
    let begun = Instant::now();
    let mut progress = |counts: &ScanCounts| {
        let seconds = begun.elapsed().as_secs();
        tracing::info!(
            files = counts.files,
            unreadable = counts.unreadable,
            seconds,
            "looking for certificates"
        );
    };
    scan(settings, &is_managed, &mut progress)
}

/// Tells all pages; how many certificates were refused.
async fn tell(site: &Site, found: &Scan) -> Result<usize, Failure> {
    let courier = site.courier().await?;
    let mut refused = 0;
    for page in found.pages(&Uuid::new_v4().to_string()) {
        let answer = courier.discovered(&page).await?;
        for detail in &answer.refused {
            tracing::warn!(
                field = detail.field,
                problem = detail.problem,
                "a certificate was not noted"
            );
        }
        refused += answer.refused.len();
    }
    Ok(refused)
}
