//! Cacheable answers: validators, freshness and the answers to conditional requests (RFC 9110 §13, RFC 9111, RFC 9919 §6).

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, EXPIRES, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use jiff::Timestamp;

/// Something that may be kept by caches.
#[derive(Clone, Debug)]
pub(crate) struct Cacheable {
    /// The body.
    pub(crate) body: Bytes,
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// A strong validator, in quotes.
    pub(crate) etag: String,
    /// When it was made.
    pub(crate) modified: Timestamp,
    /// Until when it may be used; absent for what does not end by itself.
    pub(crate) expires: Option<Timestamp>,
}

/// Longest time a cache may keep what has no end of its own.
const DEFAULT_MAX_AGE: i64 = 24 * 3600;

impl Cacheable {
    /// The answer to a GET or HEAD with these headers.
    pub(crate) fn respond(self, request: &HeaderMap, now: Timestamp) -> Response<Full<Bytes>> {
        let is_fresh_at_client = is_unchanged(request, &self.etag, self.modified);
        let max_age = self.expires.map_or(DEFAULT_MAX_AGE, |end| (end.as_second() - now.as_second()).max(0));
        let mut response = Response::new(Full::new(if is_fresh_at_client { Bytes::new() } else { self.body.clone() }));
        *response.status_mut() = if is_fresh_at_client { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let headers = response.headers_mut();
        // RFC 9919 §6: public, bounded by nextUpdate, never changed on the way.
        put(headers, CACHE_CONTROL, &format!("max-age={max_age}, public, no-transform, must-revalidate"));
        put(headers, ETAG, &self.etag);
        put(headers, LAST_MODIFIED, &http_date(self.modified));
        if let Some(end) = self.expires {
            put(headers, EXPIRES, &http_date(end));
        }
        if !is_fresh_at_client {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        response
    }
}

fn put(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// RFC 9110 §13.2.2: If-None-Match decides when it is there, If-Modified-Since otherwise.
fn is_unchanged(request: &HeaderMap, etag: &str, modified: Timestamp) -> bool {
    let mut tags = request.get_all(IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        return tags.filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(',')).any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
        });
    }
    let since = request.get(IF_MODIFIED_SINCE).and_then(|date| date.to_str().ok()).and_then(parse_http_date);
    since.is_some_and(|since| modified.as_second() <= since.as_second())
}

/// IMF-fixdate, RFC 9110 §5.6.7.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// A strong validator from the body's digest.
pub(crate) fn etag(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for octet in digest.iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(tag, "{octet:02x}");
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    fn cacheable() -> Cacheable {
        Cacheable {
            body: Bytes::from_static(b"body"),
            media_type: "application/pkix-crl",
            etag: "\"0102\"".to_owned(),
            modified: Timestamp::from_second(1_700_000_000).unwrap(),
            expires: Some(Timestamp::from_second(1_700_000_600).unwrap()),
        }
    }

    fn status(name: http::HeaderName, value: &str) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        cacheable().respond(&headers, Timestamp::from_second(1_700_000_100).unwrap()).status()
    }

    #[test]
    fn freshness_is_bounded_by_the_end() {
        let response = cacheable().respond(&HeaderMap::new(), Timestamp::from_second(1_700_000_100).unwrap());
        let cache = response.headers().get(CACHE_CONTROL).unwrap().to_str().unwrap().to_owned();
        assert_eq!(cache, "max-age=500, public, no-transform, must-revalidate");
        assert_eq!(response.headers().get(LAST_MODIFIED).unwrap(), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(response.headers().get(EXPIRES).unwrap(), "Tue, 14 Nov 2023 22:23:20 GMT");
        let late = cacheable().respond(&HeaderMap::new(), Timestamp::from_second(1_700_009_999).unwrap());
        assert!(late.headers().get(CACHE_CONTROL).unwrap().to_str().unwrap().starts_with("max-age=0,"));
    }

    #[test]
    fn validators_decide() {
        assert_eq!(status(IF_NONE_MATCH, "\"0102\""), StatusCode::NOT_MODIFIED);
        assert_eq!(status(IF_NONE_MATCH, "\"x\", W/\"0102\""), StatusCode::NOT_MODIFIED);
        assert_eq!(status(IF_NONE_MATCH, "*"), StatusCode::NOT_MODIFIED);
        assert_eq!(status(IF_NONE_MATCH, "\"x\""), StatusCode::OK);
        assert_eq!(status(IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:20 GMT"), StatusCode::NOT_MODIFIED);
        assert_eq!(status(IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:19 GMT"), StatusCode::OK);
        assert_eq!(status(IF_MODIFIED_SINCE, "yesterday"), StatusCode::OK);
    }
}
