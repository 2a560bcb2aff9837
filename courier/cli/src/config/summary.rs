//! What a file comes to, for `validate-config`.

use std::fmt;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Serialize;

use super::{CertificateSettings, KeyProvider, Settings};
use crate::decide::Threshold;

/// How often a schedule starts the courier.
const INTERVAL: SignedDuration = SignedDuration::from_hours(12);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Where the file is looked for: nowhere else than where it is said to be.
const SEARCH_ORDER: [&str; 2] = ["--config", "config.yaml in the working directory"];

/// What a file comes to. No secret is in it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The file.
    pub file: PathBuf,
    /// Where a file is looked for, first to last.
    pub search_order: Vec<&'static str>,
    /// Where the appliance is.
    pub base_url: Option<String>,
    /// The courier.
    pub uuid: Option<String>,
    /// The key that says so.
    pub uuid_key: Option<String>,
    /// How it signs in.
    pub method: Option<String>,
    /// The certificates.
    pub certificates: Vec<Certificate>,
    /// What is legal and not advisable.
    pub warnings: Vec<String>,
}

/// A certificate in a summary.
#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// Its name.
    pub name: String,
    /// The subject.
    pub subject: String,
    /// The names.
    pub sans: Vec<String>,
    /// The kind of key.
    pub key: String,
    /// Where its files appear.
    pub output: PathBuf,
    /// Where the courier remembers things.
    pub state: PathBuf,
}

/// Summarises a file.
pub fn summary(settings: &Settings) -> Summary {
    let mut warnings = settings.warnings.clone();
    if let Some(auth) = &settings.auth {
        warnings.extend(auth.method.warnings());
    }
    let certificates = settings.certificates.iter().map(|one| Certificate {
        name: one.name.clone(),
        subject: one.subject.to_string(),
        sans: one.names.iter().map(ToString::to_string).collect(),
        key: match &one.key.provider {
            KeyProvider::File => one.key.kind.to_string(),
            KeyProvider::Pkcs11(token) => format!("{} in the {}", one.key.kind, token.place),
        },
        output: one.output.dir.clone(),
        state: one.state_dir.clone(),
    });
    let certificates = certificates.collect();
    for one in &settings.certificates {
        let told = timing(one).into_iter();
        warnings.extend(told.map(|text| format!("certificate {}: {text}", one.name)));
    }
    Summary {
        file: settings.path.clone(),
        search_order: SEARCH_ORDER.to_vec(),
        base_url: settings.api.as_ref().map(|api| api.base_url.to_string()),
        uuid: settings.auth.as_ref().map(|auth| auth.uuid.to_string()),
        uuid_key: settings.auth.as_ref().map(|auth| auth.uuid_key.to_owned()),
        method: settings.auth.as_ref().map(|auth| auth.method.name().to_owned()),
        certificates,
        warnings,
    }
}

/// Whether schedule, lifetime and threshold can meet.
fn timing(one: &CertificateSettings) -> Option<&'static str> {
    let lifetime = one
        .validity_days
        .and_then(|days| DAY.checked_mul(i32::try_from(days).ok()?));
    if lifetime.is_some_and(|lifetime| lifetime < INTERVAL * 6) {
        return Some(
            "a run every 12 hours is too seldom for its validity: run it six times within a lifetime at least",
        );
    }
    let before = match (one.renewal.threshold, lifetime) {
        (Threshold::Before(before), _) => before,
        (Threshold::Percent(percent), Some(lifetime)) => lifetime / 100 * i32::from(percent),
        _ => return None,
    };
    if before < INTERVAL * 2 {
        return Some(
            "its threshold is shorter than two runs of a timer of 12 hours: one failed run and it expires",
        );
    }
    let is_whole = lifetime.is_some_and(|lifetime| before >= lifetime);
    is_whole.then_some("renew.before is as long as its validity: it would always be due")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: valid", self.file.display())?;
        write!(f, "\nread from: {}", self.search_order.join(", else "))?;
        if let Some(url) = &self.base_url {
            write!(f, "\nappliance: {url}")?;
        }
        if let (Some(uuid), Some(key), Some(method)) = (&self.uuid, &self.uuid_key, &self.method) {
            write!(f, "\ncourier: {uuid}, by {method} ({key})")?;
        }
        for one in &self.certificates {
            write!(
                f,
                "\ncertificate {}: {} [{}], {}, in {}, state in {}",
                one.name,
                one.subject,
                one.sans.join(", "),
                one.key,
                one.output.display(),
                one.state.display()
            )?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}
