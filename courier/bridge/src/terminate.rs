//! TLS ends here, on the bridge's own name, and begins anew towards the appliance, as this instance. What is forwarded are the few
//! addresses of couriers; each request is read whole, in memory and within its limits, and attested before it goes on.

mod certificate;
mod forward;
mod headers;
mod path;

use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::config::Limits;
use crate::limit::Rate;
use crate::listen::Guest;
use crate::metrics::Metrics;
use crate::run::Shared;

pub(crate) use certificate::Certificate;

/// Longest head of a request, in octets.
const HEAD: usize = 32 * 1024;

/// The reverse proxy.
#[derive(Debug)]
pub(crate) struct Terminate {
    certificate: Certificate,
    shared: Arc<Shared>,
    metrics: Metrics,
    limits: Limits,
    rate: Rate,
    has_acme: bool,
}

impl Terminate {
    /// From its parts.
    pub(crate) fn new(
        certificate: Certificate,
        shared: Arc<Shared>,
        metrics: Metrics,
        limits: Limits,
        rate: Rate,
        has_acme: bool,
    ) -> Self {
        Self {
            certificate,
            shared,
            metrics,
            limits,
            rate,
            has_acme,
        }
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, guest: Guest) {
        let acceptor = TlsAcceptor::from(self.certificate.config());
        let shaken = tokio::time::timeout(self.limits.head_timeout, acceptor.accept(stream));
        let stream = tokio::select! {
            () = guest.stop.cancelled() => return,
            shaken = shaken => match shaken {
                Ok(Ok(stream)) => stream,
                failed => {
                    let reason = failed.map_or_else(
                        |_| "too slow".to_owned(),
                        |failed| failed.err().map(|error| error.to_string()).unwrap_or_default(),
                    );
                    tracing::debug!(peer = %guest.peer, reason, "a TLS handshake failed");
                    self.metrics.connection("handshake_failed");
                    return;
                }
            },
        };
        let (peer, bridge) = (guest.peer, Arc::clone(&self));
        let service = service_fn(move |request: Request<Incoming>| {
            let bridge = Arc::clone(&bridge);
            async move { bridge.answer(request, peer.ip()).await }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_buf_size(HEAD)
            .max_header_size(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = guest.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a connection ended badly");
        }
    }
}
