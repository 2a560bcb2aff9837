//! What instances of bridges ask for themselves: their first certificate, and the next.

use axum::extract::State;
use axum::{Extension, Json};
use ca::courier::{BridgeRegistration as Registration, BridgeReport, BridgeStatus};
use courier_wire::{
    BridgeCertificate, BridgeHeartbeat, BridgeRegistration, BridgeRenewal, BridgeStanding, Envelope, MAX_CSR,
};
use http::StatusCode;
use secrecy::SecretString;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sign_in::wrong;
use super::via::Itself;
use crate::api::{App, Peer};
use crate::extract::JsonBody;
use crate::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .routes(routes!(renew))
        .routes(routes!(heartbeat))
}

/// How often an instance says that it is at work, in seconds; and one that waits for approval.
const HEARTBEAT: u64 = 60;
const HEARTBEAT_PENDING: u64 = 10;
/// What bridges do.
const MODES: [&str; 2] = ["terminate", "tunnel"];

/// Register an instance of a bridge with a token, which is used up together with its first certificate.
#[utoipa::path(post, path = "/api/v1/courier/bridges/register", operation_id = "registerBridge", tag = "courier", security(()),
    request_body = BridgeRegistration, responses(
        (status = 201, description = "Its certificate", body = BridgeCertificate),
        (status = 401, description = "INVALID_CREDENTIALS: the token is wrong, used or over", body = Envelope),
        (status = 422, description = "BAD_CSR, VALIDATION_ERROR: the token is as good as before", body = Envelope),
        (status = 429, description = "RATE_LIMITED", body = Envelope)))]
async fn register(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    JsonBody(body): JsonBody<BridgeRegistration>,
) -> Result<(StatusCode, Json<BridgeCertificate>), Problem> {
    let registration = Registration {
        token: SecretString::from(body.token.expose().to_owned()),
        csr: checked(body.csr_pem)?,
        version: body.version,
        address: peer.map(|peer| peer.0.0.ip()),
    };
    let given = app.authority.register_bridge(registration).await?;
    Ok((StatusCode::CREATED, Json(told(given))))
}

/// Give an instance its next certificate, over a connection that it opened with the one that it has.
#[utoipa::path(post, path = "/api/v1/courier/bridges/renew", operation_id = "renewBridge", tag = "courier", security(()),
    request_body = BridgeRenewal, responses(
        (status = 200, description = "Its certificate", body = BridgeCertificate),
        (status = 401, description = "BRIDGE_NOT_REGISTERED", body = Envelope),
        (status = 422, description = "BAD_CSR, VALIDATION_ERROR", body = Envelope)))]
async fn renew(
    State(app): State<App>,
    Itself(bridge): Itself,
    JsonBody(body): JsonBody<BridgeRenewal>,
) -> Result<Json<BridgeCertificate>, Problem> {
    let csr = checked(body.csr_pem)?;
    let given = app.authority.renew_bridge(&bridge, &csr, body.version).await?;
    Ok(Json(told(given)))
}

/// Say that an instance is at work and how it does, over a connection that it opened with its certificate.
#[utoipa::path(post, path = "/api/v1/courier/bridges/heartbeat", operation_id = "bridgeHeartbeat", tag = "courier", security(()),
    request_body = BridgeHeartbeat, responses(
        (status = 200, description = "Where it stands", body = BridgeStanding),
        (status = 401, description = "BRIDGE_NOT_REGISTERED", body = Envelope),
        (status = 422, description = "VALIDATION_ERROR", body = Envelope)))]
async fn heartbeat(
    State(app): State<App>,
    Itself(bridge): Itself,
    JsonBody(body): JsonBody<BridgeHeartbeat>,
) -> Result<Json<BridgeStanding>, Problem> {
    if !MODES.contains(&body.mode.as_str()) {
        return Err(wrong("mode", "is neither terminate nor tunnel"));
    }
    let report = BridgeReport {
        mode: body.mode,
        connections_open: body.connections_open,
        requests: body.requests,
        failures: body.failures,
        started_at: Some(body.started_at),
        version: body.version,
    };
    let status = app.authority.report_bridge(&bridge, report).await?;
    Ok(Json(BridgeStanding {
        success: true,
        status: status.name().to_owned(),
        next_seconds: match status {
            BridgeStatus::Pending => HEARTBEAT_PENDING,
            _ => HEARTBEAT,
        },
    }))
}

fn checked(csr: String) -> Result<Vec<u8>, Problem> {
    if csr.len() > MAX_CSR {
        return Err(wrong("csr_pem", "is too long"));
    }
    Ok(csr.into_bytes())
}

fn told(given: ca::courier::BridgeCertificate) -> BridgeCertificate {
    BridgeCertificate {
        success: true,
        instance: given.instance.to_string(),
        certificate_pem: given.pem,
        not_after: given.not_after,
    }
}
