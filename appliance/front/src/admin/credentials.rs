//! How couriers may authenticate: what each credential is bound to, and client secrets, which are shown once.

use axum::Json;
use axum::extract::{Path, State};
use ca::courier::{Binding, Credential, SecretRequest};
use http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, OptionalJson, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(secret))
        .routes(routes!(remove))
}

/// A credential to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialRequest {
    /// What it is bound to: `method` and what that method pins. Client secrets are made by the appliance, at another address. With
    /// `renewals: true` the method `certificate` also lets in certificates that came of orders of this very courier.
    #[schema(value_type = Object)]
    binding: Binding,
    /// When it ends; never when absent.
    expires_at: Option<Timestamp>,
}

/// A client secret to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientSecretRequest {
    /// When it ends; never when absent, a bootstrap secret after a day.
    expires_at: Option<Timestamp>,
    /// Whether it takes the place of those before it at once: they and their sessions end.
    replaces: bool,
    /// Whether it ends once the courier has a certificate in use with which it signs in, and after a day when `expires_at` is absent.
    /// The courier is given the credential for that (`certificate` with `renewals`).
    bootstrap: bool,
}

/// A credential, without any secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialBody {
    id: Uuid,
    method: String,
    #[schema(value_type = Object)]
    binding: Value,
    /// The public half of a client secret: `cour_…`.
    client_id: Option<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// A client secret that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClientSecretBody {
    #[serde(flatten)]
    credential: CredentialBody,
    /// It is shown this once.
    client_secret: String,
}

/// The credentials of a courier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialList {
    items: Vec<CredentialBody>,
}

/// List the credentials of a courier, the oldest first.
#[utoipa::path(get, path = "/api/v1/couriers/{courier}/credentials", operation_id = "listCredentials", tag = "couriers",
    params(("courier" = String, Path)), responses((status = 200, description = "All of them", body = CredentialList)))]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(named): Segment,
) -> Result<Json<CredentialList>, Problem> {
    let id = app.authority.courier(&caller, &named).await?.id;
    let all = app.authority.credentials(&caller, id).await?;
    Ok(Json(CredentialList {
        items: all.into_iter().map(Into::into).collect(),
    }))
}

/// Give a courier a way in. One that would let in more than one means is refused.
#[utoipa::path(post, path = "/api/v1/couriers/{courier}/credentials", operation_id = "addCredential", tag = "couriers",
    params(("courier" = String, Path)), request_body = CredentialRequest,
    responses((status = 201, description = "The credential", body = CredentialBody)))]
async fn add(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(named): Segment,
    JsonBody(body): JsonBody<CredentialRequest>,
) -> Result<(StatusCode, Json<CredentialBody>), Problem> {
    let id = app.authority.courier(&caller, &named).await?.id;
    let added = app
        .authority
        .add_credential(&caller, id, body.binding, body.expires_at)
        .await?;
    Ok((StatusCode::CREATED, Json(added.into())))
}

/// Make a client secret; it is shown once. At most two are good at the same time.
#[utoipa::path(post, path = "/api/v1/couriers/{courier}/client-secrets", operation_id = "createClientSecret", tag = "couriers",
    params(("courier" = String, Path)), request_body = ClientSecretRequest,
    responses((status = 201, description = "The secret, this once", body = ClientSecretBody)))]
async fn secret(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(named): Segment,
    OptionalJson(body): OptionalJson<ClientSecretRequest>,
) -> Result<(StatusCode, Json<ClientSecretBody>), Problem> {
    let id = app.authority.courier(&caller, &named).await?.id;
    let request = SecretRequest {
        expires_at: body.expires_at,
        replaces: body.replaces,
        is_bootstrap: body.bootstrap,
    };
    let made = app.authority.new_client_secret(&caller, id, request).await?;
    let body = ClientSecretBody {
        client_secret: made.secret.expose_secret().to_owned(),
        credential: made.credential.into(),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Take a way in away; sessions that were opened with it end.
#[utoipa::path(delete, path = "/api/v1/couriers/{courier}/credentials/{id}", operation_id = "removeCredential", tag = "couriers",
    params(("courier" = String, Path), ("id" = Uuid, Path)), responses((status = 204, description = "It is gone")))]
async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Path((named, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let courier = app.authority.courier(&caller, &named).await?.id;
    let id = Uuid::try_parse(&id)
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such credential"))?;
    app.authority.remove_credential(&caller, courier, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Credential> for CredentialBody {
    fn from(credential: Credential) -> Self {
        Self {
            id: credential.id,
            method: credential.method().name().to_owned(),
            binding: serde_json::to_value(&credential.binding).unwrap_or_default(),
            client_id: credential.client_id,
            created_at: credential.created_at,
            expires_at: credential.expires_at,
            last_used_at: credential.last_used_at,
        }
    }
}
