//! How a server is reached: its address, who we are, and how both sides prove it.
//!
//! The address never holds the password. What leaves the machine is encrypted, and the server's certificate verified by name.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::CONNECT;
use super::connect::ANSWER;
use super::tls::Tls;
use crate::error::{Error, Result};

/// What goes before it is known that a peer is gone.
const PROBE: Duration = Duration::from_secs(5);
/// How long a change waits for those of other servers.
const LOCK: &str = "10s";

/// A PostgreSQL database and the way to it.
#[derive(Clone)]
pub struct PostgresConfig {
    pub(super) server: tokio_postgres::Config,
    pub(super) tls: Option<Tls>,
    /// How long an answer to somebody who reads may take.
    pub(super) patience: Duration,
}

/// What proves who we are and who the server is.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The password.
    pub password: Option<SecretString>,
    /// The authorities (PEM) that may certify the server.
    pub roots: Option<Vec<u8>>,
    /// Our certificate with those above it, and its key, in one PEM text.
    pub identity: Option<SecretString>,
}

impl PostgresConfig {
    /// From an address (`postgres://user@host:port/database`, several hosts separated by commas; for a Unix socket
    /// `postgres:///database?host=/run/postgresql`).
    ///
    /// TLS may be left out (`sslmode=disable`, or no word about it) for Unix sockets and addresses of this machine alone.
    pub fn new(url: &str, credentials: &Credentials) -> Result<Self> {
        let text = url.replace("sslmode=verify-full", "sslmode=require");
        let parsed = text.parse::<tokio_postgres::Config>();
        let mut server = parsed.map_err(|error| rejected(&format!("store.url: {}", with_cause(&error))))?;
        if server.get_password().is_some() {
            return Err(rejected(
                "store.url holds a password: put it into a file that only this user can read, and name that in store.password_file",
            ));
        }
        if server.get_dbname().is_none() || server.get_user().is_none() || server.get_hosts().is_empty() {
            return Err(rejected(
                "store.url must name a user, a host and a database, for example postgres://chancery@db.example/chancery",
            ));
        }
        if let Some(password) = &credentials.password {
            server.password(password.expose_secret());
        }
        // An address that is named besides the host is what is connected to.
        let is_local =
            server.get_hosts().iter().all(is_local) && server.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let is_plain = match (server.get_ssl_mode(), &credentials.roots) {
            (SslMode::Disable, _) if !is_local => {
                return Err(rejected(
                    "sslmode=disable is for a database on this machine: name the authority of its certificate in store.tls_roots (on the \
                     command line: --store-tls-roots)",
                ));
            }
            (SslMode::Disable, _) => true,
            (SslMode::Prefer, None) => is_local,
            _ => false,
        };
        let tls = match (is_plain, &credentials.roots) {
            (true, _) => None,
            (false, Some(roots)) => Some(Tls::new(roots, credentials.identity.as_ref())?),
            (false, None) => {
                return Err(rejected(
                    "TLS needs the authority of the server's certificate: name its PEM file in store.tls_roots (on the command line: \
                     --store-tls-roots)",
                ));
            }
        };
        server
            .ssl_mode(if is_plain {
                SslMode::Disable
            } else {
                SslMode::Require
            })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .application_name("chancery")
            .connect_timeout(CONNECT)
            .tcp_user_timeout(PROBE)
            .keepalives_idle(PROBE)
            .keepalives_interval(PROBE);
        Ok(Self {
            server,
            tls,
            patience: ANSWER,
        })
    }

    /// The same with a limit of its own for an answer to somebody who reads.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same with further settings of the session, as on the command line of the server.
    pub(super) fn with_options(&self, more: &str) -> Self {
        let mut own = self.clone();
        let options = format!("{} {more}", own.server.get_options().unwrap_or_default());
        own.server.options(options.trim_start());
        own
    }

    /// The same with a limit for transactions in which nothing goes on.
    pub(super) fn with_most_idle(&self, most_idle: Duration) -> Self {
        self.with_options(&format!(
            "-c idle_in_transaction_session_timeout={} -c lock_timeout={LOCK}",
            most_idle.as_millis()
        ))
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("hosts", &self.server.get_hosts())
            .field("database", &self.server.get_dbname())
            .field("user", &self.server.get_user())
            .field("is_encrypted", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// Where it is, for people.
impl fmt::Display for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.server.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) => folder.display().to_string(),
        });
        let hosts = hosts.collect::<Vec<_>>().join(", ");
        write!(
            f,
            "database {} on {hosts}",
            self.server.get_dbname().unwrap_or_default()
        )
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn rejected(what: &str) -> Error {
    Error::Rejected(what.to_owned())
}

/// An error and what is behind it, on one line.
pub(super) fn with_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
