//! `GET /.well-known/pki/crl/{issuer}[/{shard}][/delta]`: the CRL of an issuer in DER (RFC 5280 §4.2.1.13, RFC 2585 §3), plain or compressed,
//! whole or a part of it.

use std::sync::Arc;

use bytes::Bytes;
use ca::{CrlBody, PublishedCrl};
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, IF_NONE_MATCH, IF_RANGE, VARY,
};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use jiff::SignedDuration;

use crate::conditional::Cacheable;
use crate::encodings;
use crate::public::{Public, not_found, plain};
use crate::public_body::PublicBody;
use crate::ranges;

/// Longest time a cache may keep a CRL: a revocation puts another in its place long before its nextUpdate.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(1);

/// Which CRL of an issuer a path asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Part {
    /// The number of the shard, when one is named.
    pub(crate) shard: Option<u32>,
    /// Whether the delta is asked for.
    pub(crate) is_delta: bool,
}

impl Part {
    /// What is behind the issuer in a path.
    pub(crate) fn of(rest: Option<&str>) -> Option<Self> {
        let part = |shard, is_delta| Some(Self { shard, is_delta });
        let rest = match rest.map(key) {
            None => return part(None, false),
            Some("delta") => return part(None, true),
            Some(rest) => rest,
        };
        let (number, is_delta) = rest
            .strip_suffix("/delta")
            .map_or((rest, false), |number| (number, true));
        let shard: u32 = number.parse().ok()?;
        // One address for one list: no signs, no leading zeros.
        (shard.to_string() == number)
            .then_some(shard)
            .and_then(|shard| part(Some(shard), is_delta))
    }
}

/// The answer for the issuer of this path segment.
pub(crate) fn answer(public: &Public, segment: &str, part: Part, head: &Parts) -> Response<PublicBody> {
    let Some(issuer) = public.issuer(key(segment)) else {
        return not_found().map(PublicBody::from);
    };
    let crl = if part.is_delta {
        public.authority.delta_of_shard(issuer.id, part.shard)
    } else {
        public.authority.crl_of_shard(issuer.id, part.shard)
    };
    let Some(crl) = crl else {
        let text = "This issuer has not published this CRL: it may be cut into shards, or be new.\n";
        return plain(StatusCode::NOT_FOUND, text).map(PublicBody::from);
    };
    respond(public, &crl, head)
}

/// The CRL in the variant, and the part of it, that the request gets.
fn respond(public: &Public, crl: &Arc<PublishedCrl>, head: &Parts) -> Response<PublicBody> {
    let (authority, headers) = (&public.authority, &head.headers);
    // Who has the plain octets, or a part of them, goes on with them.
    let has_plain = [IF_NONE_MATCH, IF_RANGE].iter().any(|name| {
        let mut values = headers.get_all(name).iter();
        values.any(|value| value.to_str().is_ok_and(|tags| tags.contains(&crl.etag)))
    });
    let takes_gzip = !has_plain && encodings::accepts_gzip(headers);
    let compressed = takes_gzip.then(|| authority.compressed_crl(crl)).flatten();
    let (body, etag) = compressed.map_or((&crl.body, &crl.etag), |variant| (&variant.body, &variant.etag));
    let now = authority.clock().now();
    let kept_until = now.saturating_add(MAX_AGE).unwrap_or(crl.next_update);
    let answer = Cacheable {
        body: Bytes::new(),
        media_type: "application/pkix-crl",
        etag,
        modified: crl.this_update,
        expires: Some(crl.next_update.min(kept_until)),
    };
    let mut answer = answer.respond(&head.method, headers, now).map(PublicBody::from);
    answer
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept-encoding"));
    if answer.status() != StatusCode::OK {
        return answer;
    }
    if compressed.is_some() {
        answer
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let part = ranges::Part::of(&head.method, headers, etag, crl.this_update, body.octets());
    fill(answer, body, part)
}

/// Puts the part into the answer (RFC 9110 §15.3.7, §15.5.17).
fn fill(mut answer: Response<PublicBody>, body: &CrlBody, part: ranges::Part) -> Response<PublicBody> {
    let length = body.octets();
    let (first, end, content_range) = match part {
        ranges::Part::Whole => (0, length, None),
        ranges::Part::Range { first, end } => {
            (first, end, Some(format!("bytes {first}-{}/{length}", end - 1)))
        }
        ranges::Part::Nothing => (0, 0, Some(format!("bytes */{length}"))),
    };
    *answer.status_mut() = match part {
        ranges::Part::Whole => StatusCode::OK,
        ranges::Part::Range { .. } => StatusCode::PARTIAL_CONTENT,
        ranges::Part::Nothing => StatusCode::RANGE_NOT_SATISFIABLE,
    };
    *answer.body_mut() = PublicBody::of(body, first, end);
    let headers = answer.headers_mut();
    if let Some(value) = content_range.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(CONTENT_RANGE, value);
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, (end - first).into());
    answer
}

/// The issuer in a path segment; a file name suffix that some clients want to see is no part of it.
pub(crate) fn key(segment: &str) -> &str {
    segment
        .strip_suffix(".crl")
        .or_else(|| segment.strip_suffix(".der"))
        .unwrap_or(segment)
}
