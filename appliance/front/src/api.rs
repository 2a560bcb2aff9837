//! The REST API: one router, one OpenAPI document, both from the same handlers.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;

use axum::body::Bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use ca::Authority;
use futures_util::FutureExt as _;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tracing::{Instrument as _, field};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::limits::names_one_host;
use crate::metrics::{HttpMetrics, Timed};
use crate::openapi::{Document, complete};
use crate::problem::Problem;
use crate::settings::Limits;
use crate::turns::Turns;
use crate::{admin, courier, health};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LISTENER: &str = "api";

/// What every handler works with.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) authority: Authority,
    pub(crate) limits: Limits,
    pub(crate) turns: Turns,
    metrics: HttpMetrics,
    document: Bytes,
}

/// The id of a request, which its answer and the log tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(pub(crate) Uuid);

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .merge(admin::certificates::routes())
        .merge(admin::issuers::routes())
        .merge(admin::profiles::routes())
        .merge(admin::orders::routes())
        .merge(admin::api_tokens::routes())
        .merge(admin::keys::routes())
        .merge(admin::audit::routes())
        .merge(admin::witness::routes())
        .merge(admin::status::routes())
        .merge(admin::couriers::routes())
        .merge(admin::credentials::routes())
        .merge(admin::domains::routes())
        .merge(admin::policies::routes())
        .merge(admin::courier_orders::routes())
        .merge(admin::bridges::routes())
        .merge(admin::alarms::routes())
        .merge(admin::discovery::routes())
        .merge(courier::routes())
        .routes(routes!(document))
}

/// The OpenAPI 3.1 description of the API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = routes().into_openapi();
    complete(&mut document);
    document
}

/// This description.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "describeApi", tag = "health", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
async fn document(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "application/json")], app.document).into_response()
}

/// The whole API as a service.
pub(crate) fn router(
    authority: Authority,
    metrics: HttpMetrics,
    limits: Limits,
    turns: Turns,
) -> axum::Router {
    let document = serde_json::to_vec(&openapi()).unwrap_or_default().into();
    let app = App {
        authority,
        limits,
        turns,
        metrics,
        document,
    };
    let (router, _) = routes().split_for_parts();
    router
        .fallback(no_such_address)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), courier::via::admit))
        .layer(from_fn_with_state(app.clone(), watch))
        .with_state(app)
}

async fn no_such_address(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        "no_such_address",
        format!("there is nothing at `{path}`; see /api/v1/openapi.json"),
    )
}

async fn method_not_allowed(method: Method) -> Problem {
    let method: String = method.as_str().chars().take(40).collect();
    let message = format!("the method {method} is not allowed at this address; see /api/v1/openapi.json");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// Around every request: its id, its metrics, its log line, and the body of an error.
async fn watch(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let request_id = Uuid::new_v4();
    request.extensions_mut().insert(RequestId(request_id));
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let peer = request
        .extensions()
        .get::<Peer>()
        .map(|peer| field::display(peer.0));
    let span = tracing::info_span!("request", id = %request_id, %method, route, peer, caller = field::Empty);
    let timed = Timed::begin(app.metrics.in_flight(LISTENER));
    let answered = async {
        if !names_one_host(request.headers(), request.version()) {
            return Problem::bad_request("host_invalid", "a request of HTTP/1.1 has one Host header")
                .into_response();
        }
        next.run(request).await
    };
    let answer = AssertUnwindSafe(answered)
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let (response, code) = finish(
        answer.unwrap_or_else(|_| Problem::panicked().into_response()),
        request_id,
    );
    let (status, took) = (response.status(), timed.elapsed());
    app.metrics.count(LISTENER, &route, &method, status, took);
    tracing::info!(parent: &span, status = status.as_u16(), code, took_us = took.as_micros(), "answered");
    response
}

/// Writes the body of an error, and the headers that every answer has.
fn finish(mut response: Response, request_id: Uuid) -> (Response, Option<&'static str>) {
    let problem = response.extensions_mut().remove::<Problem>();
    let code = problem.as_ref().map(Problem::code);
    if let Some(problem) = problem {
        let allow = response.headers_mut().remove(ALLOW);
        response = problem.render(request_id);
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    // What the API tells is for who asked, and for now.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    (response, code)
}
