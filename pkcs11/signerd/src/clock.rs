//! The one place where this program reads the wall clock: the time in an audit line.

use jiff::Timestamp;

/// Now, for people; deadlines are counted on the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the program")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
