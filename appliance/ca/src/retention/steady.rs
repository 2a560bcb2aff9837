//! Whether the clock has gone steadily. What is removed is removed by the clock, and one that is years ahead (an empty battery, a wrong
//! time server) would let certificates go that are valid, with their revocations. So nothing goes for a day after the clock was found far
//! from where it was looked at last: time for somebody to see what else such a clock breaks.

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
    /// After another look.
    fn after(before: Option<Self>, now: i64) -> Self {
        let since = match before {
            Some(before) if (before.last..=before.last.saturating_add(LEAP)).contains(&now) => before.since,
            _ => now,
        };
        Self { last: now, since }
    }

    /// Whether it may be gone by.
    pub(super) fn is_reached(self) -> bool {
        self.last.saturating_sub(self.since) >= WAIT
    }
}

/// Looks at the clock once more.
pub(super) fn look(tx: &Tx<'_>, now: Timestamp) -> store::Result<Steadiness> {
    let seen = Steadiness::after(read(tx)?, now.as_millisecond());
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
            let next = Steadiness::after(seen, hours * HOUR);
            seen = Some(next);
            next.is_reached()
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
}
