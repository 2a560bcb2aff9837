//! Lengths of time in profiles, written as people say them: `90d`, `12h`, `5m`, `30s`, `2w`, `10y`.
//!
//! Whole seconds only, because X.509 times have no finer grain; a day is 86 400 seconds and a year is 365 days, so
//! that the same text always means the same length.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const UNITS: [(&str, u64); 6] = [
    ("y", 365 * 86_400),
    ("w", 7 * 86_400),
    ("d", 86_400),
    ("h", 3_600),
    ("m", 60),
    ("s", 1),
];

/// The longest length a profile may state, in seconds: 100 years.
const LONGEST: u64 = 100 * 365 * 86_400;

/// A length of time in whole seconds, at most 100 years.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lifetime(u64);

impl Lifetime {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A number of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(if seconds > LONGEST { LONGEST } else { seconds })
    }

    /// A number of minutes of 60 seconds.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// A number of hours of 3 600 seconds.
    pub const fn hours(hours: u64) -> Self {
        Self::seconds(hours.saturating_mul(3_600))
    }

    /// A number of days of 86 400 seconds.
    pub const fn days(days: u64) -> Self {
        Self::seconds(days.saturating_mul(86_400))
    }

    /// A number of years of 365 days.
    pub const fn years(years: u64) -> Self {
        Self::days(years.saturating_mul(365))
    }

    /// The length in seconds.
    pub const fn as_seconds(self) -> u64 {
        self.0
    }

    /// The length as the standard library's type.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, length) = UNITS
            .into_iter()
            .find(|(_, length)| self.0 != 0 && self.0.is_multiple_of(*length))
            .unwrap_or(("s", 1));
        write!(f, "{}{unit}", self.0 / length)
    }
}

/// The text is not a length of time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a length of time: write a whole number and one of s, m, h, d, w, y, as in `90d`, up to 100y"
)]
pub struct LifetimeFault(String);

impl FromStr for Lifetime {
    type Err = LifetimeFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || LifetimeFault(text.chars().take(40).collect());
        let (number, length) = UNITS
            .into_iter()
            .find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length)))
            .ok_or_else(fault)?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(fault());
        }
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(length))
            .filter(|seconds| *seconds <= LONGEST)
            .map(Self)
            .ok_or_else(fault)
    }
}

impl TryFrom<String> for Lifetime {
    type Error = LifetimeFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Lifetime> for String {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn texts_mean_what_they_say_and_print_back() {
        for (text, seconds) in [
            ("90d", 7_776_000),
            ("12h", 43_200),
            ("5m", 300),
            ("1s", 1),
            ("1w", 604_800),
            ("10y", 315_360_000),
        ] {
            let lifetime: Lifetime = text.parse().unwrap();
            assert_eq!(lifetime.as_seconds(), seconds);
            assert_eq!(lifetime.to_string(), text);
        }
        assert_eq!("0s".parse::<Lifetime>().unwrap(), Lifetime::ZERO);
        assert_eq!(Lifetime::ZERO.to_string(), "0s");
        assert_eq!("48h".parse::<Lifetime>().unwrap().to_string(), "2d");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "d",
            "-1d",
            "+1d",
            "1.5h",
            "1",
            "1 d",
            "101y",
            "99999999999999999999s",
            "1D",
            "1mo",
        ] {
            assert!(text.parse::<Lifetime>().is_err(), "{text}");
        }
    }
}
