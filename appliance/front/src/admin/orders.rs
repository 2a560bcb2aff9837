//! Orders: what became of a request, and why it was refused.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::Segment;
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// An order and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderBody {
    id: Uuid,
    at: Timestamp,
    requester: String,
    profile: String,
    issuer_id: Option<Uuid>,
    subject: String,
    names: Vec<String>,
    /// `issued`, `refused` or `failed`.
    state: String,
    /// The stable code of a refusal or failure.
    code: Option<String>,
    message: Option<String>,
    /// More of it: the findings of the lint, for example.
    details: Value,
    certificate_id: Option<Uuid>,
}

/// Explain an order, named by its own identifier or by that of its certificate.
#[utoipa::path(get, path = "/api/v1/orders/{id}", operation_id = "explainOrder", tag = "certificates",
    params(("id" = Uuid, Path, description = "The order_id of an answer, or a certificate's id")),
    responses((status = 200, description = "The order and what became of it", body = OrderBody)))]
async fn show(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<OrderBody>, Problem> {
    let id = id
        .parse()
        .map_err(|_| Problem::bad_request("id_invalid", "an order is named by its identifier, a UUID"))?;
    let order = app.authority.explain(&caller, id).await?;
    Ok(Json(OrderBody {
        id: order.order_id,
        at: order.at,
        requester: order.requester,
        profile: order.profile,
        issuer_id: order.issuer_id,
        subject: order.subject,
        names: order.names,
        state: order.state,
        code: order.code,
        message: order.message,
        details: order.details,
        certificate_id: order.certificate_id,
    }))
}
