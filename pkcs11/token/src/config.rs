//! The configuration of the signing service, `signerd.toml`.
//!
//! It is read here and not in the program, because the same file opens the same keys when they are used in-process.
//! Unknown keys are errors. Relative paths are meant from the directory of the file.

mod nearest;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use signer_wire::{KeyRef, Scheme};

use crate::pin::PinSource;

/// `signerd.toml`, as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The version of this format: 1.
    pub version: u32,
    /// The Unix socket on which the service listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Whether the group of the socket's directory may connect as well: mode 0660 in place of 0600.
    #[serde(default)]
    pub socket_group_access: bool,
    /// Users that may connect, by uid, besides the one the service runs as.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_uids: Vec<u32>,
    /// Where the audit lines go; standard error when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_file: Option<PathBuf>,
    /// Where it is remembered that a PIN was rejected; the directory of this file when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_directory: Option<PathBuf>,
    /// Lets a debugger and core dumps see the memory of the service. For the search of faults only.
    #[serde(default)]
    pub allow_core_dumps: bool,
    /// The tokens.
    #[serde(default)]
    pub tokens: Vec<TokenConfig>,
    /// The software backend; there is none when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<SoftwareConfig>,
    /// What the service allows.
    #[serde(default)]
    pub limits: Limits,
    /// What the service looks after by itself.
    #[serde(default)]
    pub checks: Checks,
}

/// One token.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The name by which it is spoken of here: `[a-z0-9-]`, up to 64 characters, and not `software`.
    pub name: String,
    /// The vendor's PKCS#11 module (a shared object).
    pub module: PathBuf,
    /// The token's label. One of `label`, `serial` and `slot` names the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The token's serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The slot the token is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// The file that holds the user PIN, in its first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<PathBuf>,
    /// The name of the systemd credential that holds the user PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_credential: Option<String>,
    /// Sessions that sign at the same time. When it is not given, one for each core to begin with, and the signing process
    /// learns under load whether more are of use, up to 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<usize>,
    /// Whether to sign with session copies of the keys (`C_CopyObject` with `CKA_TOKEN` false). Spares a soft token
    /// a look at its storage for each signature. A token that refuses the copy signs with its own key.
    #[serde(default)]
    pub session_copies: bool,
}

/// The software backend.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftwareConfig {
    /// Where the PKCS#8 files are. Without it keys live in memory and end with the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// The file that holds the passphrase under which the PKCS#8 files are encrypted, in its first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
}

/// What the service allows and how long it waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Signatures that may wait for one token; more are answered `overloaded` at once.
    pub queue: usize,
    /// Milliseconds a request without a deadline of its own waits, and the most any request waits.
    pub deadline_ms: u32,
    /// Milliseconds after which a call into a module counts as hung, and the service exits to be started anew.
    pub hang_ms: u32,
    /// Connections at the same time.
    pub connections: usize,
    /// Keys that may sign, by fingerprint or label; every key when it is empty.
    pub keys: Vec<String>,
    /// Schemes that may be used; every scheme when it is empty.
    pub schemes: Vec<String>,
    /// Signatures each key may make in a second, with bursts of the same size; zero for no limit.
    pub signatures_per_second: u32,
    /// Whether keys may be made.
    pub generate: bool,
    /// Whether private keys may be taken over into the software backend.
    pub import: bool,
}

/// What the service looks after by itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Seconds between two test signatures of a token, each with the next of its keys; zero for none.
    pub test_signature_seconds: u32,
    /// Seconds between two looks at the attributes of a token's keys; zero for none.
    pub key_attributes_seconds: u32,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            test_signature_seconds: 30,
            key_attributes_seconds: 300,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 4096,
            deadline_ms: 10_000,
            hang_ms: 30_000,
            connections: 64,
            keys: Vec::new(),
            schemes: Vec::new(),
            signatures_per_second: 0,
            generate: true,
            import: true,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: 1,
            socket: None,
            socket_group_access: false,
            allowed_uids: Vec::new(),
            audit_file: None,
            state_directory: None,
            allow_core_dumps: false,
            tokens: Vec::new(),
            software: None,
            limits: Limits::default(),
            checks: Checks::default(),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not TOML, or has keys that mean nothing.
    #[error("{}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        detail: String,
    },
    /// The file says what cannot be; all its problems, one a line.
    #[error("{}", .0.join("\n"))]
    Problems(Vec<String>),
}

