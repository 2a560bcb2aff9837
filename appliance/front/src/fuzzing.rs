//! What the fuzz targets reach of what any client can send, without a socket: bodies and names of the REST API, paths and
//! conditions of the public listener.

use http::header::{ACCEPT, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderValue, Request};
use jiff::Timestamp;

pub use crate::admin::fuzzing::{body, certificate_name, query};
use crate::conditional::{http_date, is_unchanged, parse_http_date};
use crate::public::Place;
use crate::{ca_certificate, crl, ocsp};

/// Reads a target as the public listener does, and the headers that choose among its answers.
pub fn public(target: &str, accept: &str, condition: &str) {
    let mut request = Request::builder().uri(target);
    for (name, text) in [
        (ACCEPT, accept),
        (IF_NONE_MATCH, condition),
        (IF_MODIFIED_SINCE, condition),
    ] {
        if let Ok(value) = HeaderValue::from_str(text) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else { return };
    let (head, ()) = request.into_parts();
    match Place::of(head.uri.path()) {
        Place::Ocsp { rest, .. } => drop(ocsp::asked(rest.unwrap_or_default())),
        Place::Crl { issuer, .. } => assert!(issuer.starts_with(crl::key(issuer))),
        Place::Ca(segment) => assert!(segment.starts_with(ca_certificate::asked(segment, &head).0)),
        Place::Healthz | Place::Nowhere => {}
    }
    is_unchanged(&head.headers, || "\"0102\"", Timestamp::UNIX_EPOCH);
    date(condition);
}

/// A date that is read is written as the same date.
fn date(text: &str) {
    let Some(at) = parse_http_date(text) else { return };
    let mut written = bytes::BytesMut::new();
    http_date(&mut written, at);
    let again = std::str::from_utf8(&written).ok().and_then(parse_http_date);
    assert_eq!(again, Some(at), "{text}");
}
