//! `chancery.toml`: what belongs to the machine. What belongs to the PKI is in the store.

mod audit;
mod blocklists;
mod check;
mod couriers;
mod nearest;
mod read;
mod reference;
mod signing;
mod store;
mod witness;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use audit::{Audit, Export, ExportKind};
pub(crate) use couriers::Couriers;
pub(crate) use read::ConfigError;
pub(crate) use reference::{CHANGES_AT_RUN_TIME, Reference};
pub(crate) use store::Store;
pub(crate) use witness::Cosigner;

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
    /// What is asked of keys beyond the rules that always hold.
    #[serde(default)]
    pub(crate) keys: Keys,
    /// The log.
    #[serde(default)]
    pub(crate) log: Log,
    /// The audit log.
    #[serde(default)]
    pub(crate) audit: Audit,
    /// OCSP answers.
    #[serde(default)]
    pub(crate) ocsp: Ocsp,
    /// Lifetimes.
    #[serde(default)]
    pub(crate) lifetimes: Lifetimes,
    /// What goes when it is old enough.
    #[serde(default)]
    pub(crate) retention: Retention,
    /// Couriers.
    #[serde(default)]
    pub(crate) couriers: Couriers,
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
    /// Plain HTTP in place of TLS, for a reverse proxy on this machine.
    pub(crate) plain: bool,
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

/// `[keys]`
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// Files of keys that must not be certified, in the form of Debian's `openssl-blacklist`.
    pub(crate) blocklists: Vec<PathBuf>,
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

/// `[ocsp]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ocsp {
    /// Whether answers about what is revoked are signed before anybody asks.
    pub(crate) sign_ahead: bool,
    /// Most answers that are being signed for somebody who waits.
    pub(crate) on_demand: usize,
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

/// `[retention]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// Days a certificate is kept after its end; 0 for ever.
    pub(crate) certificate_days: u32,
    /// Days an order is kept that was refused or failed; 0 for ever.
    pub(crate) order_days: u32,
    /// The folder into which certificates are written before they go.
    pub(crate) archive: PathBuf,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections at the same time, for each listener.
    pub(crate) connections: usize,
    /// Connections at the same time from one address (of IPv6 its /64 network), for each listener; a further one takes the
    /// place of one on which nothing goes on, or is closed.
    /// Behind a reverse proxy all come from its address.
    pub(crate) connections_per_address: usize,
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
            plain: false,
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

impl Default for Ocsp {
    fn default() -> Self {
        Self {
            sign_ahead: true,
            on_demand: 1024,
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

impl Default for Retention {
    fn default() -> Self {
        Self {
            certificate_days: 366,
            order_days: 90,
            archive: "archive".into(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 1024,
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
            keys: Keys::default(),
            log: Log::default(),
            audit: Audit::default(),
            ocsp: Ocsp::default(),
            lifetimes: Lifetimes::default(),
            retention: Retention::default(),
            couriers: Couriers::default(),
            limits: Limits::default(),
        }
    }

    /// A path of the configuration, below the state folder unless absolute.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.state_dir.join(path)
    }
}

#[cfg(test)]
mod tests;
