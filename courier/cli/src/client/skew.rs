//! How far the clock of this machine is from the appliance's.

use jiff::Timestamp;

/// From here on the difference is told, in seconds: beyond it tokens and proofs are refused.
pub const WARN_FROM: i64 = 60;

/// How many seconds this machine is ahead of the appliance; negative when it is behind.
pub fn seconds_ahead(here: Timestamp, there: Timestamp) -> i64 {
    here.as_second().saturating_sub(there.as_second())
}

/// What is told about a difference, when there is something to tell.
pub fn warning(ahead: i64) -> Option<String> {
    if ahead.abs() < WARN_FROM {
        return None;
    }
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    Some(format!(
        "the clock of this machine is {} seconds {way} the appliance's: tokens and proofs may be refused",
        ahead.abs()
    ))
}

/// The value of a header that is a date (RFC 9110 §5.6.7).
pub fn http_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(value).ok().map(|date| date.timestamp())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_minute_is_told_and_less_is_not() {
        let there: Timestamp = "2026-11-08T08:49:00Z".parse().unwrap();
        let here = |text: &str| seconds_ahead(text.parse().unwrap(), there);
        assert_eq!(warning(here("2026-11-08T08:49:59Z")), None);
        let ahead = warning(here("2026-11-08T08:50:00Z")).unwrap();
        assert!(ahead.contains("60 seconds ahead of"), "{ahead}");
        let behind = warning(here("2026-11-08T07:49:00Z")).unwrap();
        assert!(behind.contains("3600 seconds behind"), "{behind}");
    }

    #[test]
    fn a_date_of_http_is_read() {
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some("1994-11-06T08:49:37Z".parse().unwrap())
        );
        assert_eq!(http_date("yesterday"), None);
    }
}
