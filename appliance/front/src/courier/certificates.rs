//! Certificates of couriers: how they stand, when to renew them, and how to end them.

use axum::Json;
use axum::extract::State;
use ca::courier::{CertificateStanding, CertificateState, RenewalWindow};
use courier_wire::{
    CertificateStatus, Envelope, Fingerprints, MAX_FINGERPRINTS, RenewalInfo, Revocation, RevocationRequest,
    Statuses, Window,
};
use http::StatusCode;
use pki::RevocationReason;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bearer::SignedIn;
use super::sign_in::wrong;
use crate::api::App;
use crate::extract::{JsonBody, OptionalJson, Segment};
use crate::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(renewal_info))
        .routes(routes!(revoke))
}

/// How certificates stand.
#[utoipa::path(post, path = "/api/v1/courier/certificates/status", operation_id = "courierCertificateStatus", tag = "courier",
    security(("session" = [])), request_body = Fingerprints,
    responses((status = 200, description = "Each as it stands", body = Statuses)))]
async fn status(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    JsonBody(body): JsonBody<Fingerprints>,
) -> Result<Json<Statuses>, Problem> {
    if body.fingerprints_sha256.len() > MAX_FINGERPRINTS {
        return Err(wrong("fingerprints_sha256", "has more than 100 entries"));
    }
    let asked: Vec<[u8; 32]> = body
        .fingerprints_sha256
        .iter()
        .map(|text| fingerprint(text))
        .collect::<Result<_, _>>()?;
    let all = app.authority.courier_certificates(&session, asked).await?;
    Ok(Json(Statuses {
        success: true,
        certificates: all.iter().map(told).collect(),
    }))
}

/// When a certificate should be renewed (RFC 9773).
#[utoipa::path(get, path = "/api/v1/courier/certificates/{fingerprint}/renewal-info", operation_id = "courierRenewalInfo", tag = "courier",
    security(("session" = [])), params(("fingerprint" = String, Path, description = "SHA-256 of the certificate, in hexadecimal")),
    responses((status = 200, description = "When", body = RenewalInfo)))]
async fn renewal_info(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Segment(text): Segment,
) -> Result<Json<RenewalInfo>, Problem> {
    let print = fingerprint(&text).map_err(|_| unknown())?;
    let window = app.authority.courier_renewal_window(&session, print).await?;
    Ok(Json(renewal(&window)))
}

/// Revoke a certificate, where the record lets the courier.
#[utoipa::path(post, path = "/api/v1/courier/certificates/{fingerprint}/revoke", operation_id = "courierRevoke", tag = "courier",
    security(("session" = [])), params(("fingerprint" = String, Path, description = "SHA-256 of the certificate, in hexadecimal")),
    request_body = RevocationRequest,
    responses((status = 200, description = "It is revoked", body = Revocation), (status = 403, description = "REVOCATION_NOT_ALLOWED", body = Envelope)))]
async fn revoke(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Segment(text): Segment,
    OptionalJson(body): OptionalJson<RevocationRequest>,
) -> Result<Json<Revocation>, Problem> {
    let print = fingerprint(&text).map_err(|_| unknown())?;
    let reason = match body.reason.as_deref() {
        None => RevocationReason::Unspecified,
        Some(text) => text
            .parse()
            .map_err(|_| wrong("reason", "is no reason of RFC 5280"))?,
    };
    if matches!(
        reason,
        RevocationReason::RemoveFromCrl | RevocationReason::CertificateHold
    ) {
        return Err(wrong("reason", "is not for couriers"));
    }
    let revoked = app
        .authority
        .revoke_courier_certificate(&session, print, reason)
        .await?;
    Ok(Json(Revocation {
        success: true,
        serial: revoked.serial.to_string(),
        already: revoked.already,
        revoked_at: revoked.revoked_at,
    }))
}

fn told(standing: &CertificateStanding) -> CertificateStatus {
    let (revoked_at, reason) = match standing.state {
        CertificateState::Revoked { at, reason } => (Some(at), Some(reason.to_string())),
        _ => (None, None),
    };
    CertificateStatus {
        fingerprint_sha256: hexadecimal(&standing.fingerprint),
        status: standing.state.name().to_owned(),
        revoked_at,
        revocation_reason: reason,
        renewal: standing.window.as_ref().map(renewal),
    }
}

fn renewal(window: &RenewalWindow) -> RenewalInfo {
    RenewalInfo {
        suggested_window: Window {
            start: window.start,
            end: window.end,
        },
        explanation: window.explanation.clone(),
        retry_after: window.retry_after.as_secs(),
    }
}

/// A fingerprint as it is written in requests: hexadecimal, perhaps with colons.
pub(super) fn fingerprint(text: &str) -> Result<[u8; 32], Problem> {
    let fault = || wrong("fingerprint_sha256", "is not of 64 hexadecimal digits");
    let digits: Vec<u8> = text.bytes().filter(|octet| *octet != b':').take(65).collect();
    if digits.len() != 64 {
        return Err(fault());
    }
    let mut print = [0; 32];
    for (octet, pair) in print.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| fault())?;
        *octet = u8::from_str_radix(pair, 16).map_err(|_| fault())?;
    }
    Ok(print)
}

/// Octets in hexadecimal.
pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(64), |mut text, octet| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such certificate")
}
