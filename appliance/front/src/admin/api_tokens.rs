//! API tokens: make, list, revoke.

use axum::Json;
use axum::extract::State;
use ca::{ApiToken, NewApiToken, Role, Scope};
use http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// Whose it is. Certificates belong to this name: tokens of one name can take turns.
    name: String,
    /// `admin`, `operator`, `requester` or `auditor`.
    #[schema(value_type = String)]
    role: Role,
    /// The CAs it may use, by name or identifier; all when empty or absent. What it may read follows from its role.
    #[serde(default)]
    issuers: Vec<String>,
    /// The profiles it may use; all when empty or absent.
    #[serde(default)]
    profiles: Vec<String>,
    /// When it ends; never, when absent.
    expires_at: Option<Timestamp>,
}

/// One token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenBody {
    id: String,
    name: String,
    role: String,
    /// Empty for all.
    issuers: Vec<String>,
    /// Empty for all.
    profiles: Vec<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    /// When it was used last; absent for never.
    last_used_at: Option<Timestamp>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewTokenBody {
    #[serde(flatten)]
    token: TokenBody,
    /// What its bearer sends. It is shown this once.
    secret: String,
}

/// All tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    items: Vec<TokenBody>,
    /// Always null: there is one page.
    next: Option<String>,
}

/// Make a token; its secret is shown once.
#[utoipa::path(post, path = "/api/v1/api-tokens", operation_id = "createApiToken", tag = "administration", request_body = TokenRequest,
    responses((status = 201, description = "The token and, this once, its secret", body = NewTokenBody)))]
async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<TokenRequest>,
) -> Result<(StatusCode, Json<NewTokenBody>), Problem> {
    let made = app.authority.create_api_token(&caller, body.into()).await?;
    let secret = made.secret.expose_secret().to_owned();
    Ok((
        StatusCode::CREATED,
        Json(NewTokenBody {
            token: made.token.into(),
            secret,
        }),
    ))
}

/// List the tokens, the revoked ones too.
#[utoipa::path(get, path = "/api/v1/api-tokens", operation_id = "listApiTokens", tag = "administration",
    responses((status = 200, description = "All tokens", body = TokenList)))]
async fn list(State(app): State<App>, Caller(caller): Caller) -> Result<Json<TokenList>, Problem> {
    let tokens = app.authority.list_api_tokens(&caller).await?;
    Ok(Json(TokenList {
        items: tokens.into_iter().map(Into::into).collect(),
        next: None,
    }))
}

/// Revoke a token.
#[utoipa::path(delete, path = "/api/v1/api-tokens/{id}", operation_id = "revokeApiToken", tag = "administration", params(("id" = String, Path)),
    responses((status = 200, description = "The token", body = TokenBody)))]
async fn revoke(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<TokenBody>, Problem> {
    Ok(Json(app.authority.revoke_api_token(&caller, &id).await?.into()))
}

impl From<TokenRequest> for NewApiToken {
    fn from(body: TokenRequest) -> Self {
        Self {
            name: body.name,
            role: body.role,
            issuers: Scope::of(body.issuers),
            profiles: Scope::of(body.profiles),
            expires_at: body.expires_at,
        }
    }
}

impl From<ApiToken> for TokenBody {
    fn from(token: ApiToken) -> Self {
        let names = |scope: Scope| match scope {
            Scope::All => Vec::new(),
            Scope::Only(names) => names.into_iter().collect(),
        };
        Self {
            id: token.id,
            name: token.name,
            role: token.role.to_string(),
            issuers: names(token.issuers),
            profiles: names(token.profiles),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
        }
    }
}
