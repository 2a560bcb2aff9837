//! `/healthz` says that the process lives, `/readyz` that it can do its work.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::App;

/// Whether the server can issue, and what is wrong when it cannot.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    ready: bool,
    problems: Vec<ReadinessProblem>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadinessProblem {
    /// Stable code.
    code: String,
    /// What it means and what to do.
    message: String,
    /// Whether it keeps the server from issuing.
    fatal: bool,
}

impl From<ca::Health> for Readiness {
    fn from(health: ca::Health) -> Self {
        let problems = health.problems.into_iter().map(|problem| ReadinessProblem {
            code: problem.code.to_owned(),
            message: problem.message,
            fatal: problem.is_fatal,
        });
        Self {
            ready: health.is_ready,
            problems: problems.collect(),
        }
    }
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", operation_id = "isAlive", tag = "health", responses((status = 200, description = "It lives")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether it can issue: signer, store, clock, CRLs.
#[utoipa::path(
    get, path = "/readyz", operation_id = "isReady", tag = "health",
    responses((status = 200, description = "It can work", body = Readiness), (status = 503, description = "Something is wrong", body = Readiness)),
)]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let health = app.authority.health().await;
    let status = if health.is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health.into()))
}
