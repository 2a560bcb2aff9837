//! Every table by name, column and key: what has to be known to carry a whole store from one database to another.
//!
//! A test holds this against the schema of both databases, so that a migration that forgets it is found.

mod alarms;
mod bridges;
mod couriers;
mod discovery;

use std::ops::ControlFlow;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::{Row, Value};

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, those of its key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many of them make the key, which orders the rows and is never NULL.
    pub key: usize,
    /// Which of them, a time, says to what month a row belongs, where months may lie in tables of their own.
    pub month: Option<usize>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit integer.
    Int,
    /// Text.
    Text,
    /// Octets.
    Blob,
    /// An identifier.
    Id,
}

use Kind::{Blob, Id, Int, Text};

/// All tables; one that refers to another comes after it.
pub const TABLES: &[Table] = &[
    Table {
        name: "settings",
        columns: &[("key", Text), ("value", Text)],
        key: 1,
        month: None,
    },
    Table {
        name: "keys",
        columns: &[
            ("fingerprint", Blob),
            ("algorithm", Text),
            ("spki", Blob),
            ("backend", Text),
            ("label", Text),
            ("created_at", Int),
        ],
        key: 1,
        month: None,
    },
    Table {
        name: "issuers",
        columns: &[
            ("id", Id),
            ("name", Text),
            ("generation", Int),
            ("state", Text),
            ("subject", Text),
            ("key_fingerprint", Blob),
            ("signature_algorithm", Text),
            ("certificate", Blob),
            ("csr", Blob),
            ("chain", Blob),
            ("links", Blob),
            ("settings", Text),
            ("created_at", Int),
        ],
        key: 1,
        month: None,
    },
    Table {
        name: "profiles",
        columns: &[
            ("name", Text),
            ("version", Int),
            ("body", Text),
            ("updated_at", Int),
        ],
        key: 1,
        month: None,
    },
    Table {
        name: "orders",
        columns: &[
            ("id", Id),
            ("at", Int),
            ("requester", Text),
            ("profile", Text),
            ("issuer_id", Id),
            ("subject", Text),
            ("names", Text),
            ("state", Text),
            ("code", Text),
            ("message", Text),
            ("details", Text),
            ("certificate_id", Id),
        ],
        key: 1,
        month: None,
    },
    Table {
        name: "intents",
        columns: &[
            ("issuer_id", Id),
            ("serial", Blob),
            ("order_id", Id),
            ("tbs_hash", Blob),
            ("not_after", Int),
            ("at", Int),
            ("requester", Text),
            ("profile", Text),
            ("subject", Text),
            ("names", Text),
            ("node", Id),
        ],
        key: 2,
        month: None,
    },
    Table {
        name: "certificates",
        columns: &[
            ("id", Id),
            ("issuer_id", Id),
            ("serial", Blob),
            ("profile", Text),
            ("subject", Text),
            ("not_before", Int),
            ("not_after", Int),
            ("requester", Text),
            ("order_id", Id),
            ("replaces", Id),
            ("created_at", Int),
            ("revoked_at", Int),
            ("revocation_reason", Int),
            ("der", Blob),
        ],
        key: 1,
        month: Some(6),
    },
    Table {
        name: "certificate_names",
        columns: &[("name", Text), ("certificate_id", Id)],
        key: 2,
        month: None,
    },
    Table {
        name: "revocations",
        columns: &[
            ("issuer_id", Id),
            ("serial", Blob),
            ("revoked_at", Int),
            ("reason", Int),
            ("invalidity_date", Int),
            ("not_after", Int),
            ("is_orphan", Int),
        ],
        key: 2,
        month: None,
    },
    Table {
        name: "crl_shards",
        columns: &[
            ("issuer_id", Id),
            ("shard", Int),
            ("last_number", Int),
            ("changes", Int),
            ("base", Int),
            ("base_made_at", Int),
        ],
        key: 2,
        month: None,
    },
    Table {
        name: "crl_changes",
        columns: &[
            ("issuer_id", Id),
            ("shard", Int),
            ("serial", Blob),
            ("change", Int),
            ("released_at", Int),
            ("not_after", Int),
        ],
        key: 3,
        month: None,
    },
    Table {
        name: "published_crls",
        columns: &[
            ("issuer_id", Id),
            ("shard", Int),
            ("is_delta", Int),
            ("number", Int),
            ("base", Int),
            ("this_update", Int),
            ("next_update", Int),
            ("entries", Int),
            ("changes", Int),
            ("octets", Int),
            ("digest", Blob),
            ("der", Blob),
        ],
        key: 4,
        month: None,
    },
    Table {
        name: "responders",
        columns: &[
            ("certificate_id", Id),
            ("issuer_id", Id),
            ("key_fingerprint", Blob),
            ("certificate", Blob),
            ("not_before", Int),
            ("not_after", Int),
        ],
        key: 1,
        month: None,
    },
    Table {
        name: "api_tokens",
        columns: &[
            ("id", Text),
            ("name", Text),
            ("role", Text),
            ("scopes", Text),
            ("hash", Blob),
            ("created_at", Int),
            ("expires_at", Int),
            ("revoked_at", Int),
            ("last_used_at", Int),
        ],
        key: 1,
        month: None,
    },
    Table {
        name: "audit",
        columns: &[
            ("seq", Int),
            ("at", Int),
            ("actor", Text),
            ("action", Text),
            ("object", Text),
            ("outcome", Text),
            ("details", Text),
            ("hash", Blob),
        ],
        key: 1,
        month: None,
    },
    Table {
        name: "audit_tiles",
        columns: &[("level", Int), ("place", Int), ("octets", Blob)],
        key: 2,
        month: None,
    },
    Table {
        name: "audit_checkpoints",
        columns: &[("size", Int), ("at", Int), ("note", Text)],
        key: 1,
        month: None,
    },
    Table {
        name: "audit_exports",
        columns: &[("name", Text), ("seq", Int), ("at", Int)],
        key: 1,
        month: None,
    },
    couriers::COURIERS,
    couriers::CREDENTIALS,
    couriers::PRESENCE,
    couriers::ORDERS,
    couriers::DOMAINS,
    couriers::POLICIES,
    couriers::USED_ONCE,
    bridges::BRIDGES,
    bridges::PENDING,
    bridges::CERTIFICATES,
    alarms::ALARMS,
    discovery::CERTIFICATES,
    discovery::PLACES,
    discovery::SCANS,
];

