//! Orders of couriers.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use ca::courier::{CourierOrder, CourierOrderStatus, OrderFilter};
use courier_wire::{
    Ack, Certificate, CertificateAnswer, Envelope, KeyAnswer, MAX_WAIT_SECONDS, Order, OrderAnswer,
    OrderError, OrderRequest, Orders, Preflight, RequestedBy, Warning,
};
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::bearer::SignedIn;
use super::certificates::{fingerprint, hexadecimal};
use super::order_request::request;
use super::sign_in::wrong;
use crate::api::App;
use crate::extract::{JsonBody, QueryOf, Segment};
use crate::problem::Problem;

/// How often an order that somebody waits for is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// When to look again at an order that waits.
const LATER: &str = "5";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(preflight))
        .routes(routes!(list, place))
        .routes(routes!(one))
        .routes(routes!(certificate))
        .routes(routes!(key))
        .routes(routes!(acknowledge))
        .routes(routes!(cancel))
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only with this status.
    status: Option<String>,
    /// Only with this name, as `dns:web01.example.com`.
    name: Option<String>,
    /// Only those placed at or after this time.
    since: Option<Timestamp>,
    /// After this order.
    after: Option<Uuid>,
    /// At most so many; 25 when absent, 100 at most.
    limit: Option<u32>,
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wait {
    /// Seconds to wait for the order to move on; at most 25.
    wait: Option<u64>,
}

/// All checks of an order, without placing one.
#[utoipa::path(post, path = "/api/v1/courier/preflight", operation_id = "courierPreflight", tag = "courier", security(("session" = [])),
    request_body = OrderRequest, responses((status = 200, description = "What it would come to", body = Preflight),
        (status = 403, description = "DOMAIN_NOT_REGISTERED, DOMAIN_DISABLED, DOMAIN_NOT_ALLOWED, POLICY_DENIED and others", body = Envelope)))]
async fn preflight(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    JsonBody(body): JsonBody<OrderRequest>,
) -> Result<Json<Preflight>, Problem> {
    let request = request(body)?;
    let preflight = app.authority.preflight_courier_order(&session, &request).await?;
    Ok(Json(Preflight {
        success: true,
        names: preflight.names,
        profile: preflight.profile,
        warnings: preflight.warnings.into_iter().map(warning).collect(),
    }))
}

/// Place an order. The same `Idempotency-Key` with the same request gives the same order again.
#[utoipa::path(post, path = "/api/v1/courier/orders", operation_id = "courierPlaceOrder", tag = "courier", security(("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "By which the request is known; at most 128 octets")),
    request_body = OrderRequest,
    responses((status = 201, description = "The certificate is there", body = OrderAnswer),
        (status = 202, description = "It takes longer: look again at `Location`", body = OrderAnswer),
        (status = 403, description = "DOMAIN_NOT_REGISTERED, DOMAIN_DISABLED, DOMAIN_NOT_ALLOWED, POLICY_DENIED, KEY_MODE_NOT_ALLOWED and others", body = Envelope),
        (status = 409, description = "IDEMPOTENCY_CONFLICT", body = Envelope)))]
async fn place(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    headers: HeaderMap,
    JsonBody(body): JsonBody<OrderRequest>,
) -> Result<Response, Problem> {
    let key = headers
        .get("idempotency-key")
        .map(|key| key.to_str().map(str::to_owned));
    let key = key
        .transpose()
        .map_err(|_| wrong("Idempotency-Key", "is not text"))?;
    let order = app
        .authority
        .place_courier_order(&session, request(body)?, key)
        .await?;
    Ok(placed(&order))
}

/// The orders of the courier.
#[utoipa::path(get, path = "/api/v1/courier/orders", operation_id = "courierOrders", tag = "courier", security(("session" = [])),
    params(Wanted), responses((status = 200, description = "A page of them, the oldest first", body = Orders)))]
