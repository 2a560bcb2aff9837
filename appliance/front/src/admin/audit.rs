//! The audit log: read and verify.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use axum::Json;
use axum::extract::State;
use ca::AuditVerdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::QueryOf;
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Entries after this number; 0 for the first page.
    #[serde(default)]
    after: i64,
    /// At most so many: 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// One entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditBody {
    /// Counts up from 1 without gaps.
    seq: i64,
    at: Timestamp,
    actor: String,
    action: String,
    object: String,
    /// `ok`, or the code of a refusal.
    outcome: String,
    details: Value,
    /// SHA-256 over the hash before and this entry, hexadecimal.
    hash: String,
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditList {
    items: Vec<AuditBody>,
    /// The `after` of the next page; null when there is nothing after this one yet.
    next: Option<i64>,
}

/// How a check of the log ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerdictBody {
    /// Whether every entry hangs on the one before it.
    sound: bool,
    /// How many entries were checked.
    entries: i64,
    /// The hash of the last entry, hexadecimal.
    head: Option<String>,
    /// The first entry that is not right.
    broken_at: Option<i64>,
    /// What is wrong with it.
    problem: Option<String>,
}

/// Read the audit log, oldest first.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "readAuditLog", tag = "administration", params(AuditQuery),
    responses((status = 200, description = "A page of the log", body = AuditList)))]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(query): QueryOf<AuditQuery>,
) -> Result<Json<AuditList>, Problem> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let records = app.authority.audit_tail(&caller, query.after, limit).await?;
    let is_full = u32::try_from(records.len()).is_ok_and(|count| count == limit);
    let next = records.last().map(|record| record.seq).filter(|_| is_full);
    let items = records.into_iter().map(|record| AuditBody {
        seq: record.seq,
        at: record.at,
        actor: record.actor,
        action: record.action,
        object: record.object,
        outcome: record.outcome,
        details: record.details,
        hash: record.hash,
    });
    Ok(Json(AuditList {
        items: items.collect(),
        next,
    }))
}

/// Check the hash chain of the whole log.
#[utoipa::path(get, path = "/api/v1/audit/verify", operation_id = "verifyAuditLog", tag = "administration",
    responses((status = 200, description = "How the check ended", body = VerdictBody)))]
async fn verify(State(app): State<App>, Caller(caller): Caller) -> Result<Json<VerdictBody>, Problem> {
    Ok(Json(match app.authority.audit_verify(&caller).await? {
        AuditVerdict::Sound { entries, head } => VerdictBody {
            sound: true,
            entries,
            head: Some(head),
            broken_at: None,
            problem: None,
        },
        AuditVerdict::Broken { seq, what } => VerdictBody {
            sound: false,
            entries: seq - 1,
            head: None,
            broken_at: Some(seq),
            problem: Some(what),
        },
    }))
}
