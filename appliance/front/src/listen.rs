//! Listening and accepting: bounded connections, silent ones cut off, a drain at the end.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use prometheus::IntCounter;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::{Activity, Noted};
use crate::ending::Ending;
use crate::settings::{HEAD, Limits};
use crate::shares::Shares;

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
        std::io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE: use the unit in systemd/ or a higher port"
        }
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

/// A peer that takes none of what is sent to it is given up after this time.
const UNTAKEN: Duration = Duration::from_secs(30);

/// Opens a listening socket. What is set on it holds for the connections it accepts: a small answer does not wait for
/// more to be sent, and a dead peer is noticed.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_mins(1)))?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(UNTAKEN))?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|cause| ListenError { address, cause })
}

/// Octets of bodies that a client of HTTP/2 may send before they are read.
const WINDOW: u32 = 256 * 1024;
/// Octets of an answer that wait for a client of HTTP/2 to take them.
const SENDING: usize = 64 * 1024;
/// How long a new connection waits for a place before somebody else is looked for who makes room.
const CROWDED: Duration = Duration::from_millis(20);

/// One listener with its limits and its end.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) limits: Limits,
    pub(crate) stop: CancellationToken,
    /// Counts the connections that were closed because their address had its share.
    pub(crate) refused: IntCounter,
    /// Counts the connections that made room for others.
    pub(crate) displaced: IntCounter,
}

impl Door {
    /// Accepts connections until told to stop, then lets the open ones finish. `receive` serves one connection.
    pub(crate) async fn serve<F>(self, receive: impl Fn(TcpStream, Visit) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let shares = Shares::of(self.limits.connections_per_address, self.displaced.clone());
        let visits = TaskTracker::new();
        let (ending, cut) = (Ending::default(), Ending::default());
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let activity = Arc::default();
                    let Some(share) = shares.take(peer.ip(), &activity) else {
                        self.refused.inc();
                        tracing::debug!(%peer, "a connection was closed: its address has its share of them");
                        continue;
                    };
                    let place = tokio::select! {
                        () = self.stop.cancelled() => break,
                        place = room(&places, &shares) => place,
                    };
                    let visit = Visit {
                        peer,
                        limits: self.limits,
                        activity,
                        ending: ending.clone(),
                        cut: cut.clone(),
                    };
                    let (served, (of, number)) = (receive(stream, visit), share.place());
                    let task = visits.spawn(async move {
                        served.await;
                        drop((place, share));
                    });
                    shares.serve(of, number, task.abort_handle());
                }
                // Out of descriptors, or a connection that was gone already: neither ends the server.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        drop(self.listener);
        ending.come();
        visits.close();
        if tokio::time::timeout(self.limits.drain, visits.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = visits.len(),
                "connections are cut off: they did not end in time"
            );
        }
        cut.come();
    }
}

/// A place, once there is one: when all are taken, somebody on whose connection nothing goes on makes room.
async fn room(places: &Arc<Semaphore>, shares: &Shares) -> Option<OwnedSemaphorePermit> {
    loop {
        let place = Arc::clone(places);
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Some(place);
        }
        shares.make_room();
        // Who makes room is gone in a moment. Where everybody is at work, somebody is ready before long.
        if let Ok(place) = tokio::time::timeout(CROWDED, place.acquire_owned()).await {
            return place.ok();
        }
    }
}

/// One accepted connection: who it is, and within which limits it is served.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) peer: SocketAddr,
    pub(crate) limits: Limits,
    /// What goes on in it.
    activity: Arc<Activity>,
    ending: Ending,
    cut: Ending,
}

impl Visit {
    /// A visit to no listener, which nothing ends but its peer.
    #[cfg(feature = "measured")]
    pub(crate) fn alone(limits: Limits) -> Self {
        Self {
            peer: SocketAddr::from(([127, 0, 0, 1], 0)),
            limits,
            activity: Arc::default(),
            ending: Ending::default(),
            cut: Ending::default(),
        }
    }

    /// The listener's end; for what comes before the first request.
    pub(crate) async fn ended(&self) {
        self.ending.wait().await;
    }

    /// Speaks HTTP/1.1 to the end of the connection. hyper's own limit for the head of a request sets a timer anew for each
    /// of them, which costs as much as looking an answer up; this looks at the connection now and then.
    pub(crate) async fn http1<I, S, B>(self, io: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: Body + Unpin + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let activity = Arc::clone(&self.activity);
        let patience = self.limits.header_timeout;
        let watched = {
            let activity = Arc::clone(&activity);
            service_fn(move |request| activity.begin().during(service.call(request)))
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD).max_header_size(HEAD);
        let io = Noted {
            io,
            activity: Arc::clone(&activity),
        };
        let connection = self.run(builder.serve_connection(TokioIo::new(io), watched), pending());
        tokio::select! {
            biased;
            () = connection => {}
            // Nothing is being answered, so nobody is cut off but who has not asked.
            () = activity.lull(patience) => {}
        }
    }

    /// Speaks HTTP/2 to the end of the connection. hyper knows no time limit for a client that opens a connection and
    /// asks nothing, so this watches that there are requests.
    pub(crate) async fn http2<I, S, B>(self, io: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: Body + Unpin + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let activity = Arc::clone(&self.activity);
        let patience = self.limits.header_timeout;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(100)
            .max_header_list_size(16 * 1024)
            .initial_connection_window_size(WINDOW)
            .initial_stream_window_size(WINDOW)
            .max_send_buf_size(SENDING);
        builder
            .keep_alive_interval(Some(UNTAKEN))
            .keep_alive_timeout(UNTAKEN);
        let watched = {
            let activity = Arc::clone(&activity);
            service_fn(move |request| activity.begin().during(service.call(request)))
        };
        let connection = builder.serve_connection(TokioIo::new(io), watched);
        self.run(connection, async move { activity.lull(patience).await })
            .await;
    }

    async fn run<C>(self, connection: C, bored: impl Future<Output = ()>)
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let log = |ended: Result<(), hyper::Error>| {
            if let Err(error) = ended {
                tracing::debug!(%error, peer = %self.peer, "a connection ended badly");
            }
        };
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            ended = connection.as_mut() => return log(ended),
            () = self.ending.wait() => {}
            () = bored => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => log(ended),
            () = self.cut.wait() => {}
            () = tokio::time::sleep(self.limits.drain) => {}
        }
    }
}
