//! Keys of the signer: where they are, what uses them, whether they can be taken out.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::App;
use crate::auth::Caller;
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyBody {
    /// SHA-256 of its SubjectPublicKeyInfo, hexadecimal.
    fingerprint: String,
    label: String,
    algorithm: String,
    /// The tokens that hold it.
    tokens: Vec<String>,
    /// CKA_EXTRACTABLE.
    extractable: bool,
    /// CKA_SENSITIVE.
    sensitive: bool,
    /// CKA_LOCAL: made in the token.
    local: bool,
    /// What uses it.
    used_by: Vec<String>,
}

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    items: Vec<KeyBody>,
    /// Always null: there is one page.
    next: Option<String>,
}

/// List the keys of the signer.
#[utoipa::path(get, path = "/api/v1/keys", operation_id = "listKeys", tag = "administration",
    responses((status = 200, description = "All keys", body = KeyList)))]
async fn list(State(app): State<App>, Caller(caller): Caller) -> Result<Json<KeyList>, Problem> {
    let keys = app.authority.keys(&caller).await?;
    let items = keys.into_iter().map(|key| KeyBody {
        fingerprint: key.fingerprint.to_string(),
        label: key.label,
        algorithm: key.algorithm,
        tokens: key.tokens,
        extractable: key.extractable,
        sensitive: key.sensitive,
        local: key.local,
        used_by: key.used_by,
    });
    Ok(Json(KeyList {
        items: items.collect(),
        next: None,
    }))
}
