//! The tables of bridges.

use super::Kind::{Blob, Id, Int, Text};
use super::Table;

/// Their instances.
pub(super) const BRIDGES: Table = Table {
    name: "bridges",
    columns: &[
        ("id", Id),
        ("bridge", Text),
        ("issuer", Text),
        ("status", Text),
        ("version", Text),
        ("created_at", Int),
        ("updated_at", Int),
        ("seen_at", Int),
    ],
    key: 1,
    month: None,
};

/// Those that wait for approval.
pub(super) const PENDING: Table = Table {
    name: "bridge_pending",
    columns: &[("bridge_id", Id), ("since", Int)],
    key: 1,
    month: None,
};

/// The certificates by which they are known.
pub(super) const CERTIFICATES: Table = Table {
    name: "bridge_certificates",
    columns: &[
        ("fingerprint", Blob),
        ("bridge_id", Id),
        ("certificate_id", Id),
        ("not_after", Int),
    ],
    key: 1,
    month: None,
};
