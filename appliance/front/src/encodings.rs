//! Which content coding a client takes (RFC 9110 §12.5.3). There is one besides the plain octets: gzip.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// Whether gzip is acceptable; who says nothing gets the octets as they are.
pub(crate) fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut of_all = None;
    for value in request.get_all(ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or_default().split(',') {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let is_wanted = !is_zero(weight);
            match name.trim() {
                "*" => of_all = Some(is_wanted),
                name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                    return is_wanted;
                }
                _ => {}
            }
        }
    }
    of_all.unwrap_or(false)
}

/// `q=0`, `q=0.000`: not acceptable.
fn is_zero(weight: &str) -> bool {
    let number = weight.trim().strip_prefix(['q', 'Q']).map(str::trim_start);
    let number = number.and_then(|rest| rest.strip_prefix('='));
    number.is_some_and(|number| number.trim().parse::<f32>().is_ok_and(|number| number <= 0.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (text, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("br;q=1.0, *;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip; q=0.000", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = [(ACCEPT_ENCODING, HeaderValue::from_str(text).unwrap())];
            assert_eq!(accepts_gzip(&headers.into_iter().collect()), expected, "{text}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
