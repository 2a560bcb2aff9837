//! Whether the clock has gone steadily. What is removed is removed by the clock, and one that is years ahead (an empty battery, a wrong
//! time server) would let certificates go that are valid, with their revocations. So nothing goes for a day after the clock was found far
//! from where it was looked at last: time for somebody to see what else such a clock breaks.

use std::time::Duration;

use jiff::Timestamp;
use store::{Reader, Tx, settings};

/// The setting with what was seen.
const SEEN: &str = "retention.clock";
const HOUR: i64 = 3_600_000;
/// A step that is longer is a leap, also when the machine was off.
const LEAP: i64 = 72 * HOUR;
/// How long after a leap nothing is removed.
const WAIT: i64 = 24 * HOUR;

/// What was seen of the clock, epoch milliseconds.
// stored: the setting `retention.clock`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Steadiness {
    /// When it was looked at last.
    last: i64,
    /// Since when it goes steadily.
    since: i64,
}

impl Steadiness {
    /// After another look. The clocks of servers that share a store are never quite the same: a step back within the tolerance is none.
    fn after(before: Option<Self>, now: i64, tolerance: i64) -> Self {
        match before {
            Some(Self { last, since })
                if (last.saturating_sub(tolerance)..=last.saturating_add(LEAP)).contains(&now) =>
            {
                let last = last.max(now);
                Self { last, since }
            }
            _ => Self {
                last: now,
                since: now,
            },
        }
    }

    /// For how long it is not gone by yet; nothing when it may be.
    pub(super) fn waits(self) -> Option<Duration> {
        let waits = WAIT.saturating_sub(self.last.saturating_sub(self.since));
        u64::try_from(waits)
            .ok()
            .filter(|waits| *waits > 0)
            .map(Duration::from_millis)
    }
}

/// Looks at the clock once more.
pub(super) fn look(tx: &Tx<'_>, now: Timestamp, tolerance: Duration) -> store::Result<Steadiness> {
    let tolerance = i64::try_from(tolerance.as_millis()).unwrap_or(i64::MAX);
    let seen = Steadiness::after(read(tx)?, now.as_millisecond(), tolerance);
    settings::put(tx, SEEN, &format!("{} {}", seen.last, seen.since))?;
    Ok(seen)
}

fn read(reader: &Reader<'_>) -> store::Result<Option<Steadiness>> {
    let text = settings::find(reader, SEEN)?.unwrap_or_default();
    let parts = text.split_once(' ');
    // What cannot be read is as if nothing had been seen: nothing goes for a day.
    Ok(parts.and_then(|(last, since)| {
        Some(Steadiness {
            last: last.parse().ok()?,
            since: since.parse().ok()?,
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_is_waited_for_and_steps_are_not() {
        let mut seen = None;
        let mut at = |hours: i64| {
            let next = Steadiness::after(seen, hours * HOUR, 0);
            seen = Some(next);
            next.waits().is_none()
        };
        assert!(!at(1000));
        assert!(!at(1023));
        assert!(at(1024));
        // Off over a weekend.
        assert!(at(1024 + 72));
        // Far ahead, until a day has gone by; and back again.
        assert!(!at(20_000));
        assert!(!at(20_023));
        assert!(!at(1100));
        assert!(!at(1123));
        assert!(at(1124));
        assert!(!at(1123));
    }
    /// Two servers look in turn, one of which is thirty seconds behind.
    #[test]
    fn clocks_that_differ_within_the_tolerance_go_steadily() {
        let (tolerance, behind) = (60_000, 30_000);
        let mut seen = Steadiness::after(None, 1000 * HOUR, tolerance);
        for hour in 1001..=1024 {
            seen = Steadiness::after(Some(seen), hour * HOUR, tolerance);
            seen = Steadiness::after(Some(seen), hour * HOUR - behind, tolerance);
        }
        assert_eq!(seen.waits(), None, "{seen:?}");
        let back = Steadiness::after(Some(seen), seen.last - tolerance - 1, tolerance);
        assert_eq!(back.waits(), Some(Duration::from_hours(24)));
    }
}
