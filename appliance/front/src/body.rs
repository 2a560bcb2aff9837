//! JSON bodies: bounded in size and time before they are read, strict about their fields.

use axum::extract::{FromRequest, Request};
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::api::App;
use crate::problem::Problem;

/// A JSON body as a value.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let octets = read(request, app).await?;
        serde_json::from_slice(&octets).map(Self).map_err(|error| {
            let code = if error.is_data() { "invalid_field" } else { "malformed_json" };
            Problem::bad_request(code, format!("the body is not what this address takes: {error}"))
        })
    }
}

/// The octets of a body within the limits.
async fn read(request: Request, app: &App) -> Result<Vec<u8>, Problem> {
    let body = Limited::new(request.into_body(), app.limits.api_body).collect();
    match tokio::time::timeout(app.limits.body_timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is longer than {} octets", app.limits.api_body),
        )),
        Ok(Err(_)) => Err(Problem::bad_request("body_broken", "the body broke off")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time")),
    }
}
