//! What handlers take from a request: JSON bodies, queries and path segments, strict and with errors in the envelope.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use serde_json::json;
use zeroize::Zeroizing;

use crate::api::App;
use crate::limits::{self, BodyFault};
use crate::problem::{Challenge, Problem};

/// A JSON body as a value. Its octets are wiped after they were read, as they may hold a key.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let limit = limit_of(&request, app);
        parse(&read(request, limit, app.limits.body_timeout).await?).map(Self)
    }
}

/// A JSON body that may be left out: nothing at all stands for the defaults.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let limit = limit_of(&request, app);
        let octets = read(request, limit, app.limits.body_timeout).await?;
        if octets.is_empty() {
            Ok(Self(T::default()))
        } else {
            parse(&octets).map(Self)
        }
    }
}

/// How long a body may be. What couriers send is short.
pub(crate) fn limit_of(request: &Request, app: &App) -> usize {
    let limit = app.limits.api_body;
    if request.uri().path().starts_with("/api/v1/courier/") {
        limit.min(courier_wire::MAX_BODY)
    } else {
        limit
    }
}

/// The body that a courier has answered for: no other one is read.
#[derive(Clone, Debug)]
pub(crate) struct Covered(pub(crate) ca::courier::BodyClaim);

/// A whole body, bounded in size and time.
pub(crate) async fn read(
    request: Request,
    limit: usize,
    within: Duration,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let (head, body) = request.into_parts();
    let declared = body
        .size_hint()
        .upper()
        .and_then(|length| usize::try_from(length).ok());
    let room = declared.unwrap_or(limit).min(limit);
    // Room for all of it at once: what grows leaves copies behind.
    let mut octets = Zeroizing::new(Vec::new());
    let take = |piece: Bytes| {
        if octets.capacity() == 0 {
            octets.reserve_exact(room);
        }
        octets.extend_from_slice(&piece);
    };
    let read = limits::read(&head, body, limit, within, take);
    read.await.map_err(|fault| refused(fault, limit))?;
    match head.extensions.get::<Covered>() {
        Some(Covered(claim)) if !claim.is_of(&octets) => Err(covers_another()),
        _ => Ok(octets),
    }
}

/// The proof of the request names the digest of another body.
fn covers_another() -> Problem {
    let message = "the proof of the request covers another body";
    Problem::new(StatusCode::UNAUTHORIZED, "proof_invalid", message).with_challenge(Challenge::Proof)
}

fn refused(fault: BodyFault, limit: usize) -> Problem {
    match fault {
        BodyFault::TooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is longer than {limit} octets"),
        ),
        BodyFault::TooSlow => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "the body did not arrive in time",
        ),
        BodyFault::Broken => Problem::bad_request("body_broken", "the body broke off"),
    }
}

/// Every error that has a place names it: `details.field` is the path of the field that is wrong.
pub(crate) fn parse<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Problem> {
    // serde would also take the fields as a list, by position.
    if octets.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::bad_request(
            "invalid_field",
            "the body is a list where an object belongs",
        ));
    }
    serde_json::from_slice(octets).or_else(|_| {
        // Once more for the place of the error, which costs more to keep track of than to look for.
        let mut json = serde_json::Deserializer::from_slice(octets);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            unreadable(error.inner(), if path == "." { String::new() } else { path })
        })?;
        json.end().map_err(|error| unreadable(&error, String::new()))?;
        Ok(value)
    })
}

fn unreadable(error: &serde_json::Error, path: String) -> Problem {
    let text = error.to_string();
    let (code, field) = if !error.is_data() {
        return Problem::bad_request("malformed_json", format!("the body is not JSON: {text}"));
    } else if let Some(name) = named(&text, "unknown field `") {
        ("unknown_field", name)
    } else if let Some(name) = named(&text, "missing field `") {
        ("missing_field", name)
    } else {
        ("invalid_field", path)
    };
    let problem = Problem::bad_request(code, format!("the body is not what this address takes: {text}"));
    if field.is_empty() {
        problem
    } else {
        problem.with_details(json!({ "field": field }))
    }
}

/// The name that serde puts behind this opening.
fn named(text: &str, opening: &str) -> Option<String> {
    let (name, _) = text.strip_prefix(opening)?.split_once('`')?;
    Some(name.to_owned())
}

/// The query of an address.
#[derive(Debug)]
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, app).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|error| Problem::bad_request("invalid_query", error.body_text()))
    }
}

/// The one variable segment of an address.
#[derive(Debug)]
pub(crate) struct Segment(pub(crate) String);

impl FromRequestParts<App> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, app).await;
        path.map(|Path(segment)| Self(segment))
            .map_err(|error| Problem::bad_request("invalid_path", error.body_text()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only read")]
        days: u32,
    }

    fn code(json: &str) -> (&'static str, serde_json::Value) {
        let problem = parse::<Order>(json.as_bytes()).unwrap_err();
        (problem.code(), problem.details().clone())
    }

    #[test]
    fn every_sort_of_wrong_json_has_its_code() {
        assert!(parse::<Order>(br#"{"days": 1} "#).is_ok());
        assert_eq!(code(r#"{"days": 1"#).0, "malformed_json");
        assert_eq!(code(r#"{"days": 1} x"#).0, "malformed_json");
        assert_eq!(code("").0, "malformed_json");
        assert_eq!(
            code(r#"{"days": 1, "dayz": 2}"#),
            ("unknown_field", json!({"field": "dayz"}))
        );
        assert_eq!(code("{}"), ("missing_field", json!({"field": "days"})));
        assert_eq!(
            code(r#"{"days": "one"}"#),
            ("invalid_field", json!({"field": "days"}))
        );
        assert_eq!(
            code(r#"{"days": -1}"#),
            ("invalid_field", json!({"field": "days"}))
        );
        assert_eq!(code(r#"{"days": 1, "days": 2}"#).0, "invalid_field");
        assert_eq!(code("[1]").0, "invalid_field");
    }
}
