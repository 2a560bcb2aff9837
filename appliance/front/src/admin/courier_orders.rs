//! Orders of couriers as operators see them: all of them, those that nobody acknowledged, and those that wait for approval.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use axum::Json;
use axum::extract::State;
use ca::courier::{CourierOrderStatus, OrderFilter};
use courier_wire::Order;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::App;
use crate::auth::Caller;
use crate::courier::orders::told;
use crate::extract::{OptionalJson, QueryOf, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(approve))
        .routes(routes!(reject))
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only those of this courier, by name or identifier.
    courier: Option<String>,
    /// Only with this status.
    status: Option<String>,
    /// Only with this name, as `dns:web01.example.com`.
    name: Option<String>,
    /// Only those whose certificate was issued more than an hour ago and was never acknowledged.
    #[serde(default)]
    uninstalled: bool,
    /// After this order.
    cursor: Option<Uuid>,
    /// At most so many; 25 when absent, 100 at most.
    limit: Option<u32>,
}

/// Orders of couriers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CourierOrderList {
    items: Vec<Order>,
    /// Where the next page begins; null on the last one.
    next: Option<String>,
}

/// Why an order is rejected.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RejectionRequest {
    /// Told to the courier.
    reason: Option<String>,
}

/// List orders of couriers, the oldest first.
#[utoipa::path(get, path = "/api/v1/courier-orders", operation_id = "listCourierOrders", tag = "couriers", params(Wanted),
    responses((status = 200, description = "A page of them", body = CourierOrderList)))]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(wanted): QueryOf<Wanted>,
) -> Result<Json<CourierOrderList>, Problem> {
    let limit = wanted.limit.unwrap_or(25).clamp(1, 100);
    if wanted.uninstalled {
        let orders = app.authority.uninstalled_orders(&caller, limit).await?;
        return Ok(Json(CourierOrderList {
            items: orders.iter().map(told).collect(),
            next: None,
        }));
    }
    let courier = match &wanted.courier {
        Some(named) => Some(app.authority.courier(&caller, named).await?.id),
        None => None,
    };
    let status = wanted.status.as_deref().map(|status| {
        let message = "that is no status of an order";
        CourierOrderStatus::from_text(status).ok_or_else(|| Problem::bad_request("status_invalid", message))
    });
    let filter = OrderFilter {
        courier,
        status: status.transpose()?,
        name: wanted.name,
        since: None,
        after: wanted.cursor,
        limit: Some(limit),
    };
    let orders = app.authority.courier_orders(&caller, filter).await?;
    let is_full = u32::try_from(orders.len()).is_ok_and(|count| count == limit);
    Ok(Json(CourierOrderList {
        next: orders
            .last()
            .filter(|_| is_full)
            .map(|order| order.id.to_string()),
        items: orders.iter().map(told).collect(),
    }))
}

/// One order.
#[utoipa::path(get, path = "/api/v1/courier-orders/{id}", operation_id = "getCourierOrder", tag = "couriers", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The order", body = Order)))]
async fn one(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<Order>, Problem> {
    let order = app.authority.courier_order(&caller, identifier(&id)?).await?;
    Ok(Json(told(&order)))
}

/// Approve an order that waits: it is checked once more, and signed.
#[utoipa::path(post, path = "/api/v1/courier-orders/{id}/approve", operation_id = "approveCourierOrder", tag = "couriers",
    params(("id" = Uuid, Path)), responses((status = 200, description = "The order", body = Order)))]
async fn approve(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<Order>, Problem> {
    let order = app
        .authority
        .decide_courier_order(&caller, identifier(&id)?, true, None)
        .await?;
    Ok(Json(told(&order)))
}

/// Reject an order that waits.
#[utoipa::path(post, path = "/api/v1/courier-orders/{id}/reject", operation_id = "rejectCourierOrder", tag = "couriers",
    params(("id" = Uuid, Path)), request_body = RejectionRequest, responses((status = 200, description = "The order", body = Order)))]
async fn reject(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    OptionalJson(body): OptionalJson<RejectionRequest>,
) -> Result<Json<Order>, Problem> {
    let order = app
        .authority
        .decide_courier_order(&caller, identifier(&id)?, false, body.reason)
        .await?;
    Ok(Json(told(&order)))
}

fn identifier(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text)
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such order"))
}
