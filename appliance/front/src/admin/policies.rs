//! Policies: what requests of couriers are held against.

use axum::Json;
use axum::extract::State;
use ca::courier::PolicyEntry;
use http::StatusCode;
use jiff::Timestamp;
use pki::policy::Policy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, replace, remove))
        .routes(routes!(enable))
        .routes(routes!(disable))
}

/// A policy: `name`, `description`, `matching_criteria` (`action`, `domains`), `rules` (`action`, `fail`, `values`), `is_enabled`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(crate) struct PolicyRequest(Policy);

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyBody {
    id: i64,
    #[schema(value_type = Object)]
    policy: Value,
    /// Counts up from 1 with every change.
    revision: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// All policies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyList {
    items: Vec<PolicyBody>,
}

/// List all policies.
#[utoipa::path(get, path = "/api/v1/policies", operation_id = "listPolicies", tag = "couriers",
    responses((status = 200, description = "All of them", body = PolicyList)))]
async fn list(State(app): State<App>, Caller(caller): Caller) -> Result<Json<PolicyList>, Problem> {
    let all = app.authority.policies(&caller).await?;
    Ok(Json(PolicyList {
        items: all.into_iter().map(Into::into).collect(),
    }))
}

/// Add a policy. It counts from the next request on.
#[utoipa::path(post, path = "/api/v1/policies", operation_id = "createPolicy", tag = "couriers", request_body = PolicyRequest,
    responses((status = 201, description = "The policy", body = PolicyBody)))]
async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(PolicyRequest(policy)): JsonBody<PolicyRequest>,
) -> Result<(StatusCode, Json<PolicyBody>), Problem> {
    let made = app.authority.create_policy(&caller, policy).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// One policy.
#[utoipa::path(get, path = "/api/v1/policies/{id}", operation_id = "getPolicy", tag = "couriers", params(("id" = i64, Path)),
    responses((status = 200, description = "The policy", body = PolicyBody)))]
async fn one(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<PolicyBody>, Problem> {
    Ok(Json(app.authority.policy(&caller, number(&id)?).await?.into()))
}

/// Put another policy in the place of one; the whole of it is given.
#[utoipa::path(put, path = "/api/v1/policies/{id}", operation_id = "replacePolicy", tag = "couriers", params(("id" = i64, Path)),
    request_body = PolicyRequest, responses((status = 200, description = "The policy", body = PolicyBody)))]
async fn replace(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    JsonBody(PolicyRequest(policy)): JsonBody<PolicyRequest>,
) -> Result<Json<PolicyBody>, Problem> {
    let replaced = app
        .authority
        .replace_policy(&caller, number(&id)?, policy, None)
        .await?;
    Ok(Json(replaced.into()))
}

/// Remove a policy.
#[utoipa::path(delete, path = "/api/v1/policies/{id}", operation_id = "deletePolicy", tag = "couriers", params(("id" = i64, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    app.authority.delete_policy(&caller, number(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hold requests against a policy.
#[utoipa::path(post, path = "/api/v1/policies/{id}/enable", operation_id = "enablePolicy", tag = "couriers", params(("id" = i64, Path)),
    responses((status = 200, description = "The policy", body = PolicyBody)))]
async fn enable(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<PolicyBody>, Problem> {
    Ok(Json(
        app.authority
            .enable_policy(&caller, number(&id)?, true)
            .await?
            .into(),
    ))
}

/// Hold requests no more against a policy.
#[utoipa::path(post, path = "/api/v1/policies/{id}/disable", operation_id = "disablePolicy", tag = "couriers", params(("id" = i64, Path)),
    responses((status = 200, description = "The policy", body = PolicyBody)))]
async fn disable(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<PolicyBody>, Problem> {
    Ok(Json(
        app.authority
            .enable_policy(&caller, number(&id)?, false)
            .await?
            .into(),
    ))
}

fn number(text: &str) -> Result<i64, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such policy"))
}

impl From<PolicyEntry> for PolicyBody {
    fn from(entry: PolicyEntry) -> Self {
        Self {
            id: entry.id,
            policy: serde_json::to_value(&entry.policy).unwrap_or_default(),
            revision: entry.revision,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        }
    }
}
