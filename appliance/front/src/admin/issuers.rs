//! Issuers: make, import, roll over, publish.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use ca::{CreateIssuing, CreateRoot, ImportChain, ImportFromDisk, IssuerEntry, Rollover, Subordinate};
use http::StatusCode;
use jiff::Timestamp;
use pki::{KeyAlgorithm, SignatureAlgorithm};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::certificates::attachment;
use crate::api::App;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::problem::{ErrorBody, Problem};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
        .routes(routes!(csr))
        .routes(routes!(import))
        .routes(routes!(roll_over))
        .routes(routes!(publish))
}

/// A CA to be made or taken over.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum CreateBody {
    /// A self-signed root with a new key.
    Root(RootBody),
    /// A CA under a local issuer with a new key.
    Issuing(IssuingBody),
    /// A CA under a foreign authority: a new key and a request for it.
    Subordinate(SubordinateBody),
    /// A CA that exists as certificate and key.
    FromDisk(FromDiskBody),
}

/// A self-signed root.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RootBody {
    /// Lower-case letters, digits and hyphens.
    name: String,
    /// RFC 4514, for example `CN=Example Root,O=Example,C=CH`.
    subject: String,
    /// `ec-p256`, `rsa-3072`, `ml-dsa-65`, …; `ec-p256` when absent.
    #[schema(value_type = Option<String>)]
    key_algorithm: Option<KeyAlgorithm>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes the key; `software` for the software backend.
    token: String,
    /// The profile's default when absent.
    validity_days: Option<u32>,
    /// `root` when absent.
    profile: Option<String>,
}

/// A CA under a local issuer.
#[derive(Deserialize, ToSchema)]
pub(crate) struct IssuingBody {
    /// Lower-case letters, digits and hyphens.
    name: String,
    /// The issuer above it, by identifier or name.
    parent: String,
    /// RFC 4514.
    subject: String,
    /// `ec-p256` when absent.
    #[schema(value_type = Option<String>)]
    key_algorithm: Option<KeyAlgorithm>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes the key; `software` for the software backend.
    token: String,
    /// The profile's default when absent.
    validity_days: Option<u32>,
    /// `sub-ca` when absent.
    profile: Option<String>,
}

/// A CA under a foreign authority.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SubordinateBody {
    /// Lower-case letters, digits and hyphens.
    name: String,
    /// RFC 4514.
    subject: String,
    /// `ec-p256` when absent.
    #[schema(value_type = Option<String>)]
    key_algorithm: Option<KeyAlgorithm>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes the key; `software` for the software backend.
    token: String,
}

/// A CA that exists as certificate and key.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FromDiskBody {
    /// Lower-case letters, digits and hyphens.
    name: String,
    /// Its certificate in PEM.
    certificate_pem: String,
    /// The certificates above it in PEM.
    #[serde(default)]
    chain_pem: String,
    /// Its key in PEM: PKCS#8, EC PRIVATE KEY or RSA PRIVATE KEY, perhaps encrypted.
    #[schema(value_type = String, format = Password)]
    key_pem: SecretString,
    /// The passphrase of an encrypted key.
    #[schema(value_type = Option<String>, format = Password)]
    key_passphrase: Option<SecretString>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    signature_algorithm: Option<SignatureAlgorithm>,
}

impl std::fmt::Debug for CreateBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreateBody")
    }
}

/// The certificate of a pending CA.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    /// Its certificate and those above it, in any order, in PEM (certificates or one PKCS7 block).
    certificates_pem: String,
}

/// A rollover.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolloverBody {
    /// As before when absent.
    #[schema(value_type = Option<String>)]
    key_algorithm: Option<KeyAlgorithm>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    signature_algorithm: Option<SignatureAlgorithm>,
    /// As before when absent.
    token: Option<String>,
    /// The profile's default when absent.
    validity_days: Option<u32>,
}

