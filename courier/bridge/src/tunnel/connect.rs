//! `CONNECT` to the appliance, and to nobody else.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::Tunnel;
use crate::fault::Fault;
use crate::listen::Guest;

/// Longest head of a request, in octets.
const HEAD: usize = 16 * 1024;

/// Serves a connection that begins with HTTP.
pub(super) async fn serve(tunnel: Arc<Tunnel>, stream: TcpStream, guest: Guest) {
    let (timeout, stop) = (tunnel.limits.head_timeout, guest.stop.clone());
    let guest = Arc::new(guest);
    let service = service_fn(move |request: Request<Incoming>| {
        let (tunnel, guest) = (Arc::clone(&tunnel), Arc::clone(&guest));
        async move { Ok::<_, Infallible>(answer(tunnel, guest, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(HEAD)
        .max_header_size(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn answer(tunnel: Arc<Tunnel>, guest: Arc<Guest>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let client = guest.peer.ip();
    match open(&tunnel, &request, client).await {
        Ok(upstream) => {
            let visits = guest.visits.clone();
            visits.spawn(async move {
                let spliced = async {
                    match hyper::upgrade::on(request).await {
                        Ok(upgraded) => tunnel.splice(TokioIo::new(upgraded), upstream, client).await,
                        Err(error) => tracing::debug!(%error, "a tunnel did not come about"),
                    }
                };
                tokio::select! {
                    () = spliced => {}
                    () = guest.cut.cancelled() => {}
                }
            });
            Response::new(Full::default())
        }
        Err(fault) => {
            tunnel.refused(client, fault.outcome);
            fault.answer()
        }
    }
}

async fn open(tunnel: &Tunnel, request: &Request<Incoming>, client: IpAddr) -> Result<TcpStream, Fault> {
    tunnel
        .rate
        .count(client)
        .map_err(|wait| Fault::limited(wait.as_secs()))?;
    if request.method() != Method::CONNECT {
        return Err(Fault::CONNECT_ONLY);
    }
    if !is_to_appliance(tunnel, request.uri()) {
        return Err(Fault::OTHER_HOST);
    }
    tunnel.shared.appliance.connect().await.map_err(|error| {
        tracing::warn!(%error, "the appliance cannot be reached");
        Fault::UNREACHABLE
    })
}

/// The target of CONNECT is host and port, and nothing else (RFC 9112 §3.2.3).
fn is_to_appliance(tunnel: &Tunnel, target: &Uri) -> bool {
    let Some(authority) = target.authority() else {
        return false;
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    !authority.as_str().contains('@')
        && authority.port_u16() == Some(tunnel.shared.appliance.port())
        && tunnel.is_appliance(Some(host))
}
