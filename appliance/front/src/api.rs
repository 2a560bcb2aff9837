//! The REST API: one router, one OpenAPI document, both from the same handlers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use ca::Authority;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::metrics::HttpMetrics;
use crate::problem::Problem;
use crate::settings::Limits;
use crate::{admin, health};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every handler works with.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) authority: Authority,
    pub(crate) limits: Limits,
    metrics: Arc<HttpMetrics>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chancery",
        description = "A certification authority whose keys live in an HSM. Every error has the form of `ErrorBody` with a stable code."
    ),
    modifiers(&Security),
    security(("token" = [])),
    components(schemas(crate::problem::ErrorBody)),
    tags(
        (name = "certificates", description = "Issue, renew, revoke, find and download certificates"),
        (name = "issuers", description = "Certification authorities and their generations"),
        (name = "profiles", description = "What may be asked for and what it looks like"),
        (name = "administration", description = "Tokens, keys, audit log, state"),
        (name = "health", description = "Whether the server lives and can work"),
    )
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API token")).build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

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
        .merge(admin::status::routes())
        .routes(routes!(document))
}

/// The OpenAPI 3.1 description of the API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().split_for_parts().1
}

/// This description.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "health", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}

/// The whole API as a service.
pub(crate) fn router(authority: Authority, metrics: Arc<HttpMetrics>, limits: Limits) -> axum::Router {
    let app = App { authority, limits, metrics };
    let (router, _) = routes().split_for_parts();
    router
        .fallback(no_such_address)
        .method_not_allowed_fallback(method_not_allowed)
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
    let message = format!("the method {method} is not allowed at this address; see /api/v1/openapi.json");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// Around every request: its id, its metrics, its log line, and the body of an error.
async fn watch(State(app): State<App>, request: Request, next: Next) -> Response {
    let request_id = Uuid::new_v4();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let timed = app.metrics.begin("api");
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let allow = response.headers_mut().remove(http::header::ALLOW);
        response = problem.render(request_id);
        if let Some(allow) = allow {
            response.headers_mut().insert(http::header::ALLOW, allow);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert(
        http::header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    );
    let status = response.status().as_u16();
    let took = timed.end(&route, method_name(&method), status);
    tracing::info!(%request_id, %method, route, status, took_us = took.as_micros(), "api request");
    response
}

/// Only known methods become label values; anybody may invent others.
fn method_name(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE => method.as_str(),
        _ => "other",
    }
}
