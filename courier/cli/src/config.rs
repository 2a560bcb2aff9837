//! The configuration file: YAML, read once, checked as a whole.
//!
//! What stands in it is a tree first (`value`), in whose texts references to variables and files are filled in (`substitute`); each section
//! has a file that turns it into what the commands work with. Nothing is found out at the first use: whatever is wrong is told at once,
//! each with the path of its key, and never with a secret.

mod api;
mod auth;
mod certificate;
pub mod fields;
mod hooks;
mod logging;
mod nearest;
mod scalar;
mod section;
mod settings;
mod substitute;
mod surroundings;
mod value;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::auth::Environment;

pub use section::Problem;
pub use settings::{
    Action, Auth, CertificateSettings, Deployment, Hooks, KeyProvider, KeyReuse, KeySettings, LogFormat,
    LogLevel, LogSettings, Renewal, Settings,
};
pub use surroundings::{Files, HostFiles, Surroundings};
pub use value::MAX_LEN;

use section::{Findings, Section};
use value::Value;

/// How strictly a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether keys that there are not are warned of instead of refused.
    pub allow_unknown: bool,
}

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// The file cannot be read.
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What it says is not legal.
    #[error("{} is not used:{}", path.display(), lines(problems))]
    Problems {
        /// Where it is.
        path: PathBuf,
        /// All that is wrong.
        problems: Vec<Problem>,
    },
}

impl ConfigFault {
    /// What the program ends with.
    pub fn exit_code(&self) -> u8 {
        2
    }

    /// All that is wrong with what it says.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Problems { problems, .. } => problems,
            Self::Unreadable { .. } => &[],
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |lines, problem| {
        lines + "\n  " + &problem.to_string()
    })
}

/// Reads and checks a file.
pub fn load(path: &Path, environment: &dyn Environment, options: Options) -> Result<Settings, ConfigFault> {
    let unreadable = |why: String| ConfigFault::Unreadable {
        path: path.to_owned(),
        why,
    };
    let path = std::path::absolute(path).map_err(|cause| unreadable(cause.to_string()))?;
    let metadata = std::fs::metadata(&path).map_err(|cause| unreadable(cause.to_string()))?;
    let octets = HostFiles.octets(&path, false).map_err(unreadable)?;
    let text = std::str::from_utf8(&octets).map_err(|_| unreadable("it is not text".to_owned()))?;
    let surroundings = Surroundings {
        path: &path,
        environment,
        files: &HostFiles,
        is_exposed: metadata.mode() & surroundings::OTHERS != 0,
        is_root: rustix::process::geteuid().is_root(),
    };
    parse(text, &surroundings, options)
}

/// Checks a text.
pub fn parse(text: &str, surroundings: &Surroundings<'_>, options: Options) -> Result<Settings, ConfigFault> {
    let findings = Findings::new(*surroundings, options.allow_unknown);
    let settings = match value::read(text) {
        Ok(value) => Some(sections(&findings, &value)),
        Err(why) => {
            findings.problem("", why);
            None
        }
    };
    let (problems, warnings) = findings.into_parts();
    match settings {
        Some(mut settings) if problems.is_empty() => {
            settings.warnings = warnings;
            Ok(settings)
        }
        _ => Err(ConfigFault::Problems {
            path: surroundings.path.to_owned(),
            problems,
        }),
    }
}

fn sections(findings: &Findings<'_>, value: &Value) -> Settings {
    let top = Section::new(findings, String::new(), "", Some(value));
    top.number("version", 1, 1);
    let api = api::read(&top.below("api", "api"));
    let settings = Settings {
        path: findings.surroundings.path.to_owned(),
        auth: auth::read(&top.below("auth", "auth"), api.uuid),
        api: api.client,
        action: api.action,
        certificates: certificates(&top),
        logging: logging::read(&top.below("logging", "logging")),
        warnings: Vec::new(),
    };
    if settings.api.is_none() && settings.auth.is_some() {
        findings.warning("api.base_url is not set: only commands that need no network work");
    }
    let secrets = findings.literal_secrets();
    if findings.surroundings.is_exposed && !top.flag("allow_insecure_permissions", false) {
        for path in secrets {
            findings.problem(
                path,
                "is a secret in a file that others than its owner may use: chmod 0600, name a file or a variable instead, or \
                 set `allow_insecure_permissions: true`",
            );
        }
    }
    settings
}

fn certificates(top: &Section<'_>) -> Vec<CertificateSettings> {
    let stem = top.findings.surroundings.path.file_stem();
    let stem = stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    if top.has("certificate") && top.has("certificates") {
        top.problem("certificates", "stands beside `certificate`: one of the two");
    }
    if top.has("certificate") {
        return vec![certificate::read(&top.below("certificate", "certificate"), &stem)];
    }
    let sections = top.each_below("certificates", "certificate");
    let is_alone = sections.len() == 1;
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for section in sections {
        if !is_alone && !section.has("name") {
            section.problem("name", "is missing: of several certificates each has a name");
        }
        let certificate = certificate::read(&section, &stem);
        if section.has("name") && !seen.insert(certificate.name.clone()) {
            section.problem("name", "is the name of another one, too");
        }
        found.push(certificate);
    }
    found
}

#[cfg(test)]
mod tests;
