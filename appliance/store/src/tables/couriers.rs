//! The tables of couriers, and of what they may ask for.

use super::Kind::{Blob, Id, Int, Text};
use super::Table;

/// The couriers.
pub(super) const COURIERS: Table = Table {
    name: "couriers",
    columns: &[
        ("id", Id),
        ("name", Text),
        ("status", Text),
        ("record", Text),
        ("revision", Int),
        ("created_at", Int),
        ("updated_at", Int),
        ("expires_at", Int),
    ],
    key: 1,
    month: None,
};

/// How they show who they are.
pub(super) const CREDENTIALS: Table = Table {
    name: "courier_credentials",
    columns: &[
        ("id", Id),
        ("courier_id", Id),
        ("method", Text),
        ("binding", Text),
        ("client_id", Text),
        ("secret_hash", Text),
        ("created_at", Int),
        ("expires_at", Int),
        ("last_used_at", Int),
    ],
    key: 1,
    month: None,
};

/// When they were seen.
pub(super) const PRESENCE: Table = Table {
    name: "courier_presence",
    columns: &[
        ("courier_id", Id),
        ("seen_at", Int),
        ("signed_in_at", Int),
        ("method", Text),
        ("client_version", Text),
        ("hostname", Text),
        ("report", Text),
        ("next_run_at", Int),
        ("failures", Int),
    ],
    key: 1,
    month: None,
};

/// What they asked for.
pub(super) const ORDERS: Table = Table {
    name: "courier_orders",
    columns: &[
        ("id", Id),
        ("courier_id", Id),
        ("courier_name", Text),
        ("idempotency_key", Text),
        ("request_digest", Blob),
        ("kind", Text),
        ("status", Text),
        ("key_mode", Text),
        ("names", Text),
        ("names_digest", Blob),
        ("key_fingerprint", Blob),
        ("label", Text),
        ("profile", Text),
        ("request", Text),
        ("warnings", Text),
        ("fault", Text),
        ("certificate_id", Id),
        ("fingerprint", Blob),
        ("replaces", Blob),
        ("created_at", Int),
        ("updated_at", Int),
        ("expires_at", Int),
        ("issued_at", Int),
        ("delivered_at", Int),
        ("installed_at", Int),
        ("ack", Text),
    ],
    key: 1,
    month: None,
};

/// Registered domains.
pub(super) const DOMAINS: Table = Table {
    name: "domains",
    columns: &[
        ("apex", Text),
        ("is_enabled", Int),
        ("record", Text),
        ("created_at", Int),
        ("updated_at", Int),
    ],
    key: 1,
    month: None,
};

/// What requests must satisfy.
pub(super) const POLICIES: Table = Table {
    name: "policies",
    columns: &[
        ("id", Int),
        ("name", Text),
        ("body", Text),
        ("is_enabled", Int),
        ("revision", Int),
        ("created_at", Int),
        ("updated_at", Int),
    ],
    key: 1,
    month: None,
};

/// What was used up: a store that is moved must not take it a second time.
pub(super) const USED_ONCE: Table = Table {
    name: "used_once",
    columns: &[("purpose", Text), ("digest", Blob), ("expires_at", Int)],
    key: 2,
    month: None,
};
