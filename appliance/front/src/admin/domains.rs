//! Registered domains: under which names certificates are given to couriers at all.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use axum::Json;
use axum::extract::State;
use ca::courier::Domain;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, QueryOf, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, register))
        .routes(routes!(change, remove))
}

/// A domain to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainRequest {
    /// The name; everything below it is meant as well.
    apex: String,
    /// Whether it may be a public suffix, under which others have names as well.
    #[serde(default)]
    allow_public_suffix: bool,
}

/// What a domain becomes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainChangeRequest {
    /// Whether names under it are given.
    enabled: bool,
}

/// A domain.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DomainBody {
    apex: String,
    /// Whether names under it are given.
    enabled: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Domains.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DomainList {
    items: Vec<DomainBody>,
    /// After which the next page begins; null on the last one.
    next: Option<String>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageOf {
    /// After this domain.
    cursor: Option<String>,
    /// At most so many; 100 when absent, 1000 at most.
    limit: Option<u32>,
}

/// List registered domains by name.
#[utoipa::path(get, path = "/api/v1/domains", operation_id = "listDomains", tag = "couriers", params(PageOf),
    responses((status = 200, description = "A page of them", body = DomainList)))]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(page): QueryOf<PageOf>,
) -> Result<Json<DomainList>, Problem> {
    let limit = page.limit.unwrap_or(100).clamp(1, 1000);
    let domains = app
        .authority
        .domains(&caller, page.cursor.as_deref(), limit)
        .await?;
    let is_full = u32::try_from(domains.len()).is_ok_and(|count| count == limit);
    Ok(Json(DomainList {
        next: domains
            .last()
            .filter(|_| is_full)
            .map(|domain| domain.apex.clone()),
        items: domains.into_iter().map(Into::into).collect(),
    }))
}

/// Register a domain.
#[utoipa::path(post, path = "/api/v1/domains", operation_id = "registerDomain", tag = "couriers", request_body = DomainRequest,
    responses((status = 201, description = "The domain", body = DomainBody)))]
async fn register(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<DomainRequest>,
) -> Result<(StatusCode, Json<DomainBody>), Problem> {
    let domain = app
        .authority
        .register_domain(&caller, &body.apex, body.allow_public_suffix)
        .await?;
    Ok((StatusCode::CREATED, Json(domain.into())))
}

/// Give names under a domain, or not any more. What was issued stays.
#[utoipa::path(put, path = "/api/v1/domains/{apex}", operation_id = "changeDomain", tag = "couriers", params(("apex" = String, Path)),
    request_body = DomainChangeRequest, responses((status = 200, description = "The domain", body = DomainBody)))]
async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(apex): Segment,
    JsonBody(body): JsonBody<DomainChangeRequest>,
) -> Result<Json<DomainBody>, Problem> {
    let domain = app.authority.enable_domain(&caller, &apex, body.enabled).await?;
    Ok(Json(domain.into()))
}

/// Remove a domain from the register. What was issued stays.
#[utoipa::path(delete, path = "/api/v1/domains/{apex}", operation_id = "removeDomain", tag = "couriers", params(("apex" = String, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(apex): Segment,
) -> Result<StatusCode, Problem> {
    app.authority.remove_domain(&caller, &apex).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Domain> for DomainBody {
    fn from(domain: Domain) -> Self {
        Self {
            apex: domain.apex,
            enabled: domain.is_enabled,
            created_at: domain.created_at,
            updated_at: domain.updated_at,
        }
    }
}
