//! A time as it stands in the bytes: which of the two ASN.1 types, and when.

use std::time::Duration;

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Tag, Tagged};
use jiff::{SignedDuration, Timestamp};

const YEAR_2050: i64 = 2_524_608_000;

/// A `Time` of X.509 that has been read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TimeField {
    pub(crate) tag: Tag,
    pub(crate) at: Timestamp,
}

impl TimeField {
    /// Reads a UTCTime or GeneralizedTime in the forms DER allows: seconds present, Z, no fraction.
    pub(crate) fn read(value: AnyRef<'_>) -> der::Result<Self> {
        let tag = value.tag();
        let since_epoch = match tag {
            Tag::UtcTime => value.decode_as::<UtcTime>()?.to_unix_duration(),
            _ => value.decode_as::<GeneralizedTime>()?.to_unix_duration(),
        };
        Ok(Self {
            tag,
            at: at(since_epoch).ok_or_else(|| tag.value_error())?,
        })
    }

    /// A time (seconds since 1970) that is known to be written with the right type.
    pub(crate) fn of_right_type(second: i64) -> Self {
        let tag = if second < YEAR_2050 {
            Tag::UtcTime
        } else {
            Tag::GeneralizedTime
        };
        let at = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        Self { tag, at }
    }

    /// RFC 5280 §4.1.2.5: UTCTime through the year 2049, GeneralizedTime from 2050 on.
    pub(crate) fn is_of_right_type(&self) -> bool {
        (self.tag == Tag::UtcTime) == (self.at.as_second() < YEAR_2050)
    }
}

fn at(since_epoch: Duration) -> Option<Timestamp> {
    let since_epoch = SignedDuration::try_from(since_epoch).ok()?;
    Timestamp::UNIX_EPOCH.checked_add(since_epoch).ok()
}
