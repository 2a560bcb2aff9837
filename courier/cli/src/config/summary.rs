//! What a file comes to, for `validate-config`.

use std::fmt;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Serialize;

use super::Settings;
use crate::decide::Threshold;

/// How often the timer of the package starts the courier.
const INTERVAL: SignedDuration = SignedDuration::from_hours(12);

/// What a file comes to. No secret is in it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The file.
    pub file: PathBuf,
    /// Where the appliance is.
    pub base_url: Option<String>,
    /// The courier.
    pub uuid: Option<String>,
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
        key: one.key.kind.to_string(),
        output: one.output.dir.clone(),
        state: one.state_dir.clone(),
    });
    let certificates = certificates.collect();
    for one in &settings.certificates {
        if let Threshold::Before(before) = one.renewal.threshold
            && before < INTERVAL * 2
        {
            warnings.push(format!(
                "certificate {}: renew.before is shorter than two runs of a timer of 12 hours: one failed run and it expires",
                one.name
            ));
        }
    }
    Summary {
        file: settings.path.clone(),
        base_url: settings.api.as_ref().map(|api| api.base_url.to_string()),
        uuid: settings.auth.as_ref().map(|auth| auth.uuid.to_string()),
        method: settings.auth.as_ref().map(|auth| auth.method.name().to_owned()),
        certificates,
        warnings,
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: valid", self.file.display())?;
        if let Some(url) = &self.base_url {
            write!(f, "\nappliance: {url}")?;
        }
        if let (Some(uuid), Some(method)) = (&self.uuid, &self.method) {
            write!(f, "\ncourier: {uuid}, by {method}")?;
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
