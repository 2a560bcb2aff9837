//! What is removed for good: certificates by the month in which they ended, and orders that came to nothing.
//!
//! A month is the unit because PostgreSQL keeps each in a table of its own and drops it in a moment; SQLite deletes its rows, a
//! few at a time. Which month is old enough, and that it was archived before, is the caller's business.

use std::fmt;
use std::ops::ControlFlow;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use uuid::Uuid;

use crate::certificates::{self, CertificateRow};
use crate::db::{Reader, Tx};
use crate::error::Result;

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month in which a time lies, epoch milliseconds; nothing outside of the years -9999 to 9999.
    pub fn of(at: i64) -> Option<Self> {
        let at = Timestamp::from_millisecond(at).ok()?;
        Some(Self(TimeZone::UTC.to_datetime(at).date().first_of_month()))
    }

    /// Its first millisecond.
    pub fn first(self) -> i64 {
        start(self.0)
    }

    /// The first millisecond after it.
    pub fn after(self) -> i64 {
        self.0.checked_add(1.month()).map_or(i64::MAX, start)
    }
}

fn start(date: Date) -> i64 {
    let begins = date.to_zoned(TimeZone::UTC);
    begins.map_or(i64::MAX, |begins| begins.timestamp().as_millisecond())
}

/// As in `2026-11`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// A part of a month that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// So many certificates.
    pub certificates: u64,
    /// Whether that was the last part.
    pub is_all: bool,
}

/// The first month that has a certificate and is over at a time (epoch milliseconds).
pub fn first_month_over(reader: &Reader<'_>, at: i64) -> Result<Option<Month>> {
    let sql = "SELECT min(not_after) FROM certificates WHERE not_after < ?1";
    let first = reader.first(sql, &[at.into()], |row| row.opt_int(0))?.flatten();
    Ok(first.and_then(Month::of).filter(|month| month.after() <= at))
}

/// Calls `each` with every certificate of a month, until it breaks off.
pub fn for_each_of(
    reader: &Reader<'_>,
    month: Month,
    each: impl FnMut(CertificateRow) -> Result<ControlFlow<()>>,
) -> Result<()> {
    certificates::for_each_ended_between(reader, month.first(), month.after(), each)
}

/// How many certificates a month has, and how many of them are revoked.
pub fn count(reader: &Reader<'_>, month: Month) -> Result<(u64, u64)> {
    let sql = "SELECT count(*), count(revoked_at) FROM certificates WHERE not_after >= ?1 AND not_after < ?2";
    let count = reader.first(sql, &[month.first().into(), month.after().into()], |row| {
        Ok((row.int(0)?, row.int(1)?))
    })?;
    let (all, revoked) = count.unwrap_or_default();
    Ok((
        u64::try_from(all).unwrap_or(0),
        u64::try_from(revoked).unwrap_or(0),
    ))
}

/// Removes what hangs on a certificate that is about to go: its names, by which it is not found any more, and its order, also that of
/// the courier that asked for it.
pub fn remove_belongings(tx: &Tx<'_>, certificate: Uuid, order: Uuid) -> Result<()> {
    tx.execute_later(
        "DELETE FROM certificate_names WHERE certificate_id = ?1",
        &[certificate.into()],
    )?;
    tx.execute_later(
        "DELETE FROM courier_orders WHERE certificate_id = ?1",
        &[certificate.into()],
    )?;
    tx.execute_later("DELETE FROM orders WHERE id = ?1", &[order.into()])
}

/// Removes certificates of a month, whose belongings are gone, with their revocations: all at once, or about `most` of them.
/// [`crate::Error::Busy`] when somebody has been reading for too long.
pub fn remove_certificates(tx: &Tx<'_>, month: Month, most: u32) -> Result<Removed> {
    tx.remove_certificates(month, most)
}

/// Orders that were refused or failed before a time (epoch milliseconds): at most so many, the oldest first.
pub fn orders_in_vain(reader: &Reader<'_>, before: i64, limit: u32) -> Result<Vec<Uuid>> {
    let sql = "SELECT id FROM orders WHERE at < ?1 AND state IN ('refused', 'failed') ORDER BY id LIMIT ?2";
    reader.all(sql, &[before.into(), i64::from(limit).into()], |row| row.uuid(0))
}

/// Removes orders.
pub fn remove_orders(tx: &Tx<'_>, orders: &[Uuid]) -> Result<()> {
    orders
        .iter()
        .try_for_each(|order| tx.execute_later("DELETE FROM orders WHERE id = ?1", &[(*order).into()]))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that meets something unexpected should stop there"
    )]

    use super::*;

    #[test]
    fn a_month_begins_and_ends_with_the_calendar() {
        let month = Month::of(1_790_812_799_999).unwrap();
        assert_eq!(month.to_string(), "2026-09");
        assert_eq!(month.after(), 1_790_812_800_000);
        assert_eq!(Month::of(month.after()).unwrap().first(), month.after());
        let december = Month::of(253_400_000_000_000).unwrap();
        assert_eq!(
            (december.to_string().as_str(), december.after()),
            ("9999-12", i64::MAX)
        );
        // The end of certificates that do not end (RFC 5280 section 4.1.2.5) is after the calendar's.
        assert_eq!(Month::of(253_402_300_799_000), None);
        assert_eq!(Month::of(-1).unwrap().to_string(), "1969-12");
        assert_eq!(Month::of(i64::MAX), None);
    }
}
