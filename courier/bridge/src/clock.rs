//! The clock of the machine, read here and nowhere else.

use jiff::Timestamp;

/// The present.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a program reads the clock")]
    Timestamp::now()
}