/// Tables whose rows mean something to servers at work alone, and are not carried over. Nor is what must not come back with a backup:
/// sessions that were ended, keys that were given out, and tokens that were used.
pub const PASSING: &[&str] = &[
    "bridge_reports",
    "bridge_tokens",
    "changes",
    "courier_keys",
    "courier_sessions",
    "crl_parts",
    "leases",
    "tallies",
];

/// The values of a row, in the order of the columns.
pub type Values = Vec<Value<'static>>;

impl Table {
    /// The columns, with commas between.
    pub(crate) fn column_list(&self) -> String {
        names(self.columns)
    }

    /// How many rows there are.
    pub fn count(&self, reader: &Reader<'_>) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", self.name);
        let count = reader.first(&sql, &[], |row| row.int(0))?.unwrap_or(0);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Calls `each` with every row in the order of the key, beginning after a key.
    pub fn for_each_after(
        &self,
        reader: &Reader<'_>,
        after: Option<&[Value<'_>]>,
        mut each: impl FnMut(Values) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (key, _) = self.columns.split_at(self.key.min(self.columns.len()));
        let (key, columns) = (names(key), self.column_list());
        let condition = after.map_or_else(String::new, |after| {
            let values: Vec<_> = (1..=after.len()).map(|number| format!("?{number}")).collect();
            format!("WHERE ({key}) > ({})", values.join(", "))
        });
        let sql = format!("SELECT {columns} FROM {} {condition} ORDER BY {key}", self.name);
        reader.for_each_until(&sql, after.unwrap_or_default(), |row| each(self.read(row)?))
    }

    /// The key of the last row in its order.
    pub(crate) fn last_key(&self, reader: &Reader<'_>) -> Result<Option<Values>> {
        let (key, _) = self.columns.split_at(self.key.min(self.columns.len()));
        let backwards: Vec<_> = key.iter().map(|(name, _)| format!("{name} DESC")).collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {} LIMIT 1",
            names(key),
            self.name,
            backwards.join(", ")
        );
        let columns = key.iter().enumerate();
        reader.first(&sql, &[], |row| {
            columns.map(|(at, (_, kind))| row.value(at, *kind)).collect()
        })
    }

    /// Inserts rows.
    pub fn insert(&self, tx: &Tx<'_>, rows: &[Values]) -> Result<()> {
        tx.insert_rows(self, rows)
    }

    fn read(&self, row: &Row<'_>) -> Result<Values> {
        let columns = self.columns.iter().enumerate();
        columns.map(|(at, (_, kind))| row.value(at, *kind)).collect()
    }
}

fn names(columns: &[(&str, Kind)]) -> String {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
