//! Bridges as operators see them: tokens for their registration, what instances there are, and their end.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ca::courier::{Bridge, BridgeTokenRequest};
use http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, QueryOf, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_token))
        .routes(routes!(list))
        .routes(routes!(approve))
        .routes(routes!(retire))
}

/// A registration token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BridgeTokenBody {
    /// The bridge whose instance comes to be with it; several instances have the same.
    bridge: String,
    /// The CA that issues for it, by name; the only one that comes into question when absent.
    issuer: Option<String>,
    /// How many minutes it is good for: 1440 at most, and when absent.
    minutes: Option<u32>,
    /// Whether the instance forwards nothing before somebody approved it; false when absent.
    #[serde(default)]
    needs_approval: bool,
}

/// A registration token. It is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewBridgeTokenBody {
    bridge: String,
    /// For `courier-bridge register --token FILE`; good for one registration.
    token: String,
    expires_at: Timestamp,
}

/// An instance of a bridge.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BridgeBody {
    id: Uuid,
    /// The bridge whose instance it is.
    bridge: String,
    /// `pending` while it waits for approval, `active` or `retired`.
    status: String,
    /// The version of its program.
    version: Option<String>,
    created_at: Timestamp,
    /// When it was there last, known to a minute.
    seen_at: Option<Timestamp>,
    /// When its certificate ends.
    certificate_ends_at: Option<Timestamp>,
    /// How it does; null before it said so.
    report: Option<BridgeReportBody>,
}

/// What an instance last said of itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BridgeReportBody {
    /// `terminate` or `tunnel`.
    mode: String,
    /// Connections of couriers at that time.
    connections_open: u64,
    /// Requests and tunnels since it was started.
    requests: u64,
    /// Those of them that did not get through.
    failures: u64,
    started_at: Option<Timestamp>,
    reported_at: Timestamp,
}

/// Instances of bridges.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BridgeList {
    items: Vec<BridgeBody>,
    /// After which the next page begins; null on the last one.
    next: Option<Uuid>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageOf {
    /// After this instance.
    cursor: Option<Uuid>,
    /// At most so many; 100 when absent, 1000 at most.
    limit: Option<u32>,
}

/// Make a token with which an instance of a bridge registers, once.
#[utoipa::path(post, path = "/api/v1/bridge-tokens", operation_id = "createBridgeToken", tag = "couriers", request_body = BridgeTokenBody,
    responses((status = 201, description = "The token", body = NewBridgeTokenBody)))]
async fn create_token(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<BridgeTokenBody>,
) -> Result<(StatusCode, Json<NewBridgeTokenBody>), Problem> {
    let request = BridgeTokenRequest {
        bridge: body.bridge,
        issuer: body.issuer,
        lifetime: body
            .minutes
            .map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
        needs_approval: body.needs_approval,
    };
    let made = app.authority.create_bridge_token(&caller, request).await?;
    let told = NewBridgeTokenBody {
        bridge: made.bridge,
        token: made.token.expose_secret().to_owned(),
        expires_at: made.expires_at,
    };
    Ok((StatusCode::CREATED, Json(told)))
}

/// List instances of bridges in the order in which they came to be, the retired ones too.
#[utoipa::path(get, path = "/api/v1/bridges", operation_id = "listBridges", tag = "couriers", params(PageOf),
    responses((status = 200, description = "A page of them", body = BridgeList)))]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(page): QueryOf<PageOf>,
) -> Result<Json<BridgeList>, Problem> {
    let limit = page.limit.unwrap_or(100).clamp(1, 1000);
    let bridges = app.authority.bridges(&caller, page.cursor, limit).await?;
    let is_full = u32::try_from(bridges.len()).is_ok_and(|count| count == limit);
    Ok(Json(BridgeList {
        next: bridges.last().filter(|_| is_full).map(|bridge| bridge.id),
        items: bridges.into_iter().map(Into::into).collect(),
    }))
}

/// Retire an instance: nothing it forwards is taken any more, and its certificates are revoked. Retiring it again changes nothing.
#[utoipa::path(delete, path = "/api/v1/bridges/{id}", operation_id = "retireBridge", tag = "couriers", params(("id" = Uuid, Path)),
    responses((status = 204, description = "It has ended")))]
async fn retire(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    app.authority.retire_bridge(&caller, uuid(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Approve an instance that was registered with a token of `needs_approval`. Approving it again changes nothing.
#[utoipa::path(post, path = "/api/v1/bridges/{id}/approve", operation_id = "approveBridge", tag = "couriers", params(("id" = Uuid, Path)),
    responses((status = 204, description = "What it forwards is taken")))]
async fn approve(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    app.authority.approve_bridge(&caller, uuid(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn uuid(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| Problem::bad_request("invalid_path", "the identifier is no UUID"))
}

impl From<Bridge> for BridgeBody {
    fn from(bridge: Bridge) -> Self {
        Self {
            id: bridge.id,
            bridge: bridge.bridge,
            status: bridge.status.name().to_owned(),
            version: bridge.version,
            created_at: bridge.created_at,
            seen_at: bridge.seen_at,
            certificate_ends_at: bridge.certificate_ends_at,
            report: bridge.report.map(|(report, reported_at)| BridgeReportBody {
                mode: report.mode,
                connections_open: report.connections_open,
                requests: report.requests,
                failures: report.failures,
                started_at: report.started_at,
                reported_at,
            }),
        }
    }
}
