//! What can be set about the listeners.

use std::net::SocketAddr;
use std::time::Duration;

/// Where to listen and within which limits.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// Plain HTTP for relying parties: OCSP, CRLs, CA certificates.
    pub public: SocketAddr,
    /// TLS for the REST API.
    pub api: SocketAddr,
    /// Whether the REST API speaks plain HTTP instead: for a reverse proxy on the same machine.
    pub is_api_plain: bool,
    /// Plain HTTP for Prometheus.
    pub metrics: SocketAddr,
    /// Limits of all listeners.
    pub limits: Limits,
}

/// Limits that hold before anything is allocated for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time, for each listener; a further one takes the place of one on which nothing goes on, or waits.
    pub connections: usize,
    /// Connections at the same time from one address (of IPv6 its /64 network), for each listener; a further one takes the
    /// place of one on which nothing goes on, or is closed.
    pub connections_per_address: usize,
    /// Octets of the body of an API request.
    pub api_body: usize,
    /// How long a client may take for a TLS handshake, and for the head of a request, counted from the end of the request
    /// before it.
    pub header_timeout: Duration,
    /// How long a client may take to send the body of a request.
    pub body_timeout: Duration,
    /// How long connections may go on after the server was told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 1024,
            api_body: 1024 * 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// Longest body of an OCSP request, in octets.
pub(crate) const OCSP_BODY: usize = 64 * 1024;
/// Longest head of a request, in octets.
pub(crate) const HEAD: usize = 32 * 1024;
/// Most of a body that is read and thrown away so that its sender gets to see the refusal, in octets.
pub(crate) const DISCARD: usize = 16 * 1024 * 1024;
