//! Certificates: issue, list, show, download, renew, revoke.

use axum::Json;
use axum::extract::State;
use ca::{CertRef, Principal};
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::batch;
use super::certificate_body::{
    CertificateBody, CertificateList, IssueBody, ListQuery, NeverRecordedList, RenewBody, RevokeBody,
    RevokedBody,
};
use super::download;
use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, OptionalJson, QueryOf, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(issue, list))
        .routes(routes!(batch::issue_batch))
        .routes(routes!(show))
        .routes(routes!(never_recorded))
        .routes(routes!(renew))
        .routes(routes!(revoke))
        .routes(routes!(download::download))
        .routes(routes!(download::pkcs12))
}

/// Issue a certificate from a CSR.
#[utoipa::path(
    post, path = "/api/v1/certificates", operation_id = "issueCertificate", tag = "certificates", request_body = IssueBody,
    responses((status = 201, description = "The certificate", body = CertificateBody)),
)]
async fn issue(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<IssueBody>,
) -> Result<(StatusCode, Json<CertificateBody>), Problem> {
    let issued = carry_out(&app, &caller, body).await?;
    Ok((StatusCode::CREATED, Json(issued)))
}

/// Carries out one order.
pub(super) async fn carry_out(
    app: &App,
    caller: &Principal,
    body: IssueBody,
) -> Result<CertificateBody, Problem> {
    let issued = app.authority.issue(caller, body.into_request()?).await;
    app.turns.give_way();
    Ok(issued?.into())
}

/// List certificates in the order of issuance.
#[utoipa::path(
    get, path = "/api/v1/certificates", operation_id = "listCertificates", tag = "certificates", params(ListQuery),
    responses((status = 200, description = "A page of certificates", body = CertificateList)),
)]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<CertificateList>, Problem> {
    let page = app.authority.certificates(&caller, query.into()).await?;
    Ok(Json(CertificateList {
        items: page.items.into_iter().map(Into::into).collect(),
        next: page.next,
    }))
}

/// Show a certificate.
#[utoipa::path(
    get, path = "/api/v1/certificates/{id}", operation_id = "showCertificate", tag = "certificates",
    params(("id" = String, Path, description = "Identifier or serial")),
    responses((status = 200, description = "The certificate", body = CertificateBody)),
)]
async fn show(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<CertificateBody>, Problem> {
    Ok(Json(
        app.authority.certificate(&caller, reference(&id)?).await?.into(),
    ))
}

/// Show what is known of a serial that is revoked without a certificate: something was signed under it, or may have been, and was
/// never recorded.
#[utoipa::path(
    get, path = "/api/v1/never-recorded/{serial}", operation_id = "showNeverRecorded", tag = "certificates",
    params(("serial" = String, Path, description = "The serial")),
    responses((status = 200, description = "What is known, for each issuer that has this serial so", body = NeverRecordedList)),
)]
async fn never_recorded(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(serial): Segment,
) -> Result<Json<NeverRecordedList>, Problem> {
    let CertRef::Serial(serial) = reference(&serial)? else {
        return Err(Problem::bad_request(
            "serial_invalid",
            "name the serial, in hexadecimal",
        ));
    };
    let found = app.authority.never_recorded(&caller, serial).await?;
    Ok(Json(NeverRecordedList {
        items: found.into_iter().map(Into::into).collect(),
    }))
}

/// Renew a certificate: same names and profile; the old one stays valid until it ends or is revoked.
#[utoipa::path(
    post, path = "/api/v1/certificates/{id}/renew", operation_id = "renewCertificate", tag = "certificates", request_body = RenewBody,
    params(("id" = String, Path, description = "Identifier or serial")),
    responses((status = 201, description = "The certificate", body = CertificateBody)),
)]
async fn renew(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    OptionalJson(body): OptionalJson<RenewBody>,
) -> Result<(StatusCode, Json<CertificateBody>), Problem> {
    let request = body.into_request(reference(&id)?)?;
    let renewed = app.authority.renew(&caller, request).await;
    app.turns.give_way();
    Ok((StatusCode::CREATED, Json(renewed?.into())))
}

/// Revoke a certificate, put it on hold, or release a hold. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/certificates/{id}/revoke", operation_id = "revokeCertificate", tag = "certificates", request_body = RevokeBody,
    params(("id" = String, Path, description = "Identifier or serial")),
    responses((status = 200, description = "How the certificate stands now", body = RevokedBody)),
)]
async fn revoke(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    JsonBody(body): JsonBody<RevokeBody>,
) -> Result<Json<RevokedBody>, Problem> {
    let request = body.into_request(reference(&id)?);
    Ok(Json(app.authority.revoke(&caller, request).await?.into()))
}

/// A certificate as an address names it.
pub(crate) fn reference(id: &str) -> Result<CertRef, Problem> {
    id.parse().map_err(|fault| {
        Problem::bad_request(
            "serial_invalid",
            format!("a certificate is named by its identifier or serial: {fault}"),
        )
    })
}
