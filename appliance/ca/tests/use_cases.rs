//! Every use case through the public surface, over a real store and software keys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "support/bed.rs"]
mod bed;
#[path = "support/log.rs"]
mod log;
#[path = "support/request.rs"]
mod request;

#[path = "use_cases/audit_tree.rs"]
mod audit_tree;
#[path = "use_cases/bridges.rs"]
mod bridges;
#[path = "use_cases/ceremony.rs"]
mod ceremony;
#[path = "use_cases/ceremony_forged.rs"]
mod ceremony_forged;
#[path = "use_cases/clock.rs"]
mod clock;
#[path = "use_cases/courier_again.rs"]
mod courier_again;
#[path = "use_cases/courier_alarms.rs"]
mod courier_alarms;
#[path = "use_cases/courier_credentials.rs"]
mod courier_credentials;
#[path = "use_cases/courier_discovery.rs"]
mod courier_discovery;
#[path = "use_cases/courier_host.rs"]
mod courier_host;
#[path = "use_cases/courier_order_races.rs"]
mod courier_order_races;
#[path = "use_cases/courier_orders.rs"]
mod courier_orders;
#[path = "use_cases/courier_platform_keys.rs"]
mod courier_platform_keys;
#[path = "use_cases/courier_renewals.rs"]
mod courier_renewals;
#[path = "use_cases/courier_sign_in.rs"]
mod courier_sign_in;
#[path = "use_cases/courier_wishes.rs"]
mod courier_wishes;
#[path = "use_cases/couriers.rs"]
mod couriers;
#[path = "use_cases/create.rs"]
mod create;
#[path = "use_cases/crl.rs"]
mod crl;
#[path = "use_cases/crl_deltas.rs"]
mod crl_deltas;
#[path = "use_cases/crl_files.rs"]
mod crl_files;
#[path = "use_cases/crl_shards.rs"]
mod crl_shards;
#[path = "use_cases/disk.rs"]
mod disk;
#[path = "use_cases/duties.rs"]
mod duties;
#[path = "use_cases/epoch.rs"]
mod epoch;
#[path = "use_cases/faults.rs"]
mod faults;
#[path = "use_cases/following.rs"]
mod following;
#[path = "use_cases/ceremony_hall.rs"]
mod hall;
#[path = "use_cases/issue.rs"]
mod issue;
#[path = "use_cases/metrics.rs"]
mod metrics;
#[path = "use_cases/ocsp.rs"]
mod ocsp;
#[path = "use_cases/offline.rs"]
mod offline;
#[path = "use_cases/permits.rs"]
mod permits;
#[path = "use_cases/priorities.rs"]
mod priorities;
#[path = "use_cases/profiles.rs"]
mod profiles;
#[path = "use_cases/recovery.rs"]
mod recovery;
#[path = "use_cases/renew.rs"]
mod renew;
#[path = "use_cases/retention.rs"]
mod retention;
#[path = "use_cases/revoke.rs"]
mod revoke;
#[path = "use_cases/rollover.rs"]
mod rollover;
#[path = "use_cases/several.rs"]
mod several;
#[path = "use_cases/subordinate.rs"]
mod subordinate;
#[path = "use_cases/tokens.rs"]
mod tokens;
#[path = "use_cases/two_tokens.rs"]
mod two_tokens;
#[path = "use_cases/witness.rs"]
mod witness;
