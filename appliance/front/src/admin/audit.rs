//! The audit log: read, verify, prove.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use axum::Json;
use axum::extract::State;
use ca::{AuditSelection, AuditTree, AuditTreeVerdict, AuditVerdict};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, QueryOf};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(verify))
        .routes(routes!(key))
        .routes(routes!(checkpoint))
        .routes(routes!(prove))
        .routes(routes!(prove_consistency))
        .routes(routes!(begin_anew))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Entries after this number; 0 for the first page.
    #[serde(default)]
    after: i64,
    /// The last entries before this number, in place of the first ones.
    before: Option<i64>,
    /// At most so many: 1 to 1000, 100 when absent.
    limit: Option<u32>,
    /// Only entries about this object, such as the identifier of a certificate.
    object: Option<String>,
    /// Only entries of this action, such as `certificate.revoke`.
    action: Option<String>,
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
    /// The `after` of the next page, or its `before` when the question had one; null when there is nothing further yet.
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
    /// What is signed of it; null before there is a key, and when something is wrong.
    tree: Option<TreeBody>,
}

/// The log as it was signed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TreeBody {
    /// The verifier key (c2sp.org/signed-note): compare it with the one that was noted.
    key: String,
    /// Entries under the last checkpoint.
    size: i64,
    /// The root there, in base64.
    root: String,
    /// When that was signed; null before the first.
    signed_at: Option<Timestamp>,
}

/// The key of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditKeyBody {
    /// The verifier key (c2sp.org/signed-note); null before there is one.
    key: Option<String>,
}

/// The last checkpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckpointBody {
    /// A signed note (c2sp.org/tlog-checkpoint).
    checkpoint: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProofQuery {
    /// The number of an entry, or the object that the first one is about: the identifier of a certificate, for example.
    entry: String,
}

/// A proof about an entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProofBody {
    /// The number of the entry.
    seq: i64,
    /// The proof with the entry and the checkpoint (c2sp.org/tlog-proof), as it is kept in a file.
    proof: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConsistencyQuery {
    /// How many entries the older checkpoint speaks of.
    old: i64,
    /// And the newer one; the last one when absent.
    new: Option<i64>,
}

/// A proof that the log continues an older checkpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConsistencyBody {
    /// The proof with the newer checkpoint (the body of `add-checkpoint`, c2sp.org/tlog-witness).
    proof: String,
}

/// Why the log is begun anew.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BeginAnewBody {
    /// It stands in the log for auditors.
    reason: String,
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
    let is_backwards = query.before.is_some();
    let wanted = AuditSelection {
        after: query.after,
        before: query.before,
        object: query.object,
        action: query.action,
    };
    let records = app.authority.audit_select(&caller, wanted, limit).await?;
    let is_full = u32::try_from(records.len()).is_ok_and(|count| count == limit);
    let end = if is_backwards {
        records.first()
    } else {
        records.last()
    };
    let next = end.map(|record| record.seq).filter(|_| is_full);
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

/// Check the whole log: the hash chain, and the tree with its tiles and checkpoints.
#[utoipa::path(get, path = "/api/v1/audit/verify", operation_id = "verifyAuditLog", tag = "administration",
    responses((status = 200, description = "How the check ended", body = VerdictBody)))]
async fn verify(State(app): State<App>, Caller(caller): Caller) -> Result<Json<VerdictBody>, Problem> {
    let broken = |seq: Option<i64>, what: String| VerdictBody {
        sound: false,
        entries: seq.map_or(0, |seq| seq - 1),
        head: None,
        broken_at: seq,
        problem: Some(what),
        tree: None,
    };
    let (entries, head) = match app.authority.audit_verify(&caller).await? {
        AuditVerdict::Sound { entries, head } => (entries, head),
        AuditVerdict::Broken { seq, what } => return Ok(Json(broken(Some(seq), what))),
    };
    let tree = match app.authority.audit_tree(&caller).await? {
        AuditTreeVerdict::Broken(alarm) => return Ok(Json(broken(alarm.seq, alarm.what))),
        AuditTreeVerdict::Sound(tree) => Some(tree.into()),
        AuditTreeVerdict::Absent => None,
    };
    Ok(Json(VerdictBody {
        sound: true,
        entries,
        head: Some(head),
        broken_at: None,
        problem: None,
        tree,
    }))
}

