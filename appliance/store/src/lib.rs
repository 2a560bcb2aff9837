//! The system of record: issuers, keys, orders, intents, certificates, revocations, CRLs, tokens, couriers,
//! audit.
//!
//! Queries live in the file of their noun, written once in the common SQL dialect over [`Reader`] and [`Tx`]; only `db.rs`
//! knows which database is underneath. A job given to [`Store::write`] is one all-or-nothing change; many waiting jobs
//! share one fsync. The store knows bytes and plain values, never X.509.
//!
//! The schema is in `migrations/<database>/V<number>__<what>.sql`. A number means the same in the folder of every database,
//! and a migration leaves the schema usable for the program version before it.

pub mod alarms;
pub mod audit;
pub mod audit_tree;
pub mod bridges;
pub mod certificates;
pub mod changes;
mod check;
mod copy;
pub mod courier_credentials;
pub mod courier_keys;
pub mod courier_orders;
pub mod courier_presence;
pub mod courier_sessions;
pub mod couriers;
pub mod crash_point;
pub mod crl_files;
pub mod crls;
mod db;
pub mod discovery;
pub mod domains;
pub mod dump;
pub mod epoch;
mod error;
pub mod intents;
pub mod issuers;
pub mod keys;
pub mod leases;
mod ocsp_answers;
pub mod once;
pub mod orders;
pub mod policies;
pub mod profiles;
pub mod responders;
pub mod restore;
pub mod retention;
pub mod revocations;
pub mod rows;
pub mod servers;
pub mod settings;
pub mod stats;
pub mod statuses;
pub mod tables;
pub mod tallies;
pub mod tokens;
mod value;
mod writer;

pub use check::{Finding, check};
pub use copy::{Copied, Progress, Stage, copy, is_unfinished as is_copy_unfinished};
pub use db::{
    Credentials, Location, PendingMigration, PostgresConfig, Reader, Store, StoreConfig, Tx, is_store_file,
    lock_file,
};
pub use error::{Error, Result};
pub use ocsp_answers::OcspAnswers;
pub use restore::Restore;
pub use value::{Row, Value};
pub use writer::{AtWork, Counters};
