//! TLS between courier and appliance stays as it is: octets are passed on, after a look at where they want to go.
//!
//! Two ways lead here, by the first octet of a connection: `CONNECT` (RFC 9110 §9.3.6) to the host and port of the appliance, or a
//! ClientHello whose server name (RFC 6066 §3) is the appliance's.

mod connect;
mod hello;
mod splice;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config::Limits;
use crate::limit::Rate;
use crate::listen::Guest;
use crate::metrics::Metrics;
use crate::run::Shared;

/// The first octet of TLS: a record of the handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// The tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel {
    shared: Arc<Shared>,
    metrics: Metrics,
    limits: Limits,
    rate: Rate,
}

impl Tunnel {
    /// From its parts.
    pub(crate) fn new(shared: Arc<Shared>, metrics: Metrics, limits: Limits, rate: Rate) -> Self {
        Self {
            shared,
            metrics,
            limits,
            rate,
        }
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, guest: Guest) {
        let mut first = [0];
        let looked = tokio::time::timeout(self.limits.head_timeout, stream.peek(&mut first));
        let looked = tokio::select! {
            () = guest.stop.cancelled() => return,
            looked = looked => looked,
        };
        match looked {
            Ok(Ok(1)) if first == [HANDSHAKE] => self.pass_hello(stream, guest).await,
            Ok(Ok(1)) => connect::serve(self, stream, guest).await,
            Ok(_) => {}
            Err(_) => self.metrics.tunnel("too_slow"),
        }
    }

    /// TLS that was opened as if the bridge were the appliance.
    async fn pass_hello(&self, mut stream: TcpStream, guest: Guest) {
        let client = guest.peer.ip();
        let read = tokio::time::timeout(self.limits.head_timeout, hello::read(&mut stream)).await;
        let outcome = match read {
            Err(_) => Err("too_slow"),
            Ok(None) => Err("no_hello"),
            Ok(Some(hello)) if !self.is_appliance(hello.name.as_deref()) => Err("other_host"),
            Ok(Some(_)) if self.rate.count(client).is_err() => Err("limited"),
            Ok(Some(hello)) => Ok(hello),
        };
        let hello = match outcome {
            Ok(hello) => hello,
            Err(outcome) => return self.refused(client, outcome),
        };
        let begun = async {
            let mut upstream = self.shared.appliance.connect().await?;
            upstream.write_all(&hello.octets).await?;
            Ok::<_, io::Error>(upstream)
        };
        match begun.await {
            Ok(upstream) => self.splice(stream, upstream, client).await,
            Err(error) => {
                tracing::warn!(%error, "the appliance cannot be reached");
                self.refused(client, "unreachable");
            }
        }
    }

    async fn splice<A, B>(&self, near: A, far: B, client: IpAddr)
    where
        A: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        self.metrics.tunnel("opened");
        let passed = splice::both_ways(near, far, self.limits.idle).await;
        self.metrics.passed(passed.up, passed.down);
        tracing::info!(%client, up = passed.up, down = passed.down, ended = passed.ended, "a tunnel ended");
    }

    fn refused(&self, client: IpAddr, outcome: &'static str) {
        self.metrics.tunnel(outcome);
        tracing::info!(%client, outcome, "a tunnel was refused");
    }

    /// Whether a name is that of the appliance.
    fn is_appliance(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| {
            name.trim_end_matches('.')
                .eq_ignore_ascii_case(self.shared.appliance.host())
        })
    }
}
