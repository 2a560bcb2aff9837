//! Parts of an answer: one range of octets, and the conditions under which it may be sent (RFC 9110 §14, §13.1.5).
//!
//! A client that asks for several ranges at once gets the whole, as §14.2 allows: nobody resumes a list that way.

use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, Method};
use jiff::Timestamp;

use crate::conditional::parse_http_date;

/// What of a representation is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// All of it: 200.
    Whole,
    /// The octets from the first to before the end: 206.
    Range { first: u64, end: u64 },
    /// Nothing of what was asked for is there: 416.
    Nothing,
}

impl Part {
    /// What a request gets of a representation of this length.
    pub(crate) fn of(
        method: &Method,
        request: &HeaderMap,
        etag: &str,
        modified: Timestamp,
        length: u64,
    ) -> Self {
        // RFC 9110 §14.2: a range is defined for GET alone, and what cannot be read is no range.
        let mut ranges = request.get_all(RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else {
            return Self::Whole;
        };
        if *method != Method::GET || !is_same(request, etag, modified) {
            return Self::Whole;
        }
        let read = range.to_str().ok().and_then(|text| read(text, length));
        read.unwrap_or(Self::Whole)
    }
}

/// RFC 9110 §13.1.5: If-Range names the representation that the client has a part of. A weak tag names none.
fn is_same(request: &HeaderMap, etag: &str, modified: Timestamp) -> bool {
    let Some(condition) = request.get(IF_RANGE) else {
        return true;
    };
    let Ok(condition) = condition.to_str() else {
        return false;
    };
    condition == etag
        || parse_http_date(condition).is_some_and(|date| date.as_second() == modified.as_second())
}

/// RFC 9110 §14.1.2: `bytes=first-last`, `bytes=first-`, `bytes=-suffix`; nothing for anything else.
fn read(text: &str, length: u64) -> Option<Part> {
    let (unit, range) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let part = |first, end| {
        if first < end {
            Part::Range { first, end }
        } else {
            Part::Nothing
        }
    };
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(part(length.saturating_sub(suffix), length));
    }
    let first = number(first)?;
    if last.is_empty() {
        return Some(part(first, length));
    }
    let last = number(last)?;
    (first <= last).then(|| part(first, length.min(last.saturating_add(1))))
}

/// Digits alone; what is beyond all lengths is the greatest of them.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use http::{HeaderName, HeaderValue};

    use super::*;

    fn part(method: &Method, headers: &[(HeaderName, &str)]) -> Part {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let modified = Timestamp::from_second(1_700_000_000).unwrap();
        Part::of(method, &pairs.collect(), "\"7\"", modified, 100)
    }

    #[test]
    fn a_range_is_read_as_the_field_writes_it() {
        let range = |first, end| Part::Range { first, end };
        for (text, expected) in [
            ("bytes=0-0", range(0, 1)),
            ("bytes=10-19", range(10, 20)),
            ("BYTES=10-", range(10, 100)),
            ("bytes=-10", range(90, 100)),
            ("bytes=-1000", range(0, 100)),
            ("bytes=90-99999999999999999999999", range(90, 100)),
            ("bytes=100-", Part::Nothing),
            ("bytes=200-300", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=20-10", Part::Whole),
            ("bytes=1-2,4-5", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("10-19", Part::Whole),
        ] {
            assert_eq!(part(&Method::GET, &[(RANGE, text)]), expected, "{text}");
        }
        assert_eq!(part(&Method::GET, &[]), Part::Whole);
        assert_eq!(part(&Method::HEAD, &[(RANGE, "bytes=0-0")]), Part::Whole);
        let twice = [(RANGE, "bytes=0-0"), (RANGE, "bytes=1-1")];
        assert_eq!(part(&Method::GET, &twice), Part::Whole);
    }

    #[test]
    fn a_part_of_something_else_is_not_continued() {
        let range = (RANGE, "bytes=10-");
        for (condition, is_same) in [
            ("\"7\"", true),
            ("\"8\"", false),
            ("W/\"7\"", false),
            ("Tue, 14 Nov 2023 22:13:20 GMT", true),
            ("Tue, 14 Nov 2023 22:13:21 GMT", false),
            ("soon", false),
        ] {
            let part = part(&Method::GET, &[range.clone(), (IF_RANGE, condition)]);
            assert_eq!(part != Part::Whole, is_same, "{condition}");
        }
    }
}
