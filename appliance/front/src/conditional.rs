//! Cacheable answers: validators, freshness, and the answers to conditional requests (RFC 9110 §13, RFC 9111, RFC 9919 §7.2).
//!
//! The headers of one answer are written once, when it is first given out, and copied for each that asks after that.

use std::io::Write as _;

use bytes::{Bytes, BytesMut};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, EXPIRES, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};

/// Something that may be kept by caches.
#[derive(Clone, Debug)]
pub(crate) struct Cacheable<'a> {
    /// The body.
    pub(crate) body: Bytes,
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// A strong validator, in quotes.
    pub(crate) etag: &'a str,
    /// When it was made.
    pub(crate) modified: Timestamp,
    /// Until when it may be used; absent for what does not end by itself.
    pub(crate) expires: Option<Timestamp>,
}

/// From when until when something may be used, and how long a cache should do so without asking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// When it was made.
    pub(crate) modified: Timestamp,
    /// When it is made anew.
    pub(crate) fresh_until: Timestamp,
    /// Until when it may be used.
    pub(crate) expires: Timestamp,
}

/// Longest time a cache may keep what has no end of its own, in seconds.
const DEFAULT_MAX_AGE: i64 = 24 * 3600;

impl Cacheable<'_> {
    /// The answer to a request with this method and these headers.
    pub(crate) fn respond(
        self,
        method: &Method,
        request: &HeaderMap,
        now: Timestamp,
    ) -> Response<Full<Bytes>> {
        // RFC 9110 §13.2.1: conditions are for methods that select a representation.
        let is_conditional = *method == Method::GET || *method == Method::HEAD;
        let is_unchanged = is_conditional && is_unchanged(request, || self.etag, self.modified);
        let longest = SignedDuration::from_secs(DEFAULT_MAX_AGE);
        let end = self
            .expires
            .or_else(|| now.checked_add(longest).ok())
            .unwrap_or(now);
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        headers.reserve(7);
        let mut lines = Lines {
            headers,
            buffer: BytesMut::with_capacity(256),
        };
        let since = if self.expires.is_some() {
            self.modified
        } else {
            now
        };
        let life = Life {
            modified: since,
            fresh_until: end,
            expires: end,
        };
        lines.headers.insert(CACHE_CONTROL, life.max_age(now));
        lines.put(ETAG, |buffer| buffer.extend_from_slice(self.etag.as_bytes()));
        lines.put(LAST_MODIFIED, |buffer| http_date(buffer, self.modified));
        if let Some(end) = self.expires {
            lines.put(EXPIRES, |buffer| http_date(buffer, end));
        }
        if is_unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
            *response.body_mut() = Full::new(self.body);
        }
        response
    }
}

/// Something that is sent many times before it changes: all that can be written beforehand is.
#[derive(Clone, Debug)]
pub(crate) struct Kept<'a> {
    /// The body.
    pub(crate) body: Bytes,
    /// Its headers without their values, as [`head_of`] makes them.
    pub(crate) head: &'a HeaderMap,
    pub(crate) life: Life,
    /// What it is sent with.
    pub(crate) written: &'a Written,
}

/// The headers of everything that is [`Kept`] and of this media type. A copy whose values are replaced costs a third of one
/// that is put together.
pub(crate) fn head_of(media_type: &'static str) -> HeaderMap {
    let mut head = HeaderMap::with_capacity(5);
    head.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    for name in [CACHE_CONTROL, ETAG, LAST_MODIFIED, EXPIRES] {
        head.insert(name, HeaderValue::from_static(""));
    }
    head
}

/// The headers that are the same each time.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// A strong validator, in quotes.
    etag: HeaderValue,
    modified: HeaderValue,
    expires: HeaderValue,
}

impl Written {
    /// The headers of something with this validator, from when until when it may be used.
    pub(crate) fn of(etag: &Bytes, modified: Timestamp, expires: Timestamp) -> Self {
        let value = |text: Bytes| {
            HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static(""))
        };
        let date = |at| {
            let mut text = BytesMut::with_capacity(32);
            http_date(&mut text, at);
            value(text.freeze())
        };
        Self {
            etag: value(etag.clone()),
            modified: date(modified),
            expires: date(expires),
        }
    }
}

