//! Certificates: issue, list, show, download, renew, revoke.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use ca::{CertRef, CertificateEntry, CertificateStatus, Filter, IssueRequest, Issued, RenewRequest, RevokeRequest};
use http::StatusCode;
use jiff::Timestamp;
use pki::profile::Lifetime;
use pki::{Certificate, RevocationReason};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::download;
use crate::api::App;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::problem::{ErrorBody, Problem};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(issue, list))
        .routes(routes!(show))
        .routes(routes!(renew))
        .routes(routes!(revoke))
        .routes(routes!(download::download))
        .routes(routes!(download::pkcs12))
}

/// A certificate that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssueBody {
    /// PKCS#10 in PEM.
    csr_pem: String,
    /// The profile's name.
    profile: String,
    /// The issuer, by identifier or name; may be left out when only one comes into question.
    issuer_id: Option<String>,
    /// How many days it shall live; the profile's default when absent.
    validity_days: Option<u32>,
    /// How long it shall live, for lifetimes below a day: `45m`, `12h`. Not together with `validity_days`.
    #[schema(value_type = Option<String>)]
    validity: Option<Lifetime>,
    /// The security identifier of the holder's account in Active Directory (admins and operators only).
    microsoft_sid: Option<String>,
}

/// A renewal that is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenewBody {
    /// PKCS#10 in PEM for a new key; the same key is certified again when absent.
    csr_pem: Option<String>,
    /// How many days it shall live; as long as the old one when absent.
    validity_days: Option<u32>,
}

/// A revocation that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeBody {
    /// A CRLReason of RFC 5280 §5.3.1: `keyCompromise`, `superseded`, `certificateHold`, …; `removeFromCRL` releases a hold.
    #[schema(value_type = String)]
    reason: RevocationReason,
    /// Since when its key is known or suspected to be bad.
    invalidity_date: Option<Timestamp>,
}

/// How a certificate stands after a revocation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevokedBody {
    id: Uuid,
    serial: String,
    issuer_id: Uuid,
    /// `revoked`, or `valid` after a hold was released.
    status: String,
    /// Whether it stood that way already.
    already: bool,
    revoked_at: Option<Timestamp>,
    reason: Option<String>,
}

/// One certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CertificateBody {
    id: Uuid,
    /// Lower-case hexadecimal.
    serial: String,
    issuer_id: Uuid,
    /// The name of the CA; absent in the answer to an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    profile: String,
    /// `valid`, `expired` or `revoked`.
    status: String,
    subject: String,
    /// As `dns:a.example`, `ip:192.0.2.1`, …
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
    order_id: Uuid,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    requester: Option<String>,
    /// The certificate it renews.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_reason: Option<String>,
    /// SHA-256 of the certificate, hexadecimal.
    fingerprint_sha256: String,
    certificate_pem: String,
    /// The certificates above it, nearest first, without a self-signed root.
    chain_pem: String,
    /// What the lint remarked, as `rule: message`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<String>,
}

/// A page of certificates.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CertificateList {
    items: Vec<CertificateBody>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<Uuid>,
}

/// Which certificates to list. Everything given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Of this issuer, by identifier or name.
    issuer: Option<String>,
    /// Under this profile.
    profile: Option<String>,
    /// `valid`, `revoked` or `expired`.
    status: Option<String>,
    /// With this subject alternative name, or with this text in the subject.
    name: Option<String>,
    /// Ending before this time.
    expires_before: Option<Timestamp>,
    /// Of this requester.
    requester: Option<String>,
    /// At most so many: 1 to 1000, 100 when absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<Uuid>,
}

/// Issue a certificate from a CSR.
#[utoipa::path(
    post, path = "/api/v1/certificates", tag = "certificates", request_body = IssueBody,
    responses(
        (status = 201, body = CertificateBody),
        (status = 400, description = "The request is wrong", body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, description = "Refused by profile or lint", body = ErrorBody),
        (status = 503, description = "The signer or the store is away or busy", body = ErrorBody),
    ),
)]
async fn issue(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<IssueBody>,
) -> Result<(StatusCode, Json<CertificateBody>), Problem> {
    let request = IssueRequest {
        validity: lifetime(body.validity_days, body.validity)?,
        csr: body.csr_pem.into_bytes(),
        profile: body.profile,
        issuer: body.issuer_id,
        microsoft_sid: body.microsoft_sid,
    };
    let issued = app.authority.issue(&caller, request).await?;
    Ok((StatusCode::CREATED, Json(issued.into())))
}

fn lifetime(days: Option<u32>, text: Option<Lifetime>) -> Result<Option<Duration>, Problem> {
    let invalid = |message: &str| Err(Problem::bad_request("validity_invalid", message));
    match (days, text) {
        (Some(_), Some(_)) => invalid("give one of `validity_days` and `validity`, not both"),
        (Some(0), None) => invalid("`validity_days` is at least 1"),
        (Some(days), None) => Ok(Some(Duration::from_secs(u64::from(days) * 86_400))),
        (None, Some(text)) if text.is_zero() => invalid("`validity` is longer than zero"),
        (None, text) => Ok(text.map(Lifetime::as_duration)),
    }
}

/// List certificates in the order of issuance.
#[utoipa::path(
    get, path = "/api/v1/certificates", tag = "certificates", params(ListQuery),
    responses((status = 200, body = CertificateList), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)),
)]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<CertificateList>, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request("invalid_query", error.body_text()))?;
    let filter = Filter {
        issuer: query.issuer,
        profile: query.profile,
        status: query.status,
        name: query.name,
        expires_before: query.expires_before,
        requester: query.requester,
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = app.authority.certificates(&caller, filter).await?;
    Ok(Json(CertificateList { items: page.items.into_iter().map(Into::into).collect(), next: page.next }))
}