async fn list(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    QueryOf(wanted): QueryOf<Wanted>,
) -> Result<Json<Orders>, Problem> {
    let limit = wanted.limit.unwrap_or(25).clamp(1, 100);
    let status = wanted.status.as_deref().map(|status| {
        CourierOrderStatus::from_text(status).ok_or_else(|| wrong("status", "is no status of an order"))
    });
    let filter = OrderFilter {
        courier: None,
        status: status.transpose()?,
        name: wanted.name,
        since: wanted.since,
        after: wanted.after,
        limit: Some(limit),
    };
    let orders = app.authority.own_courier_orders(&session, filter).await?;
    let is_full = u32::try_from(orders.len()).is_ok_and(|count| count == limit);
    Ok(Json(Orders {
        success: true,
        next: orders
            .last()
            .filter(|_| is_full)
            .map(|order| order.id.to_string()),
        orders: orders.iter().map(told).collect(),
    }))
}

/// One order; with `wait` when it moves on, or when the time is over.
#[utoipa::path(get, path = "/api/v1/courier/orders/{uuid}", operation_id = "courierOrder", tag = "courier", security(("session" = [])),
    params(("uuid" = String, Path), Wait), responses((status = 200, description = "The order", body = OrderAnswer)))]
async fn one(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Segment(uuid): Segment,
    QueryOf(wait): QueryOf<Wait>,
) -> Result<Json<OrderAnswer>, Problem> {
    let id = identifier(&uuid)?;
    let seconds = wait.wait.unwrap_or(0).min(MAX_WAIT_SECONDS);
    let looks = Duration::from_secs(seconds).as_millis() / LOOK.as_millis();
    let mut order = app.authority.own_courier_order(&session, id).await?;
    for _ in 0..looks {
        if !is_waiting(order.status) {
            break;
        }
        tokio::time::sleep(LOOK).await;
        order = app.authority.own_courier_order(&session, id).await?;
    }
    Ok(Json(answer(&order)))
}

/// The certificate of an order. Fetching it moves the order on.
#[utoipa::path(get, path = "/api/v1/courier/orders/{uuid}/certificate", operation_id = "courierCertificate", tag = "courier",
    security(("session" = [])), params(("uuid" = String, Path)),
    responses((status = 200, description = "The certificate and what stands above it, without a root", content(
        (String = "application/pem-certificate-chain"), (CertificateAnswer = "application/json"))),
        (status = 409, description = "ORDER_HAS_NO_CERTIFICATE", body = Envelope), (status = 410, description = "ORDER_EXPIRED", body = Envelope)))]
async fn certificate(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Segment(uuid): Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fetched = app
        .authority
        .fetch_courier_certificate(&session, identifier(&uuid)?)
        .await?;
    let mut pems = fetched
        .chain
        .iter()
        .map(|der| pki::pem::encode("CERTIFICATE", der));
    let leaf = pems.next().unwrap_or_default();
    let above: String = pems.collect();
    let wants_json = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    if wants_json {
        return Ok(Json(CertificateAnswer {
            success: true,
            certificate_pem: leaf,
            chain_pem: above,
        })
        .into_response());
    }
    let chain = format!("{leaf}{above}");
    Ok(([(CONTENT_TYPE, "application/pem-certificate-chain")], chain).into_response())
}

/// The key of an order whose key the appliance made, encrypted to the recipient that the order named. It is given out once, within a day.
#[utoipa::path(get, path = "/api/v1/courier/orders/{uuid}/key", operation_id = "courierKey", tag = "courier",
    security(("session" = [])), params(("uuid" = String, Path)),
    responses((status = 200, description = "The key; it is gone from the appliance now", body = KeyAnswer),
        (status = 404, description = "NOT_FOUND: the appliance made no key for this order", body = Envelope),
        (status = 409, description = "ALREADY_RETRIEVED, ORDER_HAS_NO_CERTIFICATE", body = Envelope),
        (status = 410, description = "KEY_EXPIRED, ORDER_EXPIRED", body = Envelope)))]
