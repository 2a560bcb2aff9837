//! Certificate and key in files of their own, as most servers read them; a check, a reload, a look at what is served.

use std::path::PathBuf;
use std::time::Duration;

use kit::account::{Account, AccountFault};
use kit::command::CommandLine;
use kit::folder::Access;
use kit::probe::{Probe, StartTls};
use kit::{Apply, Bundle, Fault, FaultKind, Field, Plan, Problem, PutFile, kind};
use serde::{Deserialize, Deserializer};

/// How long a server may take to serve what it took.
const TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) const OWNER: Field = Field {
    name: "owner",
    default: "the courier's account",
    meaning: "Who owns the files, by name or number.",
};
pub(crate) const GROUP: Field = Field {
    name: "group",
    default: "the courier's group",
    meaning: "Their group, by name or number.",
};
pub(crate) const CERT_MODE: Field = Field {
    name: "cert_mode",
    default: "`0644`",
    meaning: "Mode of certificate and chain.",
};
pub(crate) const KEY_MODE: Field = Field {
    name: "key_mode",
    default: "`0600`",
    meaning: "Mode of a file with the key.",
};
pub(crate) const PROBE: Field = Field {
    name: "probe",
    default: "",
    meaning: "Where the served certificate is looked at after the reload: `address` (host:port), `server_name` (the certificate's first \
              name), `starttls` (`none`, `smtp`, `imap`, `pop3`), `timeout_seconds` (15). Another certificate there undoes everything.",
};

/// What is looked at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeSettings {
    address: String,
    server_name: Option<String>,
    starttls: Option<StartTls>,
    timeout_seconds: Option<u32>,
}

impl ProbeSettings {
    /// An address has a host and a port.
    pub(crate) fn check(probe: Option<&Self>) -> Result<(), Vec<Problem>> {
        let Some(probe) = probe else { return Ok(()) };
        let parts = probe.address.rsplit_once(':');
        let port = parts.and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
        if port.is_none_or(|port| port == 0) {
            return Err(vec![kind::problem(
                "probe",
                "has an `address` that is no host:port",
            )]);
        }
        Ok(())
    }

    /// The look for this bundle; `usual` is what the server speaks before TLS.
    pub(crate) fn probe(&self, bundle: &Bundle, usual: StartTls) -> Probe {
        let name = self.server_name.clone().or_else(|| bundle.server_name.clone());
        let timeout = self.timeout_seconds.map(u64::from).map(Duration::from_secs);
        Probe {
            address: self.address.clone(),
            server_name: name.unwrap_or_else(|| "localhost".to_owned()),
            start_tls: self.starttls.unwrap_or(usual),
            expected: bundle.fingerprint_sha256,
            timeout: timeout.unwrap_or(TIMEOUT),
        }
    }
}

/// Whose the files are.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Ownership {
    owner: Option<Account>,
    group: Option<Account>,
    #[serde(default, deserialize_with = "mode")]
    cert_mode: Option<u32>,
    #[serde(default, deserialize_with = "mode")]
    key_mode: Option<u32>,
}

impl Ownership {
    pub(crate) fn certificate(&self, path: &PathBuf, text: &str) -> Result<PutFile, Fault> {
        self.file(path, text, self.cert_mode.unwrap_or(0o644))
    }

    pub(crate) fn secret(&self, path: &PathBuf, text: &str) -> Result<PutFile, Fault> {
        self.file(path, text, self.key_mode.unwrap_or(0o600))
    }

    fn file(&self, path: &PathBuf, text: &str, mode: u32) -> Result<PutFile, Fault> {
        let unknown = |fault: AccountFault| Fault::new(FaultKind::Settings, fault.to_string());
        let mut file = PutFile::new(path, text.as_bytes(), mode);
        file.access = Access {
            mode,
            owner: self
                .owner
                .as_ref()
                .map(Account::user)
                .transpose()
                .map_err(unknown)?,
            group: self
                .group
                .as_ref()
                .map(Account::group)
                .transpose()
                .map_err(unknown)?,
        };
        Ok(file)
    }

