//! Courier records: make, change, list, switch on and off, remove; and the switches of the methods that keep a credential on the host.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use axum::Json;
use axum::extract::State;
use ca::courier::{Courier, CourierChange, CourierRecord, Method, MethodSwitch, NewCourier};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
        .routes(routes!(list, create))
        .routes(routes!(one, change, remove))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(methods))
        .routes(routes!(switch))
}

/// A courier to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CourierRequest {
    /// Its name: letters, digits, dots, hyphens and underscores.
    name: String,
    /// What it may have: `allowed_names`, `allowed_ips`, `profiles`, `issuer`, `platform_keys`, `may_revoke`, `needs_approval`,
    /// `quotas`, `disabled_methods`, `minimum_client_version`, `labels`. What is absent is denied.
    #[serde(default)]
    #[schema(value_type = Object)]
    record: CourierRecord,
    /// When it ends; never when absent.
    expires_at: Option<Timestamp>,
}

/// What a courier becomes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CourierChangeRequest {
    /// The whole record: what is left out is denied from then on.
    #[schema(value_type = Object)]
    record: CourierRecord,
    /// When it ends; never when absent.
    expires_at: Option<Timestamp>,
    /// The revision that was looked at; whatever it is when absent.
    revision: Option<i64>,
}

/// A courier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CourierBody {
    id: Uuid,
    name: String,
    /// `active`, `disabled` or `expired`.
    status: String,
    #[schema(value_type = Object)]
    record: Value,
    /// Counts up from 1 with every change.
    revision: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// Couriers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CourierList {
    items: Vec<CourierBody>,
    /// Where the next page begins; null on the last one.
    next: Option<Uuid>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageOf {
    /// After this courier.
    cursor: Option<Uuid>,
    /// At most so many; 100 when absent, 1000 at most.
    limit: Option<u32>,
}

/// A switch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MethodBody {
    /// `certificate` or `client_secret`.
    method: String,
    /// Whether it is let in.
    enabled: bool,
    /// Couriers whose last authentication used it; at most 100 are named.
    used_by: Vec<String>,
}

/// The switches.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MethodList {
    items: Vec<MethodBody>,
}

/// How a switch shall stand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MethodRequest {
    /// Whether it is let in.
    enabled: bool,
}

/// List couriers, the oldest first.
#[utoipa::path(get, path = "/api/v1/couriers", operation_id = "listCouriers", tag = "couriers", params(PageOf),
    responses((status = 200, description = "A page of them", body = CourierList)))]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(page): QueryOf<PageOf>,
) -> Result<Json<CourierList>, Problem> {
    let limit = page.limit.unwrap_or(100).clamp(1, 1000);
    let couriers = app.authority.couriers(&caller, page.cursor, limit).await?;
    let is_full = u32::try_from(couriers.len()).is_ok_and(|count| count == limit);
    Ok(Json(CourierList {
        next: couriers.last().filter(|_| is_full).map(|courier| courier.id),
        items: couriers.into_iter().map(Into::into).collect(),
    }))
}

/// Make a courier. It cannot authenticate before it has a credential.
#[utoipa::path(post, path = "/api/v1/couriers", operation_id = "createCourier", tag = "couriers", request_body = CourierRequest,
    responses((status = 201, description = "The courier", body = CourierBody)))]
async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<CourierRequest>,
) -> Result<(StatusCode, Json<CourierBody>), Problem> {
    let new = NewCourier {
        name: body.name,
        record: body.record,
        expires_at: body.expires_at,
    };
    let courier = app.authority.create_courier(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(courier.into())))
}

/// One courier, by identifier or name.
#[utoipa::path(get, path = "/api/v1/couriers/{courier}", operation_id = "getCourier", tag = "couriers", params(("courier" = String, Path)),
    responses((status = 200, description = "The courier", body = CourierBody)))]
async fn one(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(named): Segment,
) -> Result<Json<CourierBody>, Problem> {
    Ok(Json(app.authority.courier(&caller, &named).await?.into()))
}

