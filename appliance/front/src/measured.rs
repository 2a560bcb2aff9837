//! What the load kit measures beyond the public interface: connections of the public listener, without its socket.
//!
//! What answers is what answers in production, from the octets that were received to the octets that are sent. There is no
//! kernel in it, so that its instructions can be counted.

use std::sync::Arc;

use ca::Authority;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::listen::Visit;
use crate::metrics::{HttpMetrics, PublicMetrics};
use crate::public::Public;
use crate::server::{FrontError, serve_relying_party};
use crate::settings::Limits;

/// The public listener, for connections that somebody brings along.
#[derive(Clone, Debug)]
pub struct PublicListener(Arc<Public>);

impl PublicListener {
    /// Over an authority that no other listener has its metrics at.
    pub fn new(authority: Authority, limits: Limits) -> Result<Self, FrontError> {
        let metrics = PublicMetrics::new(HttpMetrics::new(authority.metrics().registry())?);
        Ok(Self(Arc::new(Public::new(authority, metrics, limits))))
    }

    /// Serves a connection to its end.
    pub async fn serve<I>(&self, stream: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        serve_relying_party(Arc::clone(&self.0), stream, Visit::alone(self.0.limits)).await;
    }
}
