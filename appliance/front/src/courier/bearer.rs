//! Which courier asks: the session behind the token of a request, and the proof that goes with it.

use axum::extract::FromRequestParts;
use ca::courier::{Bearing, CourierSession};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;

use super::via::Via;
use crate::api::{App, Peer};
use crate::extract::Covered;
use crate::problem::{Challenge, Problem};

/// A courier that has signed in. A handler that takes one cannot be reached without a session.
#[derive(Debug)]
pub(super) struct SignedIn(pub(super) CourierSession);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let header = text(AUTHORIZATION.as_str()).unwrap_or_default();
        let (scheme, token) = header.split_once(' ').unwrap_or_default();
        let is_bound = scheme.eq_ignore_ascii_case("dpop");
        if !is_bound && !scheme.eq_ignore_ascii_case("bearer") {
            let message =
                "this address needs a session: send the header `Authorization: DPoP TOKEN` or `Bearer TOKEN`";
            return Err(Problem::unauthenticated(message));
        }
        // A second proof would be one that nobody looked at (RFC 9449 §4.3).
        let proof = text("dpop").filter(|_| parts.headers.get_all("dpop").iter().count() == 1);
        let bearing = Bearing {
            token: token.trim(),
            is_bound,
            proof,
            http_method: parts.method.as_str(),
            path: parts.uri.path(),
            host: text(HOST.as_str()).or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)),
            address: parts.extensions.get::<Peer>().map(|peer| peer.0.ip()),
            via: parts.extensions.get::<Via>().map(|via| &via.0),
        };
        let session = app.authority.courier_session(&bearing).await;
        let mut session = session.map_err(|error| challenged(error, is_bound))?;
        if let Some(claim) = session.body.take() {
            parts.extensions.insert(Covered(claim));
        }
        // For the log line of the request.
        tracing::Span::current().record("caller", session.courier.name.as_str());
        Ok(Self(session))
    }
}

/// What is asked of a session that is bound to a key, or of whoever sent a token as that of one (RFC 9449 §7.1).
fn challenged(error: ca::Error, is_bound: bool) -> Problem {
    let is_of_proof = error.code() == "proof_invalid";
    let problem = Problem::from(error);
    if is_of_proof {
        problem.with_challenge(Challenge::Proof)
    } else if is_bound {
        problem.with_challenge(Challenge::BoundToken)
    } else {
        problem
    }
}
