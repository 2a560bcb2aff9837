//! A look at everything, and the acceptance of a clock that was set back.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::auth::Caller;
use crate::health::Readiness;
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(accept_clock))
}

/// The state of the server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusBody {
    version: String,
    now: Timestamp,
    health: Readiness,
    /// Each token of the signing process.
    tokens: Vec<TokenStatus>,
    /// Why the signing process does not answer.
    signer_error: Option<String>,
    issuers: usize,
    /// Serials whose status is known.
    serials: usize,
    audit_entries: i64,
    /// Transactions committed since the start.
    store_commits: u64,
    /// Changes in them.
    store_jobs: u64,
}

/// One token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenStatus {
    name: String,
    available: bool,
    detail: String,
    /// What is wrong with it although it may sign: a bad test signature, a key that is not what it was.
    warning: String,
    /// Whether others that have the key are preferred, because it failed.
    circuit_open: bool,
    signed: u64,
    failed: u64,
}

/// Look at everything.
#[utoipa::path(get, path = "/api/v1/status", operation_id = "showStatus", tag = "administration",
    responses((status = 200, description = "The state", body = StatusBody)))]
async fn show(State(app): State<App>, Caller(caller): Caller) -> Result<Json<StatusBody>, Problem> {
    let status = app.authority.status(&caller).await?;
    let (tokens, signer_error) = match status.signer {
        Ok(service) => (service.lanes, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let tokens = tokens.into_iter().map(|lane| TokenStatus {
        name: lane.name,
        available: lane.available,
        detail: lane.detail,
        warning: lane.warning,
        circuit_open: !lane.circuit.is_closed(),
        signed: lane.signed,
        failed: lane.failed,
    });
    Ok(Json(StatusBody {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: status.now,
        health: status.health.into(),
        tokens: tokens.collect(),
        signer_error,
        issuers: status.issuers,
        serials: status.serials,
        audit_entries: status.audit_entries,
        store_commits: status.store_commits,
        store_jobs: status.store_jobs,
    }))
}

/// Accept the clock as it is after it was set back; issuing goes on.
#[utoipa::path(post, path = "/api/v1/clock/accept", operation_id = "acceptClock", tag = "administration",
    responses((status = 204, description = "Accepted")))]
async fn accept_clock(State(app): State<App>, Caller(caller): Caller) -> Result<StatusCode, Problem> {
    app.authority.accept_clock(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
