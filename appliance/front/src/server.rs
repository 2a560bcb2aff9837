//! The three listeners as one thing that is opened, served and drained.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use ca::Authority;
use hyper::service::service_fn;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::listen::{Door, ListenError, bind};
use crate::metrics::HttpMetrics;
use crate::public::Public;
use crate::settings::FrontSettings;
use crate::tls::{TlsError, TlsIdentity};

/// Why the listeners cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontError {
    /// A socket cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The server's certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The metrics are registered already.
    #[error("the metrics of the listeners cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// Where the listeners are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Plain HTTP for relying parties.
    pub public: SocketAddr,
    /// TLS for the API.
    pub api: SocketAddr,
    /// Plain HTTP for Prometheus.
    pub metrics: SocketAddr,
}

/// The opened listeners.
#[derive(Debug)]
pub struct Front {
    settings: FrontSettings,
    authority: Authority,
    acceptor: Arc<rustls::ServerConfig>,
    metrics: Arc<HttpMetrics>,
    public: TcpListener,
    api: TcpListener,
    scrape: TcpListener,
}

impl Front {
    /// Opens all sockets; nothing is answered yet. Port 0 takes a free one. Needs a runtime.
    pub fn bind(settings: FrontSettings, authority: Authority, identity: &TlsIdentity) -> Result<Self, FrontError> {
        Ok(Self {
            public: bind(settings.public)?,
            api: bind(settings.api)?,
            scrape: bind(settings.metrics)?,
            acceptor: identity.server_config()?,
            metrics: Arc::new(HttpMetrics::new(authority.metrics().registry())?),
            settings,
            authority,
        })
    }

    /// Where the listeners really are.
    pub fn addresses(&self) -> Addresses {
        let at = |listener: &TcpListener, wanted| listener.local_addr().unwrap_or(wanted);
        Addresses {
            public: at(&self.public, self.settings.public),
            api: at(&self.api, self.settings.api),
            metrics: at(&self.scrape, self.settings.metrics),
        }
    }

    /// Serves until told to stop, then lets open connections finish within the drain time.
    pub async fn serve(self, stop: CancellationToken) {
        let limits = self.settings.limits;
        let door = |listener| Door { listener, limits, stop: stop.clone() };
        let public = serve_public(door(self.public), Public::new(self.authority.clone(), Arc::clone(&self.metrics), limits));
        let api = api::router(self.authority.clone(), Arc::clone(&self.metrics), limits);
        let api = serve_api(door(self.api), api, TlsAcceptor::from(self.acceptor), self.metrics, limits.header_timeout);
        let scrape = serve_metrics(door(self.scrape), self.authority);
        tokio::join!(public, api, scrape);
    }
}

async fn serve_public(door: Door, public: Public) {
    let public = Arc::new(public);
    door.serve(|stream, served| {
        let public = Arc::clone(&public);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let public = Arc::clone(&public);
                async move { Ok::<_, Infallible>(public.answer(request).await) }
            });
            served.run(stream, service).await;
        });
    })
    .await;
}

async fn serve_api(
    door: Door,
    router: axum::Router,
    acceptor: TlsAcceptor,
    metrics: Arc<HttpMetrics>,
    handshake: std::time::Duration,
) {
    door.serve(|stream, served| {
        let (acceptor, metrics) = (acceptor.clone(), Arc::clone(&metrics));
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(handshake, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => served.run(stream, service).await,
                Ok(Err(error)) => {
                    metrics.tls_failures.inc();
                    tracing::debug!(%error, "a TLS handshake failed");
                }
                Err(_) => metrics.tls_failures.inc(),
            }
        });
    })
    .await;
}

async fn serve_metrics(door: Door, authority: Authority) {
    let scrape = move || {
        let text = authority.metrics_text();
        async move { ([(http::header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], Body::from(text)) }
    };
    let router = axum::Router::new().route("/metrics", axum::routing::get(scrape));
    door.serve(|stream, served| {
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(served.run(stream, service));
    })
    .await;
}
