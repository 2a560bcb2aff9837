//! This server as a witness of other logs: `add-checkpoint` of c2sp.org/tlog-witness, and what its own auditors want to know of it.
//!
//! `add-checkpoint` takes no token: what is cosigned was signed by a log that the configuration names. A server that is no
//! witness answers as if there were nothing at the address.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use ca::{AddCheckpointFault, TLOG_SIZE, WatchedLog, WitnessRefusal};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::auth::Caller;
use crate::extract;
use crate::problem::Problem;

/// Longest request: 63 hashes, and a note with the signatures of many other witnesses.
const MOST: usize = 64 * 1024;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(add_checkpoint))
        .routes(routes!(show))
}

/// This server as a witness.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WitnessBody {
    /// Its verifier key (c2sp.org/tlog-cosignature).
    key: String,
    /// The logs it watches.
    logs: Vec<WatchedBody>,
}

/// A log that is watched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WatchedBody {
    /// Which one.
    origin: String,
    /// Entries under the last checkpoint that was cosigned; 0 before the first.
    size: u64,
    /// Why it cannot be cosigned.
    problem: Option<String>,
}

/// Cosign a checkpoint of another log (c2sp.org/tlog-witness).
#[utoipa::path(post, path = "/audit/witness/add-checkpoint", operation_id = "addCheckpoint", tag = "administration", security(()),
    request_body(content = String, content_type = "text/plain",
        description = "The old size, the proof of consistency, an empty line, the checkpoint"),
    responses((status = 200, description = "The signature lines of this witness", body = String, content_type = "text/plain"),
        (status = 403, description = "No key that is trusted for the log has signed", body = crate::problem::ErrorBody),
        (status = 404, description = "The log is not watched, or this server is no witness", body = crate::problem::ErrorBody),
        (status = 409, description = "The size that was cosigned last, and a line end", body = String, content_type = "text/x.tlog.size"),
        (status = 422, description = "The proof does not verify", body = crate::problem::ErrorBody),
        (status = 503, description = "What was cosigned before cannot be read or written", body = crate::problem::ErrorBody)))]
async fn add_checkpoint(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    if !app.authority.is_a_witness() {
        return Err(not_a_witness());
    }
    let body = extract::read(request, MOST, app.limits.body_timeout).await?;
    let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    match app.authority.add_checkpoint(&body).await {
        Ok(lines) => Ok((plain, lines).into_response()),
        Err(AddCheckpointFault::Refused(WitnessRefusal::Conflict(size) | WitnessRefusal::Fork(size))) => {
            let answer = (
                StatusCode::CONFLICT,
                [(CONTENT_TYPE, TLOG_SIZE)],
                format!("{size}\n"),
            );
            Ok(answer.into_response())
        }
        Err(AddCheckpointFault::Refused(refusal)) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            Err(Problem::new(status, "not_cosigned", refusal.to_string()))
        }
        Err(AddCheckpointFault::NoWitness) => Err(not_a_witness()),
        Err(fault) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Err(Problem::new(status, "witness_state", fault.to_string()))
        }
    }
}

/// Show what this server is as a witness of other logs.
#[utoipa::path(get, path = "/api/v1/audit/witness", operation_id = "showWitness", tag = "administration",
    responses((status = 200, description = "Its key and the logs it watches", body = WitnessBody),
        (status = 404, description = "It is none (`not_a_witness`)", body = crate::problem::ErrorBody)))]
async fn show(State(app): State<App>, Caller(caller): Caller) -> Result<Json<WitnessBody>, Problem> {
    let (key, logs) = app.authority.witness(&caller)?.ok_or_else(not_a_witness)?;
    let logs = logs.into_iter().map(|log: WatchedLog| WatchedBody {
        origin: log.origin,
        size: log.size,
        problem: log.problem,
    });
    Ok(Json(WitnessBody {
        key: key.to_string(),
        logs: logs.collect(),
    }))
}

fn not_a_witness() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_a_witness",
        "this server is no witness of other logs: `[audit.witness]` in its configuration and a new start make it one",
    )
}