impl Config {
    /// Reads and checks a file, and makes its paths absolute.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| ConfigError::Malformed {
            path: path.to_owned(),
            detail: nearest::explain(&error),
        })?;
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        config.resolve(directory);
        let problems = config.check();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Problems(problems))
        }
    }

    /// Makes relative paths relative to `directory`, and puts the state there when it has no place of its own.
    fn resolve(&mut self, directory: &Path) {
        let absolute = |path: &mut PathBuf| *path = directory.join(&*path);
        self.state_directory.get_or_insert_with(|| directory.to_owned());
        for path in [&mut self.socket, &mut self.audit_file, &mut self.state_directory] {
            path.as_mut().map(absolute);
        }
        for token in &mut self.tokens {
            absolute(&mut token.module);
            token.pin_file.as_mut().map(absolute);
        }
        if let Some(software) = &mut self.software {
            software.directory.as_mut().map(absolute);
            software.passphrase_file.as_mut().map(absolute);
        }
    }

    /// What is wrong with the files it names: modules that are not there, PINs and passphrases that cannot be read. A PIN that
    /// is a systemd credential is there for the service alone, and is not looked for.
    pub fn check_files(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut secret = |at: String, file: &Option<PathBuf>| {
            let read = file.as_ref().map(|file| PinSource::File(file.clone()).read());
            if let Some(Err(error)) = read {
                problems.push(format!("{at}: {error}"));
            }
        };
        for (place, token) in self.tokens.iter().enumerate() {
            secret(format!("tokens[{place}].pin_file"), &token.pin_file);
        }
        if let Some(software) = &self.software {
            secret("software.passphrase_file".to_owned(), &software.passphrase_file);
        }
        for (place, token) in self.tokens.iter().enumerate() {
            if !token.module.is_file() {
                problems.push(format!(
                    "tokens[{place}].module: there is no file {}",
                    token.module.display()
                ));
            }
        }
        problems
    }

    /// Everything that is wrong with it, each with the path of its key.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.version != 1 {
            problems.push(format!(
                "version: {} is not known; this program reads version 1",
                self.version
            ));
        }
        if self.tokens.is_empty() && self.software.is_none() {
            problems
                .push("tokens: neither a [[tokens]] nor a [software] section, so there is no key".to_owned());
        }
        for (place, token) in self.tokens.iter().enumerate() {
            token.check(&format!("tokens[{place}]"), &mut problems);
            if self
                .tokens
                .iter()
                .take(place)
                .any(|other| other.name == token.name)
            {
                problems.push(format!("tokens[{place}].name: {} is used twice", token.name));
            }
        }
        self.limits.check(&mut problems);
        problems
    }
}

impl TokenConfig {
    fn check(&self, at: &str, problems: &mut Vec<String>) {
        let is_slug = |name: &str| {
            (1..=64).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !is_slug(&self.name) || self.name == "software" {
            problems.push(format!(
                "{at}.name: {:?} is not a name; take [a-z0-9-], not \"software\"",
                self.name
            ));
        }
        let selectors = [self.label.is_some(), self.serial.is_some(), self.slot.is_some()];
        if selectors.iter().filter(|given| **given).count() != 1 {
            problems.push(format!("{at}: give one of label, serial and slot"));
        }
        if self.pin_file.is_some() == self.pin_credential.is_some() {
            problems.push(format!("{at}: give one of pin_file and pin_credential"));
        }
        if self
            .sessions
            .is_some_and(|sessions| !(1..=1024).contains(&sessions))
        {
            problems.push(format!("{at}.sessions: take 1 to 1024"));
        }
    }
}

impl Limits {
    fn check(&self, problems: &mut Vec<String>) {
        if self.queue == 0 {
            problems.push("limits.queue: must not be zero".to_owned());
        }
        if self.connections < 2 {
            problems.push("limits.connections: take 2 or more, the server has two".to_owned());
        }
        for (name, value) in [("deadline_ms", self.deadline_ms), ("hang_ms", self.hang_ms)] {
            if value == 0 {
                problems.push(format!("limits.{name}: must not be zero"));
            }
        }
        for scheme in &self.schemes {
            if scheme.parse::<Scheme>().is_err() {
                let known: Vec<String> = Scheme::ALL.iter().map(ToString::to_string).collect();
                problems.push(format!(
                    "limits.schemes: {scheme:?} is not one of {}",
                    known.join(", ")
                ));
            }
        }
        for key in &self.keys {
            if key.len() == 64 && key.parse::<KeyRef>().is_err() {
                problems.push(format!("limits.keys: {key:?} is not a fingerprint"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
