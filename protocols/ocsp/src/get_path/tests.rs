use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::request::Request;

const SHA1: &[u8] = include_bytes!("../../testdata/request/sha1.der");
const SEVERAL: &[u8] = include_bytes!("../../testdata/request/several.der");

/// Octets whose base64 has `+`, `/` and `//`.
const AWKWARD: &[u8] = &[0x30, 0x03, 0xfb, 0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 0xfb, 0xf0];

fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

#[test]
fn decodes_what_rfc_6960_asks_for() {
    assert_eq!(get_path_to_der(&escaped(&STANDARD.encode(SHA1))).unwrap(), SHA1);
    assert_eq!(der_to_get_path(AWKWARD), escaped(&STANDARD.encode(AWKWARD)));
}

#[test]
fn decodes_every_spelling_met_in_the_field() {
    for der in [SHA1, SEVERAL, AWKWARD] {
        let plain = STANDARD.encode(der);
        let spellings = [
            plain.clone(),
            STANDARD_NO_PAD.encode(der),
            URL_SAFE_NO_PAD.encode(der),
            escaped(&plain),
            escaped(&plain).to_lowercase_escapes(),
            escaped(&escaped(&plain)),
            escaped(&escaped(&escaped(&plain))),
            escaped(&plain.replace('+', " ")),
            plain.replace('+', "%20"),
            format!("/{plain}"),
            format!("//{plain}"),
            format!("%2F{}", escaped(&plain)),
            plain
                .as_bytes()
                .chunks(64)
                .map(|line| String::from_utf8_lossy(line) + "\r\n")
                .collect(),
            escaped(&plain).replace('M', "%4D"),
        ];
        for spelling in spellings {
            assert_eq!(get_path_to_der(&spelling).as_deref(), Ok(der), "{spelling}");
        }
    }
}

#[test]
fn the_awkward_octets_are_awkward() {
    let plain = STANDARD.encode(AWKWARD);
    assert!(
        plain.contains('+') && plain.contains("//") && plain.contains('='),
        "{plain}"
    );
}

#[test]
fn refuses_what_is_no_base64() {
    for path in [
        "",
        "/",
        "%",
        "%2",
        "%25",
        "%252",
        "MA==MA==",
        "MA===",
        "M",
        "MAMA!",
        "MA\u{e9}=",
        "%C3%A9",
        "MA%00",
        "a?b",
    ] {
        assert_eq!(get_path_to_der(path), Err(GetPathFault::NotBase64), "{path:?}");
    }
}

/// Bits beyond the last octet are zero, so that one request has one spelling in a cache.
#[test]
fn refuses_loose_bits() {
    assert_eq!(get_path_to_der("MA"), Ok(vec![0x30]));
    assert_eq!(get_path_to_der("MB"), Err(GetPathFault::NotBase64));
}

#[test]
fn bounds_the_path() {
    assert_eq!(
        get_path_to_der(&"A".repeat(MAX_GET_PATH_LEN)).unwrap().len(),
        MAX_GET_PATH_LEN / 4 * 3
    );
    assert_eq!(
        get_path_to_der(&"A".repeat(MAX_GET_PATH_LEN + 1)),
        Err(GetPathFault::TooLong)
    );
}

#[test]
fn no_truncated_path_gives_a_request() {
    let path = der_to_get_path(SHA1);
    for length in 0..path.trim_end_matches("%3D").len() {
        let is_request = get_path_to_der(&path[..length]).is_ok_and(|der| Request::parse(&der).is_ok());
        assert!(!is_request, "at {length}");
    }
}

trait LowercaseEscapes {
    fn to_lowercase_escapes(&self) -> String;
}

impl LowercaseEscapes for String {
    fn to_lowercase_escapes(&self) -> String {
        self.replace("%2B", "%2b")
            .replace("%2F", "%2f")
            .replace("%3D", "%3d")
    }
}

proptest! {
    #[test]
    fn round_trips(body in prop::collection::vec(any::<u8>(), 0..200)) {
        // A request begins with 0x30; that is why a leading slash can be dropped.
        let mut der = vec![0x30];
        der.extend(body);
        let path = der_to_get_path(&der);
        prop_assert_eq!(get_path_to_der(&path), Ok(der.clone()));
        prop_assert_eq!(get_path_to_der(&path.replace('%', "%25")), Ok(der));
    }

    #[test]
    fn never_panics(path in "(%[0-9A-F]{0,3}|[A-Za-z0-9+/=_ -]|\\PC){0,60}") {
        let _ = get_path_to_der(&path);
    }
}
