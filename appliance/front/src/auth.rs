//! Who asks: the principal behind a bearer token.

use axum::extract::FromRequestParts;
use ca::Principal;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::api::App;
use crate::problem::Problem;

/// The caller, authenticated. A handler that takes one cannot be reached without a token.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION).ok_or_else(|| {
            Problem::unauthenticated(
                "this address needs a token: send the header `Authorization: Bearer TOKEN`",
            )
        })?;
        let wrong = || Problem::unauthenticated("the Authorization header is not of the form `Bearer TOKEN`");
        let (scheme, token) = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .ok_or_else(wrong)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(wrong());
        }
        let principal = app.authority.authenticate(token.trim())?;
        // For the log line of the request.
        tracing::Span::current().record("caller", principal.name.as_str());
        Ok(Self(principal))
    }
}
