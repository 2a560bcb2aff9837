//! Issuers: make, import, roll over, publish.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use ca::{ImportChain, IssuerEntry};
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::download::attachment;
use super::issuer_body::{
    CreateBody, CrlBody, ImportBody, IssuerBody, IssuerList, KeyLostBody, PresignedBody, RolloverBody,
};
use super::offline_body::ImportCrlBody;
use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, OptionalJson, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
        .routes(routes!(csr))
        .routes(routes!(import))
        .routes(routes!(roll_over))
        .routes(routes!(note_lost_key, take_up_found_key))
        .routes(routes!(publish, import_crl))
        .routes(routes!(presign))
}

/// List the issuers.
#[utoipa::path(get, path = "/api/v1/issuers", operation_id = "listIssuers", tag = "issuers",
    responses((status = 200, description = "All issuers", body = IssuerList)))]
async fn list(State(app): State<App>, Caller(_caller): Caller) -> Json<IssuerList> {
    let items = app
        .authority
        .issuers()
        .iter()
        .map(|issuer| IssuerBody::of(&app.authority, issuer))
        .collect();
    Json(IssuerList { items, next: None })
}

/// Make a CA, or take one over.
#[utoipa::path(post, path = "/api/v1/issuers", operation_id = "createIssuer", tag = "issuers", request_body = CreateBody,
    responses((status = 201, description = "The issuer", body = IssuerBody)))]
async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<CreateBody>,
) -> Result<(StatusCode, Json<IssuerBody>), Problem> {
    let authority = &app.authority;
    let issuer: Arc<IssuerEntry> = match body {
        CreateBody::Root(body) => authority.create_root(&caller, body.into()).await?,
        CreateBody::Issuing(body) => authority.create_issuing(&caller, body.into()).await?,
        CreateBody::Subordinate(body) => authority.subordinate_csr(&caller, body.into()).await?,
        CreateBody::FromDisk(body) => authority.import_from_disk(&caller, body.into()).await?,
        CreateBody::Offline(body) => authority.import_offline(&caller, body.into()).await?,
    };
    Ok((StatusCode::CREATED, Json(IssuerBody::of(authority, &issuer))))
}

/// Show an issuer.
#[utoipa::path(get, path = "/api/v1/issuers/{id}", operation_id = "showIssuer", tag = "issuers",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "The issuer", body = IssuerBody)))]
async fn show(
    State(app): State<App>,
    Caller(_caller): Caller,
    Segment(id): Segment,
) -> Result<Json<IssuerBody>, Problem> {
    Ok(Json(IssuerBody::of(&app.authority, &*app.authority.issuer(&id)?)))
}

/// Download the request of a pending issuer.
#[utoipa::path(get, path = "/api/v1/issuers/{id}/csr", operation_id = "downloadIssuerRequest", tag = "issuers",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "PKCS#10 in PEM", content_type = "application/x-pem-file")))]
async fn csr(
    State(app): State<App>,
    Caller(_caller): Caller,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let issuer = app.authority.issuer(&id)?;
    let csr = issuer.csr.as_deref().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "this issuer has no request: no foreign authority certifies it",
        )
    })?;
    let pem = pki::pem::encode("CERTIFICATE REQUEST", csr);
    Ok(attachment(
        "application/x-pem-file",
        &format!("{}.csr.pem", issuer.name),
        pem.into_bytes(),
    ))
}

/// Import the certificate that a foreign authority made for a pending issuer.
#[utoipa::path(post, path = "/api/v1/issuers/{id}/certificate", operation_id = "importIssuerCertificate", tag = "issuers", request_body = ImportBody,
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "The issuer", body = IssuerBody)))]
async fn import(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    JsonBody(body): JsonBody<ImportBody>,
) -> Result<Json<IssuerBody>, Problem> {
    let request = ImportChain {
        issuer: id,
        certificates: body.certificates_pem.into_bytes(),
    };
    let issuer = app.authority.import_certificate(&caller, request).await?;
    Ok(Json(IssuerBody::of(&app.authority, &issuer)))
}

