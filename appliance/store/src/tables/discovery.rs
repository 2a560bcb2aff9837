//! The tables of what was found.

use super::Kind::{Blob, Id, Int, Text};
use super::Table;

/// Certificates.
pub(super) const CERTIFICATES: Table = Table {
    name: "discovered_certificates",
    columns: &[
        ("id", Id),
        ("fingerprint", Blob),
        ("der", Blob),
        ("subject", Text),
        ("issuer", Text),
        ("serial", Blob),
        ("not_before", Int),
        ("not_after", Int),
        ("names", Text),
        ("key_algorithm", Text),
        ("fault", Text),
        ("status", Text),
        ("certificate_id", Id),
        ("first_seen", Int),
        ("last_seen", Int),
    ],
    key: 1,
    month: None,
};

/// Where they lie.
pub(super) const PLACES: Table = Table {
    name: "discovered_places",
    columns: &[
        ("courier_id", Id),
        ("discovered_id", Id),
        ("path", Text),
        ("is_managed", Int),
        ("is_key_exposed", Int),
        ("first_seen", Int),
        ("last_seen", Int),
        ("scan", Id),
    ],
    key: 3,
    month: None,
};

/// How scans went.
pub(super) const SCANS: Table = Table {
    name: "discovery_scans",
    columns: &[
        ("id", Id),
        ("courier_id", Id),
        ("scan", Id),
        ("begun_at", Int),
        ("finished_at", Int),
        ("certificates", Int),
        ("files", Int),
        ("unreadable", Int),
        ("skipped", Int),
    ],
    key: 1,
    month: None,
};
