//! `chancery.toml`: what belongs to the machine. What belongs to the PKI is in the store.

mod reference;

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

pub(crate) use reference::Reference;

/// The configuration as it is written.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The version of this format: 1.
    pub(crate) version: u32,
    /// Where the state is; other relative paths begin here. Relative to the folder of this file.
    #[serde(default = "default_state_dir")]
    pub(crate) state_dir: PathBuf,
    /// The listener for relying parties.
    #[serde(default)]
    pub(crate) public: Public,
    /// The listener of the REST API.
    #[serde(default)]
    pub(crate) api: Api,
    /// The listener for Prometheus.
    #[serde(default)]
    pub(crate) metrics: Metrics,
    /// The store.
    #[serde(default)]
    pub(crate) store: Store,
    /// The signing process.
    #[serde(default)]
    pub(crate) signer: Signer,
    /// The log.
    #[serde(default)]
    pub(crate) log: Log,
    /// Lifetimes.
    #[serde(default)]
    pub(crate) lifetimes: Lifetimes,
    /// Limits.
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// `[public]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Public {
    /// Address and port of the plain-HTTP listener for OCSP, CRLs and CA certificates.
    pub(crate) listen: SocketAddr,
    /// What the addresses in certificates begin with; it must last as long as they do.
    pub(crate) base_url: String,
}

/// `[api]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    /// Address and port of the TLS listener.
    pub(crate) listen: SocketAddr,
    /// Names and addresses in the server's own certificate.
    pub(crate) names: Vec<String>,
    /// The CA that issues the server's own certificate, by name; the only active one that is no root when left out.
    pub(crate) issuer: Option<String>,
}

/// `[metrics]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    /// Address and port of the plain-HTTP listener for Prometheus.
    pub(crate) listen: SocketAddr,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// `sqlite:` and the path of the database file.
    pub(crate) url: String,
    /// Most pages of 4096 octets the database may have; no limit of its own when left out.
    pub(crate) max_pages: Option<u32>,
}

/// `[signer]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Signer {
    /// How the signing process is reached.
    pub(crate) mode: SignerMode,
    /// The configuration of the signing process, for `spawn` and `in-process`.
    pub(crate) config: PathBuf,
    /// Its socket, for `spawn` and `connect`.
    pub(crate) socket: PathBuf,
    /// The program `chancery-signerd`, for `spawn`; beside this program when left out.
    pub(crate) program: Option<PathBuf>,
}

/// How the signing process is reached.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SignerMode {
    /// Started and supervised by `chancery serve`.
    Spawn,
    /// Started by somebody else, for example systemd.
    Connect,
    /// No process of its own: the PKCS#11 module is loaded into the server. For small devices and measurements.
    InProcess,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// `text` or `json`.
    pub(crate) format: LogFormat,
    /// A filter such as `info` or `info,front=debug`.
    pub(crate) level: String,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// `[lifetimes]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Lifetimes {
    /// Hours a CRL is valid.
    pub(crate) crl_hours: u32,
    /// Hours after which the next CRL is made when nothing was revoked.
    pub(crate) crl_interval_hours: u32,
    /// Hours an OCSP answer is valid.
    pub(crate) ocsp_hours: u32,
    /// Days the certificate of an OCSP responder is valid; it is renewed after half of that.
    pub(crate) responder_days: u32,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections at the same time, for each listener.
    pub(crate) connections: usize,
    /// Octets of the body of an API request.
    pub(crate) api_body: usize,
    /// Seconds a client may take to send the head of a request.
    pub(crate) header_seconds: u32,
    /// Seconds a client may take to send the body of a request.
    pub(crate) body_seconds: u32,
    /// Seconds that open connections may go on after the server was told to stop.
    pub(crate) drain_seconds: u32,
}

fn default_state_dir() -> PathBuf {
    PathBuf::from(".")
}

impl Default for Public {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 80)),
            base_url: "http://localhost".to_owned(),
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            names,
            issuer: None,
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: "sqlite:chancery.db".to_owned(),
            max_pages: None,
        }
    }
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            mode: SignerMode::Spawn,
            config: "signerd.toml".into(),
            socket: "signerd.sock".into(),
            program: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            crl_hours: 7 * 24,
            crl_interval_hours: 24,
            ocsp_hours: 24,
            responder_days: 14,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            api_body: 1024 * 1024,
            header_seconds: 10,
            body_seconds: 30,
            drain_seconds: 10,
        }
    }
}

