//! OCSP over HTTP (RFC 6960 appendix A, RFC 9919): GET and POST, and the short address `/{serial}` for people and scripts.

use bytes::Bytes;
use ca::{IssuerEntry, OcspAnswer};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use ocsp::{ErrorStatus, get_path_to_der};
use pki::Serial;

use crate::conditional::Cacheable;
use crate::public::{Answer, Public, not_allowed, plain};
use crate::settings::OCSP_BODY;

const MEDIA_TYPE: &str = "application/ocsp-response";

pub(crate) async fn answer(
    public: &Public,
    issuer: &IssuerEntry,
    rest: Option<&str>,
    request: Request<Incoming>,
) -> Answer {
    match *request.method() {
        Method::POST => post(public, issuer, request).await,
        Method::GET | Method::HEAD => get(public, issuer, rest.unwrap_or_default(), &request).await,
        _ => not_allowed("GET, HEAD, POST"),
    }
}

async fn post(public: &Public, issuer: &IssuerEntry, request: Request<Incoming>) -> Answer {
    let body = Limited::new(request.into_body(), OCSP_BODY).collect();
    match tokio::time::timeout(public.limits.body_timeout, body).await {
        Ok(Ok(body)) => signed(public.authority.answer_ocsp(issuer.id, &body.to_bytes()).await.der),
        Ok(Err(_)) => plain(StatusCode::PAYLOAD_TOO_LARGE, "An OCSP request has at most 65536 octets.\n"),
        Err(_) => plain(StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time.\n"),
    }
}

async fn get(public: &Public, issuer: &IssuerEntry, rest: &str, request: &Request<Incoming>) -> Answer {
    let authority = &public.authority;
    let answer = if let Some(serial) = serial(rest) {
        authority.answer_ocsp_serial(issuer.id, serial).await
    } else {
        match get_path_to_der(rest) {
            Ok(der) => authority.answer_ocsp(issuer.id, &der).await,
            Err(_) => return signed(Bytes::from_static(ErrorStatus::MalformedRequest.der())),
        }
    };
    render(public, answer, request)
}

/// The short address: a serial in hexadecimal. A request is never mistaken for one: its base64 begins with `M`.
fn serial(rest: &str) -> Option<Serial> {
    (rest.len() <= 64 && !rest.starts_with('M')).then(|| rest.parse().ok()).flatten()
}

fn render(public: &Public, answer: OcspAnswer, request: &Request<Incoming>) -> Answer {
    match answer.cacheable {
        Some(fresh) => Cacheable {
            body: answer.der,
            media_type: MEDIA_TYPE,
            etag: fresh.etag,
            modified: fresh.this_update,
            expires: Some(fresh.next_update),
        }
        .respond(request.headers(), public.authority.clock().now()),
        None => signed(answer.der),
    }
}

/// An answer that no cache may keep: to a POST, with a nonce, or an error.
fn signed(der: Bytes) -> Answer {
    let length = der.len();
    let mut answer = Response::new(Full::new(der));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_no_serial() {
        assert!(serial("0a1b2c").is_some());
        assert!(serial("4F:3A:00").is_some());
        assert!(serial("MEIwQDA+MDwwOjAJBgUrDgMCGgUABBQ").is_none());
        assert!(serial("").is_none());
    }
}