/// Give a CA a new key and certificate; the old generation goes on signing CRLs and OCSP answers.
#[utoipa::path(post, path = "/api/v1/issuers/{id}/rollover", operation_id = "rollOverIssuer", tag = "issuers", request_body = RolloverBody,
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 201, description = "The issuer", body = IssuerBody)))]
async fn roll_over(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    OptionalJson(body): OptionalJson<RolloverBody>,
) -> Result<(StatusCode, Json<IssuerBody>), Problem> {
    let request = body.into_request(id);
    let issuer = app.authority.rollover(&caller, request).await?;
    Ok((StatusCode::CREATED, Json(IssuerBody::of(&app.authority, &issuer))))
}

/// Note that no token has the key of a CA any more: it issues no more and is asked for no signature. Refused while the key signs, or
/// while a token is away that may have it.
#[utoipa::path(put, path = "/api/v1/issuers/{id}/key-lost", operation_id = "noteLostKey", tag = "issuers", request_body = KeyLostBody,
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "The issuer", body = IssuerBody)))]
async fn note_lost_key(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    JsonBody(body): JsonBody<KeyLostBody>,
) -> Result<Json<IssuerBody>, Problem> {
    let issuer = app.authority.note_lost_key(&caller, &id, &body.reason).await?;
    Ok(Json(IssuerBody::of(&app.authority, &issuer)))
}

/// Take up the key of a CA that was noted as lost and is there again. The CA signs CRLs and OCSP answers; it issues no more.
#[utoipa::path(delete, path = "/api/v1/issuers/{id}/key-lost", operation_id = "takeUpFoundKey", tag = "issuers",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "The issuer", body = IssuerBody)))]
async fn take_up_found_key(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<IssuerBody>, Problem> {
    let issuer = app.authority.take_up_found_key(&caller, &id).await?;
    Ok(Json(IssuerBody::of(&app.authority, &issuer)))
}

/// Publish a new CRL now.
#[utoipa::path(post, path = "/api/v1/issuers/{id}/crl", operation_id = "publishCrl", tag = "issuers",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "The new CRL", body = CrlBody)))]
async fn publish(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<CrlBody>, Problem> {
    let first = app.authority.publish_crl(&caller, &id).await?;
    let crls = app.authority.current_crls(app.authority.issuer(&id)?.id);
    let all = || crls.iter().chain([&first]);
    Ok(Json(CrlBody {
        number: all().map(|crl| crl.number).max().unwrap_or(first.number),
        this_update: all()
            .map(|crl| crl.this_update)
            .min()
            .unwrap_or(first.this_update),
        next_update: all()
            .map(|crl| crl.next_update)
            .min()
            .unwrap_or(first.next_update),
        entries: crls.iter().map(|crl| crl.entries).sum(),
    }))
}

/// Publish a CRL that an offline CA signed: its own, newer than the one that is published, and good now.
#[utoipa::path(put, path = "/api/v1/issuers/{id}/crl", operation_id = "importCrl", tag = "issuers", request_body = ImportCrlBody,
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "The CRL", body = CrlBody)))]
async fn import_crl(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    JsonBody(body): JsonBody<ImportCrlBody>,
) -> Result<Json<CrlBody>, Problem> {
    let crl = app
        .authority
        .import_crl(&caller, &id, body.crl_pem.as_bytes())
        .await?;
    Ok(Json(CrlBody {
        number: crl.number,
        this_update: crl.this_update,
        next_update: crl.next_update,
        entries: crl.entries,
    }))
}

/// Sign OCSP answers ahead of time for every certificate of an issuer that has not ended.
#[utoipa::path(post, path = "/api/v1/issuers/{id}/ocsp", operation_id = "presignOcsp", tag = "issuers",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "What became of it", body = PresignedBody)))]
async fn presign(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<PresignedBody>, Problem> {
    Ok(Json(app.authority.presign_ocsp(&caller, &id).await?.into()))
}
