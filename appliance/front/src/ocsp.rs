//! OCSP over HTTP (RFC 6960 appendix A, RFC 9919 §6): GET and POST, and the short address `/{serial}` for people and
//! scripts.

use std::sync::LazyLock;

use bytes::Bytes;
use ca::{IssuerEntry, OcspAnswer, OcspAnswerKind};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use ocsp::{ErrorStatus, GetPathFault, get_path_into, get_path_to_der};
use pki::Serial;
use uuid::Uuid;

use crate::conditional::{Kept, Life, Written, head_of};
use crate::limits::{self, BodyFault};
use crate::public::{Answer, Public, not_allowed, not_found, plain};
use crate::settings::OCSP_BODY;

const MEDIA_TYPE: &str = "application/ocsp-response";
/// The headers of an answer that may be kept.
static HEAD: LazyLock<HeaderMap> = LazyLock::new(|| head_of(MEDIA_TYPE));
/// Octets that a request about one certificate fits in, with SHA-256 and the longest serial.
const USUAL_REQUEST: usize = 192;

/// The answer of an issuer's responder; `rest` is the path behind the issuer.
pub(crate) async fn answer(
    public: &Public,
    issuer: &str,
    rest: Option<&str>,
    head: &Parts,
    body: &mut Incoming,
) -> Answer {
    match head.method {
        Method::POST => post(public, issuer, head, body).await,
        Method::GET | Method::HEAD => match public.issuer(issuer) {
            Some(issuer) => Box::pin(get(public, &issuer, rest.unwrap_or_default(), head)).await,
            None => not_found(),
        },
        _ => not_allowed("GET, HEAD, POST"),
    }
}

async fn post(public: &Public, issuer: &str, head: &Parts, body: &mut Incoming) -> Answer {
    match request(public, head, body).await {
        Ok(request) => {
            if let Some(known) = known(public, issuer, &request) {
                return render(public, &known, &head.method, &head.headers);
            }
            match public.issuer(issuer) {
                Some(issuer) => {
                    // On the heap, so that what nearly every request needs is not moved about with what few need.
                    let answer = Box::pin(public.authority.answer_ocsp(issuer.id, &request)).await;
                    render(public, &answer, &head.method, &head.headers)
                }
                None => not_found(),
            }
        }
        Err(BodyFault::TooLarge) => plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            "An OCSP request has at most 65536 octets.\n",
        ),
        Err(BodyFault::TooSlow) => plain(
            StatusCode::REQUEST_TIMEOUT,
            "The request did not arrive in time.\n",
        ),
        Err(BodyFault::Broken) => plain(StatusCode::BAD_REQUEST, "The request broke off.\n"),
    }
}

/// The answer that is at hand, of an issuer that is named by its identifier.
fn known(public: &Public, issuer: &str, request: &[u8]) -> Option<OcspAnswer> {
    public
        .authority
        .ocsp_at_hand(Uuid::try_parse(issuer).ok()?, request)
}

/// The body of a request, which nearly always comes in one piece. One that does not takes room once, for all of it.
async fn request(public: &Public, head: &Parts, body: &mut Incoming) -> Result<Bytes, BodyFault> {
    let declared = body
        .size_hint()
        .upper()
        .and_then(|length| usize::try_from(length).ok());
    let (mut first, mut joined) = (Bytes::new(), Vec::new());
    let take = |piece: Bytes| {
        if first.is_empty() && joined.is_empty() {
            first = piece;
            return;
        }
        if joined.is_empty() {
            joined.reserve_exact(declared.unwrap_or(OCSP_BODY).min(OCSP_BODY));
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&piece);
    };
    // A request of a few hundred octets is given no more time than the head before it.
    let within = public.limits.body_timeout.min(public.limits.header_timeout);
    limits::read(head, body, OCSP_BODY, within, take).await?;
    Ok(if joined.is_empty() { first } else { joined.into() })
}

/// The answer when it is at hand, without waiting for anything: the way of nearly every request by GET.
pub(crate) fn at_hand(
    public: &Public,
    issuer: &str,
    rest: Option<&str>,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Answer> {
    if *method != Method::GET && *method != Method::HEAD {
        return None;
    }
    let mut room = [0; USUAL_REQUEST];
    let der = get_path_into(rest?, &mut room).ok()?;
    let answer = known(public, issuer, der)?;
    Some(render(public, &answer, method, headers))
}

async fn get(public: &Public, issuer: &IssuerEntry, rest: &str, head: &Parts) -> Answer {
    let authority = &public.authority;
    let answer = match asked(rest) {
        Ok(Asked::Serial(serial)) => authority.answer_ocsp_serial(issuer.id, serial).await,
        Ok(Asked::Request(der)) => authority.answer_ocsp(issuer.id, &der).await,
        Err(_) => {
            return uncached(
                Bytes::from_static(ErrorStatus::MalformedRequest.der()),
                "no-store",
            );
        }
    };
    render(public, &answer, &head.method, &head.headers)
}

/// What is asked for by GET.
#[derive(Debug)]
pub(crate) enum Asked {
    Serial(Serial),
    /// A request in DER, not parsed yet.
    Request(Vec<u8>),
}

/// Reads the path behind the issuer.
pub(crate) fn asked(rest: &str) -> Result<Asked, GetPathFault> {
    serial(rest).map_or_else(
        || get_path_to_der(rest).map(Asked::Request),
        |serial| Ok(Asked::Serial(serial)),
    )
}

/// The short address: a serial in hexadecimal. A request is never mistaken for one: its base64 begins with `M`.
fn serial(rest: &str) -> Option<Serial> {
    (rest.len() <= 64 && !rest.starts_with('M'))
        .then(|| rest.parse().ok())
        .flatten()
}

fn render(public: &Public, answer: &OcspAnswer, method: &Method, headers: &HeaderMap) -> Answer {
    let body = answer.der.clone();
    let Some(fresh) = &answer.cacheable else {
        // RFC 9919 §7.2: a signed answer must not carry no-store or no-cache, an unsigned one should.
        let is_signed = matches!(
            answer.kind,
            OcspAnswerKind::Good | OcspAnswerKind::Revoked | OcspAnswerKind::Unknown
        );
        return uncached(
            body,
            if is_signed {
                "max-age=0, public, no-transform, must-revalidate"
            } else {
                "no-store"
            },
        );
    };
    let write = || Written::of(&fresh.etag, fresh.this_update, fresh.next_update);
    let written = fresh.written.get_or_init(|| Box::new(write()));
    let own;
    let answer = Kept {
        body,
        head: &HEAD,
        life: Life {
            modified: fresh.this_update,
            fresh_until: fresh.fresh_until,
            expires: fresh.next_update,
        },
        written: if let Some(written) = written.downcast_ref() {
            written
        } else {
            // Somebody else speaks of the same answer, and was first.
            own = write();
            &own
        },
    };
    answer.respond(method, headers, public.authority.clock().now())
}

/// An answer that is of no use to anybody else: with a nonce, or an error.
fn uncached(der: Bytes, cache_control: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(der));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
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