impl Config {
    /// The defaults.
    pub(crate) fn new() -> Self {
        Self {
            version: 1,
            state_dir: default_state_dir(),
            public: Public::default(),
            api: Api::default(),
            metrics: Metrics::default(),
            store: Store::default(),
            signer: Signer::default(),
            log: Log::default(),
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
        }
    }

    /// Reads a file, checks it, and makes its paths absolute.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "reading the configuration {} (name another with --config, make one with `chancery init`)",
                path.display()
            )
        })?;
        let mut config = Self::parse(&text).with_context(|| path.display().to_string())?;
        let folder = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let folder = std::path::absolute(folder)?;
        config.state_dir = folder
            .join(&config.state_dir)
            .components()
            .filter(|part| *part != Component::CurDir)
            .collect();
        let problems = config.check();
        if !problems.is_empty() {
            bail!("{} cannot be used:\n  {}", path.display(), problems.join("\n  "));
        }
        Ok(config)
    }

    /// Reads TOML; an unknown key is answered with the nearest one.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let text = error.to_string();
            match nearest(&text) {
                Some(near) => anyhow::anyhow!("{}\ndid you mean `{near}`?", text.trim_end()),
                None => anyhow::anyhow!("{}", text.trim_end()),
            }
        })
    }

    /// Everything that is wrong, each with the path of its key.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut problem = |is_wrong: bool, text: &str| {
            if is_wrong {
                problems.push(text.to_owned());
            }
        };
        problem(self.version != 1, "version: this program reads version 1");
        let is_http = self.public.base_url.starts_with("http://");
        problem(
            !is_http,
            "public.base_url: begins with http:// (what it serves is signed; https would need itself to be checked)",
        );
        problem(
            self.api.names.is_empty(),
            "api.names: at least one name or address",
        );
        problem(
            !self.store.url.starts_with("sqlite:"),
            "store.url: begins with sqlite: followed by a path",
        );
        problem(self.lifetimes.crl_hours == 0, "lifetimes.crl_hours: at least 1");
        let interval = self.lifetimes.crl_interval_hours;
        problem(
            interval == 0 || interval >= self.lifetimes.crl_hours,
            "lifetimes.crl_interval_hours: at least 1 and less than crl_hours, so that a CRL never ends before the next",
        );
        problem(self.lifetimes.ocsp_hours == 0, "lifetimes.ocsp_hours: at least 1");
        problem(
            self.lifetimes.responder_days == 0,
            "lifetimes.responder_days: at least 1",
        );
        problem(self.limits.connections == 0, "limits.connections: at least 1");
        problem(self.limits.api_body < 1024, "limits.api_body: at least 1024");
        problem(
            self.limits.header_seconds == 0,
            "limits.header_seconds: at least 1",
        );
        problem(self.limits.body_seconds == 0, "limits.body_seconds: at least 1");
        problem(
            self.log.level.parse::<tracing_subscriber::EnvFilter>().is_err(),
            "log.level: a filter such as `info` or `info,front=debug`",
        );
        problems
    }

    /// A path of the configuration, below the state folder unless absolute.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.state_dir.join(path)
    }

    /// The database file.
    pub(crate) fn store_path(&self) -> PathBuf {
        self.path(Path::new(
            self.store.url.strip_prefix("sqlite:").unwrap_or(&self.store.url),
        ))
    }
}

/// The expected key that is nearest to an unknown one, from the parser's message.
fn nearest(message: &str) -> Option<String> {
    let rest = message.split("unknown field `").nth(1)?;
    let (unknown, rest) = rest.split_once('`')?;
    let expected = rest.split('`').skip(1).step_by(2);
    let ranked = expected.map(|key| (distance(unknown, key), key)).min()?;
    (ranked.0 <= 2.max(unknown.len() / 3)).then(|| ranked.1.to_owned())
}

/// How many letters must be added, removed or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        for (place, theirs) in other.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let changed = at(&row, place) + usize::from(letter != *theirs);
            next.push(changed.min(at(&row, place + 1) + 1).min(at(&next, place) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
