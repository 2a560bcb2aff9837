//! How long to wait before a call is repeated.

use std::time::Duration;

use jiff::Timestamp;

/// The longest wait that the appliance can ask for; beyond it the run ends and the timer tries again.
pub const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

const FIRST: Duration = Duration::from_millis(500);

/// The wait before repetition `attempt`, counted from nought: evenly distributed from nothing to a bound that doubles (full jitter), by a
/// random number; what the appliance asks for wins. `None`: it asks for more than the run can give.
pub fn wait(attempt: u32, max: Duration, asked: Option<Duration>, random: u32) -> Option<Duration> {
    if let Some(asked) = asked {
        return (asked <= MAX_RETRY_AFTER).then_some(asked);
    }
    let bound = FIRST
        .saturating_mul(2_u32.saturating_pow(attempt.min(16)))
        .min(max);
    Some(bound.mul_f64(f64::from(random) / f64::from(u32::MAX)))
}

/// The value of `Retry-After`: seconds or a date (RFC 9110 §10.2.3).
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = super::skew::http_date(value)?;
    Some(Duration::from_secs(
        u64::try_from(at.as_second().saturating_sub(now.as_second())).unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use proptest::prelude::*;

    use super::*;

    const MAX: Duration = Duration::from_secs(30);

    #[test]
    fn the_bound_doubles_until_the_longest_wait() {
        let bounds: Vec<_> = (0..9)
            .map(|attempt| wait(attempt, MAX, None, u32::MAX).unwrap())
            .collect();
        let millis = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        assert_eq!(bounds, millis.map(Duration::from_millis));
        assert_eq!(wait(3, MAX, None, 0), Some(Duration::ZERO));
    }

    #[test]
    fn what_the_appliance_asks_for_wins() {
        let minute = Duration::from_mins(1);
        assert_eq!(wait(0, MAX, Some(minute), 7), Some(minute));
        assert_eq!(wait(9, MAX, Some(Duration::ZERO), 7), Some(Duration::ZERO));
        assert_eq!(wait(0, MAX, Some(Duration::from_mins(6)), 7), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-08T08:49:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        assert_eq!(
            retry_after("Sun, 08 Nov 2026 08:49:37 GMT", now),
            Some(Duration::from_secs(37))
        );
        assert_eq!(
            retry_after("Sun, 08 Nov 2026 08:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(attempt: u32, random: u32) {
            prop_assert!(wait(attempt, MAX, None, random).unwrap() <= MAX);
        }

        #[test]
        fn reading_never_panics(value in ".{0,60}") {
            let _ = retry_after(&value, Timestamp::UNIX_EPOCH);
        }
    }
}
