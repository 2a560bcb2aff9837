//! The table of alarms.

use super::Kind::{Id, Int, Text};
use super::Table;

/// What an operator should look at.
pub(super) const ALARMS: Table = Table {
    name: "alarms",
    columns: &[
        ("id", Id),
        ("kind", Text),
        ("subject", Id),
        ("courier_id", Id),
        ("message", Text),
        ("raised_at", Int),
        ("cleared_at", Int),
    ],
    key: 1,
    month: None,
};
