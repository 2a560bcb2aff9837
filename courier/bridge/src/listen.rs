//! Listening and accepting: from known networks, within the shares of all and of each, with a drain at the end.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limit::{Place, Places};
use crate::metrics::Metrics;

/// A peer that takes none of what is sent to it is given up after this time.
const UNTAKEN: Duration = Duration::from_secs(30);

/// Opens a listening socket.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener> {
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
    open().with_context(|| format!("cannot listen on {address}"))
}

/// The listener of couriers.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) listener: TcpListener,
    /// Who may come; everybody when empty.
    pub(crate) clients: Vec<IpNet>,
    pub(crate) places: Places,
    pub(crate) metrics: Metrics,
    pub(crate) drain: Duration,
    pub(crate) stop: CancellationToken,
}

/// One connection that was let in.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) peer: SocketAddr,
    /// The listener's end: what is begun may be finished.
    pub(crate) stop: CancellationToken,
    /// The end of all.
    pub(crate) cut: CancellationToken,
    /// What goes on after the connection itself is served is run here, so that the end waits for it.
    pub(crate) visits: TaskTracker,
    _place: Place,
}

impl Gate {
    /// Accepts connections until told to stop, then lets the open ones finish.
    pub(crate) async fn serve<F>(self, receive: impl Fn(TcpStream, Guest) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (visits, cut) = (TaskTracker::new(), CancellationToken::new());
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = self.admit(peer) else { continue };
                    let guest = Guest {
                        peer,
                        stop: self.stop.clone(),
                        cut: cut.clone(),
                        visits: visits.clone(),
                        _place: place,
                    };
                    let (served, cut) = (receive(stream, guest), cut.clone());
                    let open = self.metrics.open();
                    visits.spawn(async move {
                        let _open = open;
                        tokio::select! {
                            () = served => {}
                            () = cut.cancelled() => {}
                        }
                    });
                }
                // Out of descriptors, or a connection that was gone already: neither ends the bridge.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        drop(self.listener);
        visits.close();
        if tokio::time::timeout(self.drain, visits.wait()).await.is_err() {
            tracing::warn!(
                open = visits.len(),
                "connections are cut off: they did not end in time"
            );
        }
        cut.cancel();
        visits.wait().await;
    }

    fn admit(&self, peer: SocketAddr) -> Option<Place> {
        let address = peer.ip().to_canonical();
        if !self.clients.is_empty() && !self.clients.iter().any(|net| net.contains(&address)) {
            self.metrics.connection("not_allowed");
            tracing::info!(%peer, "a connection was closed: its address is not in allow.cidr");
            return None;
        }
        let place = self.places.take(address);
        let outcome = if place.is_some() { "accepted" } else { "no_place" };
        self.metrics.connection(outcome);
        if place.is_none() {
            tracing::debug!(%peer, "a connection was closed: there is no place for it");
        }
        place
    }
}
