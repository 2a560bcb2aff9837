//! The appliance: verified by its name, by the roots of the settings or else the system's, and by a pinned key where there is one.

mod connector;
mod exchange;
mod trust;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::config::Upstream;
use crate::identity::Identity;
use connector::Connector;

pub(crate) use exchange::{certificate, health, heartbeat, with_causes};

/// How long a connection may take to come about, with its handshake.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(30);

/// What speaks HTTP to the appliance.
pub(crate) type Speaker = Client<Connector, Full<Bytes>>;

/// Why the appliance cannot be spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum UpstreamFault {
    /// The roots cannot be read.
    #[error("upstream.ca: {0}")]
    Roots(String),
    /// The system has no root, and the settings name none.
    #[error("upstream.ca: neither the settings nor the system have a root to trust")]
    NoRoots,
    /// Its name is none.
    #[error("upstream.url: its host is no name that a certificate can have")]
    Name,
    /// TLS cannot be set up.
    #[error("TLS towards the appliance cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Where the appliance is, and how it is known.
#[derive(Clone, Debug)]
pub(crate) struct Appliance {
    host: String,
    port: u16,
    name: ServerName<'static>,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl Appliance {
    /// Reads the roots.
    pub(crate) fn new(settings: &Upstream) -> Result<Self, UpstreamFault> {
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            name: ServerName::try_from(settings.host.clone()).map_err(|_| UpstreamFault::Name)?,
            verifier: trust::verifier(settings)?,
        })
    }

    /// Its name or address.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The beginning of its addresses.
    pub(crate) fn base(&self) -> String {
        let is_v6 = self.host.contains(':');
        let (open, close) = if is_v6 { ("[", "]") } else { ("", "") };
        format!("https://{open}{}{close}:{}", self.host, self.port)
    }

    /// A connection for a tunnel, without TLS of ours.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let connected = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECTING, connected).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// What speaks to it, as this instance or as nobody.
    pub(crate) fn speaker(&self, identity: Option<&Identity>) -> Result<Speaker, UpstreamFault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.verifier));
        let mut config = match identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain(), identity.tls_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if identity.is_some() {
            // Whoever offers this is asked for a certificate.
            config
                .alpn_protocols
                .insert(0, courier_wire::BRIDGE_PROTOCOL.to_vec());
        }
        let connector = Connector::new(self.clone(), Arc::new(config));
        Ok(Client::builder(TokioExecutor::new())
            .pool_idle_timeout(KEPT)
            .pool_timer(TokioTimer::new())
            .build(connector))
    }
}