/// One issuer: a CA certificate with its key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuerBody {
    id: Uuid,
    /// Shared by the generations of a CA.
    name: String,
    generation: u32,
    /// `pending`, `active`, `retired` or `disabled`.
    state: String,
    subject: String,
    key_algorithm: String,
    signature_algorithm: String,
    /// SHA-256 of its SubjectPublicKeyInfo, hexadecimal.
    key_fingerprint: String,
    /// The token that holds its key.
    token: String,
    parent: Option<Uuid>,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    created_at: Timestamp,
    ca_url: String,
    ocsp_url: String,
    crl_url: String,
    certificate_pem: Option<String>,
    /// The certificates above it, nearest first.
    chain_pem: String,
    /// Link certificates to the root before it (RFC 4210 §4.4).
    links_pem: String,
    /// Its request, while it is pending.
    csr_pem: Option<String>,
}

/// All issuers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuerList {
    items: Vec<IssuerBody>,
    /// Always null: there is one page.
    next: Option<String>,
}

/// A CRL that was published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CrlBody {
    number: u64,
    this_update: Timestamp,
    next_update: Timestamp,
    entries: usize,
}

/// List the issuers.
#[utoipa::path(get, path = "/api/v1/issuers", tag = "issuers",
    responses((status = 200, body = IssuerList), (status = 401, body = ErrorBody)))]
async fn list(State(app): State<App>, Caller(_caller): Caller) -> Json<IssuerList> {
    let items = app.authority.issuers().iter().map(|issuer| IssuerBody::from(issuer.as_ref())).collect();
    Json(IssuerList { items, next: None })
}

/// Make a CA, or take one over.
#[utoipa::path(post, path = "/api/v1/issuers", tag = "issuers", request_body = CreateBody,
    responses((status = 201, body = IssuerBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 409, body = ErrorBody), (status = 503, body = ErrorBody)))]
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
    };
    Ok((StatusCode::CREATED, Json(issuer.as_ref().into())))
}

/// Show an issuer.
#[utoipa::path(get, path = "/api/v1/issuers/{id}", tag = "issuers",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, body = IssuerBody), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn show(State(app): State<App>, Caller(_caller): Caller, Path(id): Path<String>) -> Result<Json<IssuerBody>, Problem> {
    Ok(Json(app.authority.issuer(&id)?.as_ref().into()))
}

/// Download the request of a pending issuer.
#[utoipa::path(get, path = "/api/v1/issuers/{id}/csr", tag = "issuers",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, description = "PKCS#10 in PEM", content_type = "application/x-pem-file"),
        (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn csr(State(app): State<App>, Caller(_caller): Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let issuer = app.authority.issuer(&id)?;
    let csr = issuer.csr.as_deref().ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "this issuer has no request: no foreign authority certifies it")
    })?;
    let pem = pki::pem::encode("CERTIFICATE REQUEST", csr);
    Ok(attachment("application/x-pem-file", &format!("{}.csr.pem", issuer.name), pem.into_bytes()))
}

/// Import the certificate that a foreign authority made for a pending issuer.
#[utoipa::path(post, path = "/api/v1/issuers/{id}/certificate", tag = "issuers", request_body = ImportBody,
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, body = IssuerBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
async fn import(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<ImportBody>,
) -> Result<Json<IssuerBody>, Problem> {
    let request = ImportChain { issuer: id, certificates: body.certificates_pem.into_bytes() };
    Ok(Json(app.authority.import_certificate(&caller, request).await?.as_ref().into()))
}

/// Give a CA a new key and certificate; the old generation goes on signing CRLs and OCSP answers.
#[utoipa::path(post, path = "/api/v1/issuers/{id}/rollover", tag = "issuers", request_body = RolloverBody,
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 201, body = IssuerBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
async fn roll_over(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<RolloverBody>,
) -> Result<(StatusCode, Json<IssuerBody>), Problem> {
    let request = Rollover {
        issuer: id,
        key_algorithm: body.key_algorithm,
        signature_algorithm: body.signature_algorithm,
        token: body.token,
        validity: days(body.validity_days),
    };
    Ok((StatusCode::CREATED, Json(app.authority.rollover(&caller, request).await?.as_ref().into())))
}

