//! How the appliance is reached: what the section `api` says, checked.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use rustls::pki_types::CertificateDer;

use crate::auth::certificate;

/// Where the time is read.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks this function.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The clock of the system.
    #[expect(clippy::disallowed_methods, reason = "the program's own clock is read here")]
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The least version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinTls {
    /// 1.2.
    #[default]
    Tls12,
    /// 1.3.
    Tls13,
}

/// How the appliance is reached.
pub struct Settings {
    /// The appliance, or the bridge to it.
    pub base_url: Url,
    /// Others that are tried, in order, when there is no connection.
    pub fallback_urls: Vec<Url>,
    /// Trust anchors besides those of the system.
    pub anchors: Vec<CertificateDer<'static>>,
    /// The name that the server is told and verified with, instead of the host of its URL.
    pub tls_server_name: Option<String>,
    /// SHA-256 of acceptable public keys of the server; none means any.
    pub pins: Vec<[u8; 32]>,
    /// The least version of TLS.
    pub min_tls: MinTls,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a call may take with all its answer.
    pub request_timeout: Duration,
    /// How often a call is repeated that may be.
    pub retries: u32,
    /// The longest wait before that, unless the appliance asks for a longer one.
    pub retry_max_delay: Duration,
    /// A forward proxy or bridge in tunnel mode; without it the environment's.
    pub proxy: Option<Url>,
    /// A tag for the audit log of the appliance.
    pub user_agent_suffix: Option<String>,
    /// The courier's side of mutual TLS; its files are read for the first connection.
    pub identity: Option<certificate::Settings>,
    /// The time.
    pub clock: Clock,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address of a proxy may have a password in it.
        f.debug_struct("Settings")
            .field("base_url", &self.base_url.as_str())
            .field("has_proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Settings with the defaults.
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            fallback_urls: Vec::new(),
            anchors: Vec::new(),
            tls_server_name: None,
            pins: Vec::new(),
            min_tls: MinTls::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            retries: 4,
            retry_max_delay: Duration::from_secs(30),
            proxy: None,
            user_agent_suffix: None,
            identity: None,
            clock: Clock::system(),
        }
    }
}