async fn key(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Segment(uuid): Segment,
) -> Result<Json<KeyAnswer>, Problem> {
    let jwe = app
        .authority
        .fetch_courier_key(&session, identifier(&uuid)?)
        .await?;
    Ok(Json(KeyAnswer { success: true, jwe }))
}

/// Say that a certificate is in use.
#[utoipa::path(post, path = "/api/v1/courier/orders/{uuid}/ack", operation_id = "courierAcknowledge", tag = "courier",
    security(("session" = [])), params(("uuid" = String, Path)), request_body = Ack,
    responses((status = 200, description = "The order", body = OrderAnswer)))]
async fn acknowledge(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Segment(uuid): Segment,
    JsonBody(ack): JsonBody<Ack>,
) -> Result<Json<OrderAnswer>, Problem> {
    let print = fingerprint(&ack.fingerprint_sha256)?;
    let ack = serde_json::to_value(&ack).unwrap_or_default();
    let id = identifier(&uuid)?;
    let order = app
        .authority
        .acknowledge_courier_order(&session, id, print, ack)
        .await?;
    Ok(Json(answer(&order)))
}

/// Withdraw an order that waits still.
#[utoipa::path(post, path = "/api/v1/courier/orders/{uuid}/cancel", operation_id = "courierCancel", tag = "courier",
    security(("session" = [])), params(("uuid" = String, Path)),
    responses((status = 200, description = "The order", body = OrderAnswer), (status = 409, description = "ORDER_NOT_CANCELLABLE", body = Envelope)))]
async fn cancel(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Segment(uuid): Segment,
) -> Result<Json<OrderAnswer>, Problem> {
    let order = app
        .authority
        .cancel_courier_order(&session, identifier(&uuid)?)
        .await?;
    Ok(Json(answer(&order)))
}

/// 201 with a certificate; 202 with where to look again while there is none; 200 for an order that has ended without one.
fn placed(order: &CourierOrder) -> Response {
    let body = Json(answer(order));
    if !is_waiting(order.status) {
        let status = if order.certificate.is_some() {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        return (status, body).into_response();
    }
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    let headers = response.headers_mut();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/courier/orders/{}", order.id)) {
        headers.insert(LOCATION, place);
    }
    headers.insert(RETRY_AFTER, HeaderValue::from_static(LATER));
    response
}

fn is_waiting(status: CourierOrderStatus) -> bool {
    use CourierOrderStatus as Status;
    matches!(
        status,
        Status::Pending | Status::Checking | Status::PendingApproval | Status::Signing
    )
}

fn identifier(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text)
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such order"))
}

fn answer(order: &CourierOrder) -> OrderAnswer {
    OrderAnswer {
        success: true,
        order: told(order),
    }
}

/// An order as it is told.
pub(crate) fn told(order: &CourierOrder) -> Order {
    Order {
        uuid: order.id.to_string(),
        status: order.status.as_str().to_owned(),
        kind: order.kind.clone(),
        key_mode: order.key_mode.clone(),
        requested_by: RequestedBy {
            r#type: "courier".to_owned(),
            uuid: order.courier.to_string(),
            name: order.courier_name.clone(),
        },
        names: order.names.clone(),
        profile: order.profile.clone(),
        created_at: order.created_at,
        updated_at: order.updated_at,
        expires_at: order.expires_at,
        warnings: order.warnings.iter().cloned().map(warning).collect(),
        error: order.fault.clone().map(|fault| OrderError {
            code: fault.code.to_ascii_uppercase(),
            message: fault.message,
            retryable: fault.retryable,
        }),
        certificate: order.certificate.as_ref().map(|certificate| Certificate {
            serial: certificate.serial.to_string(),
            fingerprint_sha256: hexadecimal(&certificate.fingerprint),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        }),
    }
}

fn warning(warning: ca::courier::OrderWarning) -> Warning {
    Warning {
        policy: warning.policy,
        rule: warning.rule,
        message: warning.message,
    }
}
