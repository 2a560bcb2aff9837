//! Listening and accepting: bounded connections, slow heads cut off, a drain at the end.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::settings::Limits;

/// A listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}{}", remedy(.cause))]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub cause: std::io::Error,
}

fn remedy(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        std::io::ErrorKind::AddrInUse => "; another program uses this port: stop it or choose another port",
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE: use the unit in systemd/ or a higher port",
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

/// Opens a listening socket.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|cause| ListenError { address, cause })
}

/// One listener with its limits and its end.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) limits: Limits,
    pub(crate) stop: CancellationToken,
}

impl Door {
    /// Accepts connections until told to stop, then lets the open ones finish. `connect` is given each accepted stream, a
    /// builder and its place among the connections, and serves it in a task of its own.
    pub(crate) async fn serve(self, connect: impl Fn(TcpStream, Served)) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let graceful = Arc::new(GracefulShutdown::new());
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.header_timeout).keep_alive(true);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100).max_header_list_size(16 * 1024);
        let builder = Arc::new(builder);
        loop {
            let place = tokio::select! {
                () = self.stop.cancelled() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    // A small answer should not wait for more to be sent.
                    let _ = stream.set_nodelay(true);
                    connect(stream, Served { builder: Arc::clone(&builder), graceful: graceful.watcher(), place });
                }
                // Out of descriptors, or a connection that was gone already: neither ends the server.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        }
        drop(self.listener);
        if let Ok(graceful) = Arc::try_unwrap(graceful)
            && tokio::time::timeout(self.limits.drain, graceful.shutdown()).await.is_err()
        {
            tracing::warn!("connections were cut off: they did not end in time");
        }
    }
}

/// What a connection is served with.
#[derive(Debug)]
pub(crate) struct Served {
    builder: Arc<Builder<TokioExecutor>>,
    graceful: hyper_util::server::graceful::Watcher,
    place: OwnedSemaphorePermit,
}

impl Served {
    /// Serves one connection to its end.
    pub(crate) async fn run<I, S, B>(self, io: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: hyper::service::Service<http::Request<hyper::body::Incoming>, Response = http::Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: hyper::body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let connection = self.builder.serve_connection(TokioIo::new(io), service).into_owned();
        if let Err(error) = self.graceful.watch(connection).await {
            tracing::debug!(%error, "a connection ended badly");
        }
        drop(self.place);
    }
}
