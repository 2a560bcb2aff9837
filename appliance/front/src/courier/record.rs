//! What a courier is told of itself, what it tells of its runs, and whom it shall trust.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use courier_wire::{OwnRecord, Profile, Report};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bearer::SignedIn;
use super::sign_in::courier;
use crate::api::App;
use crate::extract::JsonBody;
use crate::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(own))
        .routes(routes!(report))
        .routes(routes!(ca_bundle))
}

/// What a courier may have.
#[utoipa::path(get, path = "/api/v1/courier/self", operation_id = "courierSelf", tag = "courier", security(("session" = [])),
    responses((status = 200, description = "Its record", body = OwnRecord)))]
async fn own(State(app): State<App>, SignedIn(session): SignedIn) -> Json<OwnRecord> {
    let view = app.authority.courier_view(&session);
    let profiles = view.profiles.into_iter().map(|profile| Profile {
        name: profile.name,
        key_algorithms: profile.key_algorithms,
        default_validity: profile.default_validity,
        max_validity: profile.max_validity,
        max_validity_days: profile.max_validity_days,
    });
    Json(OwnRecord {
        success: true,
        courier: courier(&session),
        allowed_names: view.allowed_names,
        profiles: profiles.collect(),
        platform_keys: session.courier.record.platform_keys.name().to_owned(),
        may_revoke: session.courier.record.may_revoke,
        minimum_client_version: session.courier.record.minimum_client_version.clone(),
    })
}

/// Tell of a run.
#[utoipa::path(post, path = "/api/v1/courier/report", operation_id = "courierReport", tag = "courier", security(("session" = [])),
    request_body = Report, responses((status = 204, description = "It is noted")))]
async fn report(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    JsonBody(body): JsonBody<Report>,
) -> Result<StatusCode, Problem> {
    let (next, failures) = (body.next_run_at, body.failures);
    let body = serde_json::to_value(&body).unwrap_or_default();
    app.authority
        .note_courier_report(&session, body, next, failures)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The certificates of all CAs here, PEM: what a courier trusts, and what stands between.
#[utoipa::path(get, path = "/api/v1/courier/ca-bundle", operation_id = "courierCaBundle", tag = "courier", security(()),
    responses((status = 200, description = "Certificates", content_type = "application/x-pem-file", body = String)))]
async fn ca_bundle(State(app): State<App>) -> Response {
    let mut bundle = String::new();
    for issuer in app.authority.issuers() {
        bundle.extend(issuer.certificate.as_ref().map(pki::Certificate::pem));
    }
    ([(CONTENT_TYPE, "application/x-pem-file")], bundle).into_response()
}