impl From<AuditTree> for TreeBody {
    fn from(tree: AuditTree) -> Self {
        Self {
            signed_at: tree.signed_at(),
            key: tree.key,
            size: tree.size,
            root: tree.root,
        }
    }
}

/// Show the key that signs the log.
#[utoipa::path(get, path = "/api/v1/audit/key", operation_id = "showAuditKey", tag = "administration",
    responses((status = 200, description = "The verifier key", body = AuditKeyBody)))]
async fn key(State(app): State<App>, Caller(caller): Caller) -> Result<Json<AuditKeyBody>, Problem> {
    let key = app.authority.audit_key(&caller).await?;
    Ok(Json(AuditKeyBody { key }))
}

/// Show the last checkpoint of the log.
#[utoipa::path(get, path = "/api/v1/audit/checkpoint", operation_id = "showAuditCheckpoint", tag = "administration",
    responses((status = 200, description = "The signed note", body = CheckpointBody),
        (status = 409, description = "There is none yet (`audit_not_signed`)", body = crate::problem::ErrorBody)))]
async fn checkpoint(State(app): State<App>, Caller(caller): Caller) -> Result<Json<CheckpointBody>, Problem> {
    let checkpoint = app.authority.audit_checkpoint(&caller).await?;
    Ok(Json(CheckpointBody { checkpoint }))
}

/// Prove that an entry is in the log.
#[utoipa::path(get, path = "/api/v1/audit/proof", operation_id = "proveAuditEntry", tag = "administration", params(ProofQuery),
    responses((status = 200, description = "The proof", body = ProofBody),
        (status = 404, description = "There is no such entry", body = crate::problem::ErrorBody),
        (status = 409, description = "No checkpoint has it yet (`audit_not_signed`), or the log was tampered with (`audit_alarm`)",
            body = crate::problem::ErrorBody)))]
async fn prove(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(query): QueryOf<ProofQuery>,
) -> Result<Json<ProofBody>, Problem> {
    let proof = app.authority.prove_audit_entry(&caller, &query.entry).await?;
    Ok(Json(ProofBody {
        seq: proof.seq,
        proof: proof.text,
    }))
}

/// Prove that the log continues an older checkpoint.
#[utoipa::path(get, path = "/api/v1/audit/consistency", operation_id = "proveAuditConsistency", tag = "administration",
    params(ConsistencyQuery),
    responses((status = 200, description = "The proof", body = ConsistencyBody),
        (status = 404, description = "There is no such checkpoint", body = crate::problem::ErrorBody),
        (status = 409, description = "The log was tampered with (`audit_alarm`)", body = crate::problem::ErrorBody)))]
async fn prove_consistency(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(query): QueryOf<ConsistencyQuery>,
) -> Result<Json<ConsistencyBody>, Problem> {
    let proof = app
        .authority
        .prove_audit_consistency(&caller, query.old, query.new)
        .await?;
    Ok(Json(ConsistencyBody { proof }))
}

/// Begin the log anew, with another key, after a loss that cannot be made good.
#[utoipa::path(post, path = "/api/v1/audit/begin-anew", operation_id = "beginAuditLogAnew", tag = "administration",
    request_body = BeginAnewBody, responses((status = 204, description = "The next checkpoint is one of a new log")))]
async fn begin_anew(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<BeginAnewBody>,
) -> Result<StatusCode, Problem> {
    app.authority.begin_audit_log_anew(&caller, &body.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
