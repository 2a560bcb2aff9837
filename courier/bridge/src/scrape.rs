//! The listener for those who look after the bridge: `/metrics`, `/healthz` (it lives), `/readyz` (it can do its work).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::clock;
use crate::listen::Guest;
use crate::metrics::Metrics;
use crate::run::Shared;
use crate::upstream;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);

/// Serves one connection.
pub(crate) async fn serve(stream: TcpStream, guest: Guest, shared: Arc<Shared>, metrics: Metrics) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, metrics) = (Arc::clone(&shared), metrics.clone());
        async move { Ok::<_, Infallible>(answer(request.uri().path(), &shared, &metrics).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        () = guest.stop.cancelled() => {}
    }
}

async fn answer(path: &str, shared: &Shared, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, text) = match path {
        "/metrics" => (StatusCode::OK, metrics.text()),
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match ready(shared).await {
            Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        _ => (StatusCode::NOT_FOUND, "there is nothing\n".to_owned()),
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}

async fn ready(shared: &Shared) -> Result<(), String> {
    let Some(at_work) = shared.at_work() else {
        let reached = shared.appliance.connect().await;
        return reached
            .map(drop)
            .map_err(|fault| format!("the appliance cannot be reached: {fault}"));
    };
    if at_work.identity.not_after() <= clock::now() {
        return Err("the certificate of this instance has ended: register it again".to_owned());
    }
    if shared.is_pending() {
        return Err("this instance waits for approval: `chancery bridge approve`".to_owned());
    }
    upstream::health(&shared.appliance, &at_work.speaker)
        .await
        .map_err(|fault| fault.to_string())
}
