//! The shipped programs, end to end, judged by other people's software. A missing judge fails the run:
//! `cargo xtask test` installs all of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test says what broke by panicking, and waits for other processes"
)]

#[path = "e2e/harness.rs"]
mod harness;

#[path = "e2e/api.rs"]
mod api;
#[path = "e2e/audit.rs"]
mod audit;
#[path = "e2e/audit_export.rs"]
mod audit_export;
#[path = "e2e/backup.rs"]
mod backup;
#[path = "e2e/backup_audit.rs"]
mod backup_audit;
#[path = "e2e/backup_bad_input.rs"]
mod backup_bad_input;
#[path = "e2e/backup_busy.rs"]
mod backup_busy;
#[path = "e2e/backup_hostile.rs"]
mod backup_hostile;
#[path = "e2e/backup_offline.rs"]
mod backup_offline;
#[path = "e2e/backup_signed.rs"]
mod backup_signed;
#[path = "e2e/bad_input.rs"]
mod bad_input;
#[path = "e2e/ceremony.rs"]
mod ceremony;
#[path = "e2e/cli.rs"]
mod cli;
#[path = "e2e/configuration.rs"]
mod configuration;
#[path = "e2e/couriers.rs"]
mod couriers;
#[path = "e2e/crash.rs"]
mod crash;
#[path = "e2e/database.rs"]
mod database;
#[path = "e2e/docs.rs"]
mod docs;
#[path = "e2e/hsm_faults.rs"]
mod hsm_faults;
#[path = "e2e/init.rs"]
mod init;
#[path = "e2e/init_again.rs"]
mod init_again;
#[path = "e2e/key_lost.rs"]
mod key_lost;
#[path = "e2e/lint.rs"]
mod lint;
#[path = "e2e/lost_store.rs"]
mod lost_store;
#[path = "e2e/ml_dsa.rs"]
mod ml_dsa;
#[path = "e2e/nodes.rs"]
mod nodes;
#[path = "e2e/nodes_away.rs"]
mod nodes_away;
#[path = "e2e/operate.rs"]
mod operate;
#[path = "e2e/overload.rs"]
mod overload;
#[path = "e2e/packages.rs"]
mod packages;
#[path = "e2e/platform_keys.rs"]
mod platform_keys;
#[path = "e2e/priorities.rs"]
mod priorities;
#[path = "e2e/restore_dry_run.rs"]
mod restore_dry_run;
#[path = "e2e/runbooks.rs"]
mod runbooks;
#[path = "e2e/store.rs"]
mod store;
#[path = "e2e/token.rs"]
mod token;
#[path = "e2e/tour.rs"]
mod tour;
#[path = "e2e/two_tokens.rs"]
mod two_tokens;
#[path = "e2e/units.rs"]
mod units;
#[path = "e2e/upgrade.rs"]
mod upgrade;
#[path = "e2e/verify.rs"]
mod verify;
#[path = "e2e/witness.rs"]
mod witness;
