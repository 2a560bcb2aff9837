#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use super::*;

#[test]
fn time_spans() {
    for (text, seconds) in [
        ("90s", 90),
        ("2m", 120),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("1w", 604_800),
        ("1h30m", 5400),
    ] {
        assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
    }
    assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
    for text in [
        "",
        "10",
        "s",
        "-1s",
        "1.5h",
        "1 h",
        "1y",
        "99999999999999999999s",
        "9999999999w",
        "4000d",
        "1h2",
    ] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn modes_are_octal() {
    assert_eq!(mode("0640"), Ok(0o640));
    assert_eq!(mode("600"), Ok(0o600));
    assert_eq!(mode("0o600"), Ok(0o600));
    for text in ["", "0", "0888", "4755", "+600", "-600", "0x1ff", "u=rw"] {
        assert!(mode(text).is_err(), "{text}");
    }
}
