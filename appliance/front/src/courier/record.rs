//! What a courier is told of itself, what it tells of its runs, and whom it shall trust.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use courier_wire::{OwnRecord, Profile, Report};
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use pki::DigestAlgorithm;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bearer::SignedIn;
use super::sign_in::courier;
use crate::api::App;
use crate::conditional::{etag, is_unchanged};
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

/// The certificates of the CAs here that are good, PEM: what a courier trusts, and what stands between. With the tag of the last answer only what has
/// changed is told.
#[utoipa::path(get, path = "/api/v1/courier/ca-bundle", operation_id = "courierCaBundle", tag = "courier", security(()),
    responses((status = 200, description = "Certificates", content_type = "application/x-pem-file", body = String),
        (status = 304, description = "They are those of the tag in `If-None-Match`")))]
async fn ca_bundle(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut bundle = String::new();
    for issuer in app.authority.trusted_issuers() {
        bundle.extend(issuer.certificate.as_ref().map(pki::Certificate::pem));
    }
    let etag = etag(&DigestAlgorithm::Sha256.digest(bundle.as_bytes()));
    let is_known =
        headers.contains_key(IF_NONE_MATCH) && is_unchanged(&headers, || &etag, app.authority.clock().now());
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response();
    }
    let about = [(CONTENT_TYPE, "application/x-pem-file".to_owned()), (ETAG, etag)];
    (about, bundle).into_response()
}
