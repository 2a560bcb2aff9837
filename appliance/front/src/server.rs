//! The three listeners as one thing that is opened, served and drained.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use ca::Authority;
use courier_wire::BRIDGE_PROTOCOL;
use futures_util::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConnection;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::api::{self, Peer};
use crate::courier::via::{ClientChain, Shown};
use crate::listen::{Door, ListenError, Visit, bind};
use crate::metrics::{HttpMetrics, PublicMetrics};
use crate::public::Public;
use crate::settings::FrontSettings;
use crate::tls::{Configs, HTTP2, TlsError, TlsIdentity};

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
    tls: Configs,
    metrics: HttpMetrics,
    public: TcpListener,
    answering: Handle,
    api: TcpListener,
    scrape: TcpListener,
}

impl Front {
    /// Opens all sockets; nothing is answered yet. Port 0 takes a free one. Needs a runtime; relying parties are served on
    /// `answering`, on threads of their own, so that none of them waits behind a certificate that is made.
    pub fn bind(
        settings: FrontSettings,
        authority: Authority,
        identity: &TlsIdentity,
        answering: Handle,
    ) -> Result<Self, FrontError> {
        // A socket tells the runtime in which it is opened that somebody is there.
        let public = {
            let _within = answering.enter();
            bind(settings.public)?
        };
        Ok(Self {
            public,
            answering,
            api: bind(settings.api)?,
            scrape: bind(settings.metrics)?,
            tls: identity.configs(authority.settings().couriers.asks_for_certificates)?,
            metrics: HttpMetrics::new(authority.metrics().registry())?,
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
        let metrics = self.metrics;
        let door = |listener, name| Door {
            listener,
            limits,
            stop: stop.clone(),
            refused: metrics.refused(name),
            displaced: metrics.displaced(name),
        };
        let public = Public::new(
            self.authority.clone(),
            PublicMetrics::new(metrics.clone()),
            limits,
        );
        let turns = public.turns.clone();
        let served = serve_public(door(self.public, "public"), public);
        let served = AbortOnDropHandle::new(self.answering.spawn(served));
        let public = async move {
            // Its runtime ends after this one, so what breaks it off is a panic.
            if let Err(Ok(panic)) = served.await.map_err(JoinError::try_into_panic) {
                resume_unwind(panic);
            }
        };
        let api = api::router(self.authority.clone(), metrics.clone(), limits, turns);
        let tls = (!self.settings.is_api_plain).then_some(self.tls);
        let api = serve_api(door(self.api, "api"), api, tls, metrics.clone());
        let scrape = serve_metrics(door(self.scrape, "metrics"), self.authority);
        tokio::join!(public, api, scrape);
    }
}

async fn serve_public(door: Door, public: Public) {
    let public = Arc::new(public);
    door.serve(|stream, visit| serve_relying_party(Arc::clone(&public), stream, visit))
        .await;
}

/// One connection of the public listener.
pub(crate) fn serve_relying_party<I>(
    public: Arc<Public>,
    stream: I,
    visit: Visit,
) -> impl Future<Output = ()> + Send + 'static
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = visit.peer;
    let service = service_fn(move |request| public.answer(request, peer).map(Ok::<_, Infallible>));
    visit.http1(stream, service)
}

/// Without TLS it speaks plain HTTP/1.1.
async fn serve_api(door: Door, router: Router, tls: Option<Configs>, metrics: HttpMetrics) {
    door.serve(|stream, visit| {
        let (tls, metrics) = (tls.clone(), metrics.clone());
        let router = TowerToHyperService::new(router.clone());
        let peer = Peer(visit.peer);
        let service = move |shown: Option<ShownBy>| {
            service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                match &shown {
                    None => {}
                    Some(ShownBy::Bridge(shown)) => drop(request.extensions_mut().insert(shown.clone())),
                    Some(ShownBy::Client(chain)) => drop(request.extensions_mut().insert(chain.clone())),
                }
                router.call(request)
            })
        };
        async move {
            let Some(tls) = tls else {
                visit.http1(stream, service(None)).await;
                return;
            };
            let handshake = tokio::time::timeout(visit.limits.header_timeout, shake(stream, tls));
            let stream = tokio::select! {
                () = visit.ended() => return,
                shaken = handshake => match shaken {
                    Ok(Ok(stream)) => stream,
                    failed => {
                        metrics.tls_failures.inc();
                        let reason = failed.map_or_else(|_| "too slow".to_owned(), |failed| describe(failed.err()));
                        tracing::debug!(peer = %visit.peer, reason, "a TLS handshake failed");
                        return;
                    }
                },
            };
            let session = stream.get_ref().1;
            if session.alpn_protocol() == Some(HTTP2) {
                let shown = shown_by(session);
                visit.http2(stream, service(shown)).await;
            } else {
                let shown = shown_by(session);
                visit.http1(stream, service(shown)).await;
            }
        }
    })
    .await;
}

/// Who showed a certificate on a connection.
enum ShownBy {
    Bridge(Shown),
    Client(ClientChain),
}

/// Only what was negotiated makes a connection one of a bridge.
fn shown_by(session: &ServerConnection) -> Option<ShownBy> {
    let chain = session.peer_certificates()?;
    let leaf = chain.first()?;
    Some(if session.alpn_protocol() == Some(BRIDGE_PROTOCOL) {
        ShownBy::Bridge(Shown(Arc::from(leaf.as_ref())))
    } else {
        ShownBy::Client(ClientChain(chain.iter().map(|one| one.to_vec()).collect()))
    })
}

/// A handshake with the certificate and the questions that go with what the client offers.
async fn shake(stream: TcpStream, tls: Configs) -> std::io::Result<TlsStream<TcpStream>> {
    let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let config = tls.for_hello(&begun.client_hello());
    begun.into_stream(config).await
}

fn describe(error: Option<std::io::Error>) -> String {
    error.map(|error| error.to_string()).unwrap_or_default()
}

async fn serve_metrics(door: Door, authority: Authority) {
    let scrape = move || {
        let authority = authority.clone();
        async move {
            authority.look_at_tokens().await;
            let text = authority.metrics_text();
            (
                [(
                    http::header::CONTENT_TYPE,
                    "text/plain; version=0.0.4; charset=utf-8",
                )],
                Body::from(text),
            )
        }
    };
    let router = Router::new().route("/metrics", axum::routing::get(scrape));
    door.serve(|stream, visit| visit.http1(stream, TowerToHyperService::new(router.clone())))
        .await;
}