/// Publish a new CRL now.
#[utoipa::path(post, path = "/api/v1/issuers/{id}/crl", tag = "issuers",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, body = CrlBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn publish(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<CrlBody>, Problem> {
    let crl = app.authority.publish_crl(&caller, &id).await?;
    Ok(Json(CrlBody {
        number: crl.number,
        this_update: crl.this_update,
        next_update: crl.next_update,
        entries: crl.entries,
    }))
}

fn days(days: Option<u32>) -> Option<Duration> {
    days.map(|days| Duration::from_secs(u64::from(days) * 86_400))
}

fn secret(text: &SecretString) -> SecretSlice<u8> {
    SecretSlice::from(text.expose_secret().as_bytes().to_vec())
}

impl From<RootBody> for CreateRoot {
    fn from(body: RootBody) -> Self {
        Self {
            name: body.name,
            subject: body.subject,
            key_algorithm: body.key_algorithm.unwrap_or(KeyAlgorithm::P256),
            signature_algorithm: body.signature_algorithm,
            token: body.token,
            validity: days(body.validity_days),
            profile: body.profile,
        }
    }
}

impl From<IssuingBody> for CreateIssuing {
    fn from(body: IssuingBody) -> Self {
        Self {
            name: body.name,
            parent: body.parent,
            subject: body.subject,
            key_algorithm: body.key_algorithm.unwrap_or(KeyAlgorithm::P256),
            signature_algorithm: body.signature_algorithm,
            token: body.token,
            validity: days(body.validity_days),
            profile: body.profile,
        }
    }
}

impl From<SubordinateBody> for Subordinate {
    fn from(body: SubordinateBody) -> Self {
        Self {
            name: body.name,
            subject: body.subject,
            key_algorithm: body.key_algorithm.unwrap_or(KeyAlgorithm::P256),
            signature_algorithm: body.signature_algorithm,
            token: body.token,
        }
    }
}

impl From<FromDiskBody> for ImportFromDisk {
    fn from(body: FromDiskBody) -> Self {
        Self {
            name: body.name,
            certificate: body.certificate_pem.into_bytes(),
            chain: body.chain_pem.into_bytes(),
            key: secret(&body.key_pem),
            passphrase: body.key_passphrase.as_ref().map(secret),
            signature_algorithm: body.signature_algorithm,
        }
    }
}

impl From<&IssuerEntry> for IssuerBody {
    fn from(issuer: &IssuerEntry) -> Self {
        let pem = |list: &[Vec<u8>]| list.iter().map(|der| pki::pem::encode("CERTIFICATE", der)).collect();
        let certificate = issuer.certificate.as_ref();
        Self {
            id: issuer.id,
            name: issuer.name.clone(),
            generation: issuer.generation,
            state: issuer.state.to_string(),
            subject: issuer.subject.clone(),
            key_algorithm: issuer.key_algorithm.to_string(),
            signature_algorithm: issuer.signature_algorithm.to_string(),
            key_fingerprint: issuer.key.to_string(),
            token: issuer.token.clone(),
            parent: issuer.parent,
            not_before: certificate.map(pki::Certificate::not_before),
            not_after: certificate.map(pki::Certificate::not_after),
            created_at: issuer.created_at,
            ca_url: issuer.ca_url.clone(),
            ocsp_url: issuer.ocsp_url.clone(),
            crl_url: issuer.crl_url.clone(),
            certificate_pem: certificate.map(pki::Certificate::pem),
            chain_pem: pem(&issuer.chain),
            links_pem: pem(&issuer.links),
            csr_pem: issuer.csr.as_deref().map(|csr| pki::pem::encode("CERTIFICATE REQUEST", csr)),
        }
    }
}