/// Show a certificate.
#[utoipa::path(
    get, path = "/api/v1/certificates/{id}", tag = "certificates",
    params(("id" = String, Path, description = "Identifier or serial")),
    responses((status = 200, body = CertificateBody), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)),
)]
async fn show(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<CertificateBody>, Problem> {
    Ok(Json(app.authority.certificate(&caller, reference(&id)?).await?.into()))
}

/// Renew a certificate: same names and profile; the old one stays valid until it ends or is revoked.
#[utoipa::path(
    post, path = "/api/v1/certificates/{id}/renew", tag = "certificates", request_body = RenewBody,
    params(("id" = String, Path, description = "Identifier or serial")),
    responses(
        (status = 201, body = CertificateBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    ),
)]
async fn renew(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<RenewBody>,
) -> Result<(StatusCode, Json<CertificateBody>), Problem> {
    let request = RenewRequest {
        certificate: reference(&id)?,
        csr: body.csr_pem.map(String::into_bytes),
        validity: lifetime(body.validity_days, None)?,
    };
    Ok((StatusCode::CREATED, Json(app.authority.renew(&caller, request).await?.into())))
}

/// Revoke a certificate, put it on hold, or release a hold. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/certificates/{id}/revoke", tag = "certificates", request_body = RevokeBody,
    params(("id" = String, Path, description = "Identifier or serial")),
    responses(
        (status = 200, body = RevokedBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
    ),
)]
async fn revoke(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<RevokeBody>,
) -> Result<Json<RevokedBody>, Problem> {
    let request =
        RevokeRequest { certificate: reference(&id)?, reason: body.reason, invalidity_date: body.invalidity_date };
    let revoked = app.authority.revoke(&caller, request).await?;
    Ok(Json(RevokedBody {
        id: revoked.id,
        serial: revoked.serial.to_string(),
        issuer_id: revoked.issuer_id,
        status: if revoked.revoked_at.is_some() { "revoked" } else { "valid" }.to_owned(),
        already: revoked.already,
        revoked_at: revoked.revoked_at,
        reason: revoked.reason.map(|reason| reason.to_string()),
    }))
}

/// A certificate as an address names it.
pub(crate) fn reference(id: &str) -> Result<CertRef, Problem> {
    id.parse().map_err(|fault| {
        Problem::bad_request("serial_invalid", format!("a certificate is named by its identifier or serial: {fault}"))
    })
}

/// What can be read from the certificate itself.
struct Parts {
    subject: String,
    names: Vec<String>,
    fingerprint: String,
    pem: String,
    chain: String,
}

fn parts(der: &[u8], chain: &[Vec<u8>]) -> Parts {
    let certificate = Certificate::from_der(der).ok();
    let names = certificate.as_ref().and_then(|certificate| certificate.subject_alt_names().ok()).unwrap_or_default();
    let fingerprint = certificate.as_ref().map(Certificate::fingerprint_sha256).unwrap_or_default();
    Parts {
        subject: certificate.map(|certificate| certificate.subject().to_string()).unwrap_or_default(),
        names: names.iter().map(ToString::to_string).collect(),
        fingerprint: pki::KeyFingerprint(fingerprint).to_string(),
        pem: pki::pem::encode("CERTIFICATE", der),
        chain: chain.iter().map(|der| pki::pem::encode("CERTIFICATE", der)).collect(),
    }
}

impl From<Issued> for CertificateBody {
    fn from(issued: Issued) -> Self {
        let parts = parts(&issued.certificate_der, &issued.chain_der);
        Self {
            id: issued.id,
            serial: issued.serial.to_string(),
            issuer_id: issued.issuer_id,
            issuer: None,
            profile: issued.profile,
            status: "valid".to_owned(),
            subject: parts.subject,
            names: parts.names,
            not_before: issued.not_before,
            not_after: issued.not_after,
            order_id: issued.order_id,
            requester: None,
            replaces: None,
            revoked_at: None,
            revocation_reason: None,
            fingerprint_sha256: parts.fingerprint,
            certificate_pem: parts.pem,
            chain_pem: parts.chain,
            findings: issued.findings.iter().map(|one| format!("{}: {}", one.rule, one.message)).collect(),
        }
    }
}

impl From<CertificateEntry> for CertificateBody {
    fn from(entry: CertificateEntry) -> Self {
        let parts = parts(&entry.der, &entry.chain);
        let (revoked_at, reason) = match entry.status {
            CertificateStatus::Revoked { at, reason, .. } => (Some(at), Some(reason.to_string())),
            _ => (None, None),
        };
        Self {
            id: entry.id,
            serial: entry.serial.to_string(),
            issuer_id: entry.issuer_id,
            issuer: Some(entry.issuer_name),
            profile: entry.profile,
            status: entry.status.name().to_owned(),
            subject: entry.subject,
            names: parts.names,
            not_before: entry.not_before,
            not_after: entry.not_after,
            order_id: entry.order_id,
            requester: Some(entry.requester),
            replaces: entry.replaces,
            revoked_at,
            revocation_reason: reason,
            fingerprint_sha256: parts.fingerprint,
            certificate_pem: parts.pem,
            chain_pem: parts.chain,
            findings: Vec::new(),
        }
    }
}

/// The bytes of a certificate with a name to save them under.
pub(crate) fn attachment(media_type: &'static str, name: &str, body: Vec<u8>) -> Response {
    use axum::response::IntoResponse as _;
    use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(CONTENT_TYPE, media_type.to_owned()), (CONTENT_DISPOSITION, disposition)], body).into_response()
}