impl Kept<'_> {
    /// The answer to a request with this method and these headers.
    pub(crate) fn respond(
        self,
        method: &Method,
        request: &HeaderMap,
        now: Timestamp,
    ) -> Response<Full<Bytes>> {
        let mut headers = self.head.clone();
        for (name, value) in &mut headers {
            match *name {
                CACHE_CONTROL => *value = self.life.max_age(now),
                ETAG => *value = self.written.etag.clone(),
                LAST_MODIFIED => *value = self.written.modified.clone(),
                EXPIRES => *value = self.written.expires.clone(),
                _ => {}
            }
        }
        // RFC 9110 §13.2.1: conditions are for methods that select a representation.
        let is_conditional = *method == Method::GET || *method == Method::HEAD;
        let etag = || self.written.etag.to_str().unwrap_or_default();
        let mut response = if is_conditional && is_unchanged(request, etag, self.life.modified) {
            headers.remove(CONTENT_TYPE);
            let mut unchanged = Response::new(Full::default());
            *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
            unchanged
        } else {
            Response::new(Full::new(self.body))
        };
        *response.headers_mut() = headers;
        response
    }
}

/// How soon a cache should ask again for what is older than it should be, in seconds.
const OVERDUE_MAX_AGE: i64 = 60;

impl Life {
    /// RFC 9919 §7.2: public, bounded by nextUpdate, never changed on the way. A clock that stands before thisUpdate must not
    /// stretch the age. The line is put together without room of its own, and then copied once.
    fn max_age(&self, now: Timestamp) -> HeaderValue {
        const BEFORE: &[u8] = b"max-age=";
        const BEHIND: &[u8] = b", public, no-transform, must-revalidate";
        let (modified, now) = (self.modified.as_second(), now.as_second());
        let (fresh_until, expires) = (self.fresh_until.as_second(), self.expires.as_second());
        let seconds = if now < fresh_until {
            (fresh_until - now).min(fresh_until - modified)
        } else {
            (expires - now).min(OVERDUE_MAX_AGE)
        };
        let mut number = itoa::Buffer::new();
        let age = number.format(seconds.max(0));
        // An i64 has 20 octets at most.
        let mut line = [0; BEFORE.len() + 20 + BEHIND.len()];
        let mut free = line.as_mut_slice();
        let fits = [BEFORE, age.as_bytes(), BEHIND]
            .into_iter()
            .all(|part| free.write_all(part).is_ok());
        let free = free.len();
        line.get(..line.len() - free)
            .filter(|_| fits)
            .and_then(|line| HeaderValue::from_bytes(line).ok())
            .unwrap_or_else(|| HeaderValue::from_static("max-age=0"))
    }
}

/// Header lines that share one buffer.
struct Lines<'a> {
    headers: &'a mut HeaderMap,
    buffer: BytesMut,
}

impl Lines<'_> {
    fn put(&mut self, name: HeaderName, write: impl FnOnce(&mut BytesMut)) {
        write(&mut self.buffer);
        if let Ok(value) = HeaderValue::from_maybe_shared(self.buffer.split().freeze()) {
            self.headers.insert(name, value);
        }
    }
}

/// RFC 9110 §13.2.2: If-None-Match decides when it is there, If-Modified-Since otherwise.
pub(crate) fn is_unchanged<'a>(
    request: &HeaderMap,
    etag: impl FnOnce() -> &'a str,
    modified: Timestamp,
) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let (tags, etag) = (request.get_all(IF_NONE_MATCH).iter(), etag());
        return tags
            .filter_map(|tags| tags.to_str().ok())
            .flat_map(|tags| tags.split(','))
            .any(|tag| {
                let tag = tag.trim();
                tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
            });
    }
    let since = request
        .get(IF_MODIFIED_SINCE)
        .and_then(|date| date.to_str().ok())
        .and_then(parse_http_date);
    since.is_some_and(|since| modified.as_second() <= since.as_second())
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// IMF-fixdate, RFC 9110 §5.6.7.
pub(crate) fn http_date(buffer: &mut BytesMut, at: Timestamp) {
    let civil = jiff::tz::Offset::UTC.to_datetime(at);
    let text = |names: &[&'static str], place: i8| {
        usize::try_from(place)
            .ok()
            .and_then(|place| names.get(place).copied())
            .unwrap_or_default()
    };
    let two = |number: i8| {
        [
            b'0' + number.unsigned_abs() / 10,
            b'0' + number.unsigned_abs() % 10,
        ]
    };
    buffer.extend_from_slice(text(&DAYS, civil.weekday().to_monday_zero_offset()).as_bytes());
    buffer.extend_from_slice(b", ");
    buffer.extend_from_slice(&two(civil.day()));
    buffer.extend_from_slice(b" ");
    buffer.extend_from_slice(text(&MONTHS, civil.month() - 1).as_bytes());
    buffer.extend_from_slice(b" ");
    decimal(buffer, i64::from(civil.year()));
    for (separator, number) in [
        (b" ", civil.hour()),
        (b":", civil.minute()),
        (b":", civil.second()),
    ] {
        buffer.extend_from_slice(separator);
        buffer.extend_from_slice(&two(number));
    }
    buffer.extend_from_slice(b" GMT");
}

