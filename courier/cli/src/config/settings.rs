//! What the file says, checked: the values that commands work with.
//!
//! Everything here is legal and complete: defaults are filled in, relative paths are made absolute, secrets are read, names are in
//! their normal form.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use pki::{DigestAlgorithm, DistinguishedName, SubjectAltName};
use secrecy::SecretString;
use uuid::Uuid;

use crate::auth::Method;
use crate::client;
use crate::decide::Threshold;
use crate::discover::DiscoverySettings;
use crate::hook::HookSettings;
use crate::key::KeyType;
use crate::token_key::TokenSettings;
use crate::write::OutputSettings;

/// A whole file.
#[derive(Debug)]
pub struct Settings {
    /// The file, absolute.
    pub path: PathBuf,
    /// How the appliance is reached; none where a command without network has no section `api`.
    pub api: Option<client::Settings>,
    /// What is done when the command line names no command.
    pub action: Action,
    /// Who signs in and how; none is `method: none`.
    pub auth: Option<Auth>,
    /// The certificates, in the order of the file.
    pub certificates: Vec<CertificateSettings>,
    /// What is logged and where.
    pub logging: LogSettings,
    /// Where certificates are looked for, whoever put them there.
    pub discovery: DiscoverySettings,
    /// What is legal and not advisable, and which of two places the UUID was taken from.
    pub warnings: Vec<String>,
}

/// A command by its name in `api.action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// `run`.
    #[default]
    Run,
    /// `status`.
    Status,
    /// `generate`.
    Generate,
    /// `renew`.
    Renew,
    /// `generate-keys`.
    GenerateKeys,
    /// `check-api-health`.
    CheckApiHealth,
    /// `check-api-auth`.
    CheckApiAuth,
    /// `validate-config`.
    ValidateConfig,
}

/// Who signs in and how.
#[derive(Debug)]
pub struct Auth {
    /// The courier.
    pub uuid: Uuid,
    /// The key that says so: `auth.uuid`, or `api.uuid`.
    pub uuid_key: &'static str,
    /// The method.
    pub method: Method,
    /// Run when signing in failed, before the process ends.
    pub on_failure: Option<HookSettings>,
    /// Whether the certificate that is installed becomes the next credential of the method `certificate`.
    pub renew_with_certificate: bool,
}

/// One certificate.
#[derive(Debug)]
pub struct CertificateSettings {
    /// Its slug: `name`, or the stem of the file.
    pub name: String,
    /// Whether the key is made here; otherwise the appliance makes it.
    pub generate_keys_locally: bool,
    /// The subject.
    pub subject: DistinguishedName,
    /// The names, normalised; the common name among them when it is a DNS name.
    pub names: Vec<SubjectAltName>,
    /// The key.
    pub key: KeySettings,
    /// The digest of the request; the one that goes with the key when none is said.
    pub digest: Option<DigestAlgorithm>,
    /// The validity in days; the profile's when none is said.
    pub validity_days: Option<u32>,
    /// The profile; the record's when none is said.
    pub profile: Option<String>,
    /// Extended key usages that are asked for, as the file spells them (`serverAuth`).
    pub extended_key_usage: Vec<String>,
    /// When it is renewed.
    pub renewal: Renewal,
    /// How long a pending order is waited for.
    pub wait: Duration,
    /// Where the files go.
    pub output: OutputSettings,
    /// Commands around the run.
    pub hooks: Hooks,
    /// Servers on this host that take the files.
    pub deploy: Vec<Deployment>,
    /// Where the courier remembers things; absolute.
    pub state_dir: PathBuf,
}

/// The key of a certificate.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// Its kind.
    pub kind: KeyType,
    /// Whether a renewal keeps it.
    pub reuse: KeyReuse,
    /// Encrypts it on disk; the same as in [`OutputSettings::passphrase`].
    pub passphrase: Option<SecretString>,
    /// Where it is.
    pub provider: KeyProvider,
}

/// Whether a key outlives its certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyReuse {
    /// Every certificate has a key of its own.
    #[default]
    Never,
    /// A renewal keeps the key.
    OnRenew,
}

/// Where a key is made and kept.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum KeyProvider {
    /// A file on this host.
    #[default]
    File,
    /// A PKCS#11 token of this host, which it never leaves.
    Pkcs11(Box<TokenSettings>),
}

/// When a certificate is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// `renew.before` or `renew.before_percent`.
    pub threshold: Threshold,
    /// `renew.use_server_window`.
    pub use_server_window: bool,
    /// `renew.on_config_change`.
    pub on_config_change: bool,
}

/// Commands around a run.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// Before anything is written.
    pub pre: Option<HookSettings>,
    /// After the files were installed.
    pub on_success: Option<HookSettings>,
    /// After a run that failed.
    pub on_failure: Option<HookSettings>,
    /// After a run that found nothing to do.
    pub on_nochange: Option<HookSettings>,
    /// Whether a hook that fails makes the run fail, with exit code 9.
    pub strict: bool,
    /// Whether the files of before come back when `on_success` fails; only with `strict`.
    pub rollback: bool,
}

/// One entry of `deploy`.
pub struct Deployment {
    /// Where it stands below its certificate, as `deploy[0]`.
    pub at: String,
    /// The kind of target, `nginx`.
    pub kind: String,
    /// The target.
    pub target: Box<dyn kit::HostTarget>,
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Which of the settings are secret only the target knows.
        f.debug_struct("Deployment")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What is logged and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important that is written.
    pub level: LogLevel,
    /// How it is written.
    pub format: LogFormat,
    /// A file besides standard error.
    pub file: Option<PathBuf>,
    /// The size at which the file is set aside.
    pub max_size_mb: u32,
    /// How many files that were set aside stay.
    pub max_files: u32,
    /// Whether the journal of the system is written to.
    pub journald: bool,
    /// The socket of the daemon for logs, where it is written to.
    pub syslog: Option<PathBuf>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: LogLevel::default(),
            format: LogFormat::default(),
            file: None,
            max_size_mb: 10,
            max_files: 5,
            journald: false,
            syslog: None,
        }
    }
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what is not as it should be.
    Warn,
    /// And what was done.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And everything.
    Trace,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}
