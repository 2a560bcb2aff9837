//! `GET /.well-known/pki/crl/{issuer}`: the CRL of an issuer in DER (RFC 5280 §4.2.1.13, RFC 2585 §3).

use http::StatusCode;
use http::request::Parts;

use crate::conditional::Cacheable;
use crate::public::{Answer, Public, not_found, plain};

/// The answer for the issuer of this path segment; a file name suffix that some clients want to see is no part of it.
pub(crate) fn answer(public: &Public, segment: &str, head: &Parts) -> Answer {
    let key = segment
        .strip_suffix(".crl")
        .or_else(|| segment.strip_suffix(".der"))
        .unwrap_or(segment);
    let Some(issuer) = public.issuer(key) else {
        return not_found();
    };
    let Some(crl) = public.authority.current_crl(issuer.id) else {
        return plain(
            StatusCode::NOT_FOUND,
            "This issuer has not published a CRL yet.\n",
        );
    };
    let answer = Cacheable {
        body: crl.der.clone(),
        media_type: "application/pkix-crl",
        etag: &crl.etag,
        modified: crl.this_update,
        expires: Some(crl.next_update),
    };
    answer.respond(&head.method, &head.headers, public.authority.clock().now())
}