    /// A key that everybody may read is refused.
    pub(crate) fn check(&self) -> Result<(), Vec<Problem>> {
        if self.key_mode.is_some_and(|mode| mode & 0o007 != 0) {
            return Err(vec![kind::problem(
                "key_mode",
                "lets everybody at the private key",
            )]);
        }
        if self.cert_mode.is_some_and(|mode| mode & 0o002 != 0) {
            return Err(vec![kind::problem("cert_mode", "lets everybody write")]);
        }
        Ok(())
    }
}

/// A mode in octal digits.
fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
    let wrong = "a mode is written in octal digits and quotes, as \"0640\"";
    mode.map(Some).ok_or_else(|| serde::de::Error::custom(wrong))
}

/// Certificate and key in files of their own.
#[derive(Debug, Deserialize)]
pub(crate) struct Pair {
    pub(crate) cert_path: Option<PathBuf>,
    pub(crate) key_path: Option<PathBuf>,
    pub(crate) chain_path: Option<PathBuf>,
    pub(crate) reload_command: Option<CommandLine>,
    pub(crate) validate_command: Option<CommandLine>,
    #[serde(flatten)]
    pub(crate) ownership: Ownership,
    pub(crate) probe: Option<ProbeSettings>,
}

/// What differs from server to server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usual {
    pub(crate) cert_path: &'static str,
    pub(crate) key_path: &'static str,
    pub(crate) reload_command: &'static [&'static str],
    pub(crate) validate_command: &'static [&'static str],
    pub(crate) start_tls: StartTls,
    /// Whether the chain stays in the certificate's file although it has one of its own.
    pub(crate) keeps_chain: bool,
    /// See [`Plan::reads_by_itself`].
    pub(crate) reads_by_itself: bool,
}

impl Usual {
    /// A path of the settings, or the usual one.
    fn cert_path(&self, pair: &Pair) -> PathBuf {
        pair.cert_path.clone().unwrap_or_else(|| self.cert_path.into())
    }

    fn key_path(&self, pair: &Pair) -> PathBuf {
        pair.key_path.clone().unwrap_or_else(|| self.key_path.into())
    }

    /// Every file with the name of its setting.
    pub(crate) fn paths(&self, pair: &Pair) -> Vec<(&'static str, PathBuf)> {
        let mut paths = vec![
            ("cert_path", self.cert_path(pair)),
            ("key_path", self.key_path(pair)),
        ];
        paths.extend(pair.chain_path.clone().map(|path| ("chain_path", path)));
        paths
    }

    /// What is wrong with the settings of a pair.
    pub(crate) fn check(&self, pair: &Pair) -> Result<(), Vec<Problem>> {
        pair.ownership.check()?;
        ProbeSettings::check(pair.probe.as_ref())?;
        kind::check_paths(&self.paths(pair))
    }

    pub(crate) fn command(given: Option<&CommandLine>, usual: &[&str]) -> Result<CommandLine, Fault> {
        if let Some(given) = given {
            return Ok(given.clone());
        }
        let words = usual.iter().map(ToString::to_string).collect();
        CommandLine::of_words(words).map_err(|fault| Fault::new(FaultKind::Settings, fault.to_string()))
    }

    /// The plan of a pair.
    pub(crate) fn plan(&self, pair: &Pair, bundle: &Bundle) -> Result<Plan, Fault> {
        let has_own_chain = pair.chain_path.is_some() && !self.keeps_chain;
        let certificate = if has_own_chain {
            bundle.leaf_pem.clone()
        } else {
            bundle.fullchain_pem()
        };
        let own = &pair.ownership;
        let mut files = vec![own.certificate(&self.cert_path(pair), &certificate)?];
        if let Some(chain) = &pair.chain_path {
            files.push(own.certificate(chain, &bundle.chain_pem)?);
        }
        files.push(own.secret(&self.key_path(pair), &bundle.key_pem)?);
        self.around(pair, bundle, files)
    }

    /// The plan around files.
    pub(crate) fn around(&self, pair: &Pair, bundle: &Bundle, files: Vec<PutFile>) -> Result<Plan, Fault> {
        let probe = pair.probe.as_ref();
        Ok(Plan {
            files,
            check: Some(Self::command(
                pair.validate_command.as_ref(),
                self.validate_command,
            )?),
            apply: Apply::Command(Self::command(pair.reload_command.as_ref(), self.reload_command)?),
            reads_by_itself: self.reads_by_itself,
            probe: probe.map(|probe| probe.probe(bundle, self.start_tls)),
        })
    }
}
