//! Profiles: list, show, put, delete.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ca::ProfileEntry;
use http::StatusCode;
use jiff::Timestamp;
use pki::profile::Profile;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::profile_schema::ProfileSchema;
use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, put, delete))
}

/// One profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileBody {
    /// Counts up from 1 with every change.
    version: i64,
    updated_at: Timestamp,
    #[schema(value_type = ProfileSchema)]
    profile: Profile,
}

/// All profiles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileList {
    items: Vec<ProfileBody>,
    /// Always null: there is one page.
    next: Option<String>,
}

impl From<ProfileEntry> for ProfileBody {
    fn from(entry: ProfileEntry) -> Self {
        Self {
            version: entry.version,
            updated_at: entry.updated_at,
            profile: Arc::unwrap_or_clone(entry.profile),
        }
    }
}

/// List the profiles.
#[utoipa::path(get, path = "/api/v1/profiles", operation_id = "listProfiles", tag = "profiles",
    responses((status = 200, description = "All profiles", body = ProfileList)))]
async fn list(State(app): State<App>, Caller(_caller): Caller) -> Json<ProfileList> {
    Json(ProfileList {
        items: app.authority.profiles().into_iter().map(Into::into).collect(),
        next: None,
    })
}

/// Show a profile.
#[utoipa::path(get, path = "/api/v1/profiles/{name}", operation_id = "showProfile", tag = "profiles", params(("name" = String, Path)),
    responses((status = 200, description = "The profile", body = ProfileBody)))]
async fn show(
    State(app): State<App>,
    Caller(_caller): Caller,
    Segment(name): Segment,
) -> Result<Json<ProfileBody>, Problem> {
    Ok(Json(app.authority.profile(&name)?.into()))
}

/// Add a profile or change it.
#[utoipa::path(put, path = "/api/v1/profiles/{name}", operation_id = "putProfile", tag = "profiles", params(("name" = String, Path)),
    request_body(content = ProfileSchema, description = "The profile; its name must be that of the address"),
    responses((status = 200, description = "The profile", body = ProfileBody)))]
async fn put(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(name): Segment,
    JsonBody(profile): JsonBody<Profile>,
) -> Result<Json<ProfileBody>, Problem> {
    if profile.name != name {
        let message = format!(
            "the profile is named `{}`, the address names `{name}`",
            profile.name
        );
        return Err(Problem::bad_request("profile_name_mismatch", message));
    }
    Ok(Json(app.authority.put_profile(&caller, profile).await?.into()))
}

/// Remove a profile; what was issued under it stays.
#[utoipa::path(delete, path = "/api/v1/profiles/{name}", operation_id = "deleteProfile", tag = "profiles", params(("name" = String, Path)),
    responses((status = 204, description = "It is gone")))]
async fn delete(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(name): Segment,
) -> Result<StatusCode, Problem> {
    app.authority.delete_profile(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
