//! Connections of bridges, and requests that came through one.
//!
//! A bridge offers a protocol of its own in the handshake, so that nobody else is asked for a certificate. What it says of where a
//! request came from counts on such a connection alone; on any other one its header is a header that nobody reads.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ca::courier::{AttestedRequest, Bridge, BridgeStatus, Forwarded};
use courier_wire::ASSERTION_HEADER;
use http::StatusCode;
use http::header::HOST;
use http::request::Parts;

use super::fault;
use crate::api::{App, Peer};
use crate::extract;
use crate::problem::Problem;

/// The certificate with which a bridge opened its connection. That it has the key is shown; whose it is, is for the register to say.
#[derive(Clone, Debug)]
pub(crate) struct Shown(pub(crate) Arc<[u8]>);

/// The certificates that a client showed which is no bridge, DER: the leaf first. That it has the key is shown.
#[derive(Clone, Debug)]
pub(crate) struct ClientChain(pub(crate) Arc<[Vec<u8>]>);

/// The instance that asks for itself.
#[derive(Clone, Debug)]
pub(super) struct Itself(pub(super) Bridge);

/// The instance that forwarded a request, and what of the request the courier has to answer for.
#[derive(Clone, Debug)]
pub(super) struct Via(pub(super) Forwarded);

impl FromRequestParts<App> for Itself {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let message = "this address is for bridges, over a connection with their certificate";
        let refused = || Problem::new(StatusCode::UNAUTHORIZED, "bridge_not_registered", message);
        parts.extensions.get::<Self>().cloned().ok_or_else(refused)
    }
}

/// Lets requests of bridges in as what they are. All others pass as they come.
pub(crate) async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(shown) = request.extensions().get::<Shown>().cloned() else {
        return next.run(request).await;
    };
    match known(&app, &shown, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => fault::retell(problem.into_response()).await,
    }
}

async fn known(app: &App, shown: &Shown, mut request: Request) -> Result<Request, Problem> {
    let bridge = app.authority.bridge_of_certificate(&shown.0).await?;
    let path = request.uri().path();
    let is_own = path.starts_with("/api/v1/courier/bridges/");
    let is_health = path == "/api/v1/health";
    let is_of_couriers = path.starts_with("/api/v1/courier/") || path.starts_with("/acme/");
    let mut assertions = request.headers().get_all(ASSERTION_HEADER).iter();
    match (assertions.next(), assertions.next()) {
        (None, _) if is_own || is_health => {
            request.extensions_mut().insert(Itself(bridge));
            Ok(request)
        }
        (Some(_), None) if bridge.status == BridgeStatus::Pending => {
            // Whoever has another way takes that one.
            let message = "this bridge waits for the approval of an administrator";
            Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "bridge_pending",
                message,
            ))
        }
        (Some(_), None) if !is_own && (is_health || is_of_couriers) => {
            forwarded(app, shown, &bridge, request).await
        }
        (Some(_), None) => {
            let message = "a bridge forwards nothing to this address";
            Err(Problem::new(StatusCode::NOT_FOUND, "not_found", message))
        }
        _ => Err(assertion_missing()),
    }
}

/// A request as it would have come from whoever sent it.
async fn forwarded(app: &App, shown: &Shown, bridge: &Bridge, request: Request) -> Result<Request, Problem> {
    let limit = extract::limit_of(&request, app);
    let (mut head, body) = request.into_parts();
    let to_read = Request::from_parts(head.clone(), body);
    let body = extract::read(to_read, limit, app.limits.body_timeout).await?;
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let request = AttestedRequest {
        assertion: text(ASSERTION_HEADER).unwrap_or_default(),
        method: head.method.as_str(),
        host: text(HOST.as_str()).unwrap_or_default(),
        target: head.uri.path_and_query().map_or("", |target| target.as_str()),
        body: &body,
    };
    let client = app.authority.attested_client(bridge, &shown.0, request).await?;
    head.headers.remove(ASSERTION_HEADER);
    head.extensions.insert(Peer(SocketAddr::new(client, 0)));
    head.extensions.insert(Via(Forwarded::new(bridge.id, &body)));
    tracing::debug!(%client, bridge = %bridge.id, "forwarded by a bridge");
    Ok(Request::from_parts(head, Body::from(body.to_vec())))
}

fn assertion_missing() -> Problem {
    let message = "a bridge says, once, from where a request came that it forwards";
    Problem::new(StatusCode::UNAUTHORIZED, "bridge_assertion_invalid", message)
}