fn decimal(buffer: &mut BytesMut, number: i64) {
    use std::fmt::Write as _;
    // Writing to a buffer that grows cannot fail.
    let _ = write!(buffer, "{number}");
}

pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).ok()?;
    civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// A strong validator from the digest of a body.
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

    const MADE: i64 = 1_700_000_000;

    fn respond(method: &Method, headers: &[(HeaderName, &str)], now: i64) -> Response<Full<Bytes>> {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        Cacheable {
            body: Bytes::from_static(b"body"),
            media_type: "application/pkix-crl",
            etag: "\"0102\"",
            modified: Timestamp::from_second(MADE).unwrap(),
            expires: Some(Timestamp::from_second(MADE + 600).unwrap()),
        }
        .respond(method, &pairs.collect(), Timestamp::from_second(now).unwrap())
    }

    fn status(name: HeaderName, value: &str) -> StatusCode {
        respond(&Method::GET, &[(name, value)], MADE + 100).status()
    }

    #[test]
    fn freshness_is_bounded_by_the_end() {
        let max_age = |now| {
            respond(&Method::GET, &[], now)
                .headers()
                .get(CACHE_CONTROL)
                .unwrap()
                .clone()
        };
        assert_eq!(
            max_age(MADE + 100),
            "max-age=500, public, no-transform, must-revalidate"
        );
        assert_eq!(
            max_age(MADE + 9999),
            "max-age=0, public, no-transform, must-revalidate"
        );
        assert_eq!(
            max_age(MADE - 9999),
            "max-age=600, public, no-transform, must-revalidate"
        );
    }

    #[test]
    fn what_is_made_anew_at_half_life_is_asked_for_again_then() {
        let at = |second| Timestamp::from_second(MADE + second).unwrap();
        let life = Life {
            modified: at(0),
            fresh_until: at(300),
            expires: at(600),
        };
        for (now, age) in [
            (-9999, 300),
            (0, 300),
            (100, 200),
            (299, 1),
            (300, 60),
            (570, 30),
            (700, 0),
        ] {
            let header = format!("max-age={age}, public, no-transform, must-revalidate");
            assert_eq!(life.max_age(at(now)), header, "{now}");
        }
    }

    #[test]
    fn the_headers_are_those_of_the_field() {
        let response = respond(&Method::GET, &[], MADE + 100);
        let header = |name: HeaderName| response.headers().get(name).unwrap().clone();
        assert_eq!(header(LAST_MODIFIED), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(header(EXPIRES), "Tue, 14 Nov 2023 22:23:20 GMT");
        assert_eq!(header(ETAG), "\"0102\"");
        assert_eq!(header(CONTENT_TYPE), "application/pkix-crl");
        assert_eq!(header(CONTENT_LENGTH), "4");
    }

    #[test]
    fn dates_of_every_month_are_read_back() {
        for day in 0..800 {
            let at = Timestamp::from_second(951_782_399 + day * 86_400).unwrap();
            let mut buffer = BytesMut::new();
            http_date(&mut buffer, at);
            let text = std::str::from_utf8(&buffer).unwrap();
            assert_eq!(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(), text);
            assert_eq!(parse_http_date(text), Some(at));
        }
    }

    #[test]
    fn validators_decide() {
        assert_eq!(status(IF_NONE_MATCH, "\"0102\""), StatusCode::NOT_MODIFIED);
        assert_eq!(
            status(IF_NONE_MATCH, "\"x\", W/\"0102\""),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(status(IF_NONE_MATCH, "*"), StatusCode::NOT_MODIFIED);
        assert_eq!(status(IF_NONE_MATCH, "\"x\""), StatusCode::OK);
        assert_eq!(
            status(IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:20 GMT"),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(
            status(IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:19 GMT"),
            StatusCode::OK
        );
        assert_eq!(status(IF_MODIFIED_SINCE, "yesterday"), StatusCode::OK);
    }

    #[test]
    fn if_none_match_comes_first_and_post_knows_no_conditions() {
        let late = (IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:20 GMT");
        let both = [(IF_NONE_MATCH, "\"x\""), late.clone()];
        assert_eq!(respond(&Method::GET, &both, MADE).status(), StatusCode::OK);
        assert_eq!(respond(&Method::POST, &[late], MADE).status(), StatusCode::OK);
    }
}