/// Change what a courier may have. It counts from its next request on.
#[utoipa::path(put, path = "/api/v1/couriers/{courier}", operation_id = "changeCourier", tag = "couriers", params(("courier" = String, Path)),
    request_body = CourierChangeRequest, responses((status = 200, description = "The courier", body = CourierBody)))]
async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(named): Segment,
    JsonBody(body): JsonBody<CourierChangeRequest>,
) -> Result<Json<CourierBody>, Problem> {
    let id = app.authority.courier(&caller, &named).await?.id;
    let change = CourierChange {
        record: body.record,
        expires_at: body.expires_at,
        expected_revision: body.revision,
    };
    Ok(Json(
        app.authority.change_courier(&caller, id, change).await?.into(),
    ))
}

/// Remove a courier with its credentials and sessions. Its orders and certificates stay.
#[utoipa::path(delete, path = "/api/v1/couriers/{courier}", operation_id = "deleteCourier", tag = "couriers", params(("courier" = String, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(named): Segment,
) -> Result<StatusCode, Problem> {
    let id = app.authority.courier(&caller, &named).await?.id;
    app.authority.delete_courier(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a courier in again.
#[utoipa::path(post, path = "/api/v1/couriers/{courier}/enable", operation_id = "enableCourier", tag = "couriers", params(("courier" = String, Path)),
    responses((status = 200, description = "The courier", body = CourierBody)))]
async fn enable(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(named): Segment,
) -> Result<Json<CourierBody>, Problem> {
    let id = app.authority.courier(&caller, &named).await?.id;
    Ok(Json(
        app.authority.enable_courier(&caller, id, true).await?.into(),
    ))
}

/// Let a courier in no more; its sessions end at once.
#[utoipa::path(post, path = "/api/v1/couriers/{courier}/disable", operation_id = "disableCourier", tag = "couriers", params(("courier" = String, Path)),
    responses((status = 200, description = "The courier", body = CourierBody)))]
async fn disable(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(named): Segment,
) -> Result<Json<CourierBody>, Problem> {
    let id = app.authority.courier(&caller, &named).await?.id;
    Ok(Json(
        app.authority.enable_courier(&caller, id, false).await?.into(),
    ))
}

/// The switches of the methods that keep a credential on the host.
#[utoipa::path(get, path = "/api/v1/courier-methods", operation_id = "listCourierMethods", tag = "couriers",
    responses((status = 200, description = "Each as it stands", body = MethodList)))]
async fn methods(State(app): State<App>, Caller(caller): Caller) -> Result<Json<MethodList>, Problem> {
    let switches = app.authority.courier_methods(&caller).await?;
    Ok(Json(switches.into()))
}

/// Switch such a method on or off for all couriers. Switched off, its sessions end at once.
#[utoipa::path(put, path = "/api/v1/courier-methods/{method}", operation_id = "switchCourierMethod", tag = "couriers",
    params(("method" = String, Path, description = "`certificate` or `client_secret`")), request_body = MethodRequest,
    responses((status = 200, description = "Each as it stands", body = MethodList)))]
async fn switch(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(method): Segment,
    JsonBody(body): JsonBody<MethodRequest>,
) -> Result<Json<MethodList>, Problem> {
    let method: Method = method
        .parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such method"))?;
    let switches = app
        .authority
        .switch_courier_method(&caller, method, body.enabled)
        .await?;
    Ok(Json(switches.into()))
}

impl From<Courier> for CourierBody {
    fn from(courier: Courier) -> Self {
        Self {
            id: courier.id,
            status: courier.status.to_string(),
            record: serde_json::to_value(&courier.record).unwrap_or_default(),
            revision: courier.revision,
            created_at: courier.created_at,
            updated_at: courier.updated_at,
            expires_at: courier.expires_at,
            name: courier.name,
        }
    }
}

impl From<Vec<MethodSwitch>> for MethodList {
    fn from(switches: Vec<MethodSwitch>) -> Self {
        let items = switches.into_iter().map(|switch| MethodBody {
            method: switch.method.name().to_owned(),
            enabled: switch.is_enabled,
            used_by: switch.used_by,
        });
        Self {
            items: items.collect(),
        }
    }
}
