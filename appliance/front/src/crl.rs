//! `GET /.well-known/pki/crl/{issuer}`: the CRL of an issuer in DER (RFC 5280 §4.2.1.13, RFC 2585 §3).

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Response, StatusCode};
use jiff::SignedDuration;

use crate::conditional::Cacheable;
use crate::public::{Public, not_found, plain};
use crate::public_body::PublicBody;

/// Longest time a cache may keep a CRL: a revocation puts another in its place long before its nextUpdate.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(1);

/// The answer for the issuer of this path segment.
pub(crate) fn answer(public: &Public, segment: &str, head: &Parts) -> Response<PublicBody> {
    let Some(issuer) = public.issuer(key(segment)) else {
        return not_found().map(PublicBody::from);
    };
    let Some(crl) = public.authority.current_crl(issuer.id) else {
        let text = "This issuer has not published a CRL yet.\n";
        return plain(StatusCode::NOT_FOUND, text).map(PublicBody::from);
    };
    let now = public.authority.clock().now();
    let kept_until = now.saturating_add(MAX_AGE).unwrap_or(crl.next_update);
    let answer = Cacheable {
        body: Bytes::new(),
        media_type: "application/pkix-crl",
        etag: &crl.etag,
        modified: crl.this_update,
        expires: Some(crl.next_update.min(kept_until)),
    };
    let answer = answer.respond(&head.method, &head.headers, now);
    if answer.status() != StatusCode::OK {
        return answer.map(PublicBody::from);
    }
    let length = crl.body.octets();
    let mut answer = answer.map(|_| PublicBody::of(&crl.body, 0, length));
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    answer
}

/// The issuer in a path segment; a file name suffix that some clients want to see is no part of it.
pub(crate) fn key(segment: &str) -> &str {
    segment
        .strip_suffix(".crl")
        .or_else(|| segment.strip_suffix(".der"))
        .unwrap_or(segment)
}
