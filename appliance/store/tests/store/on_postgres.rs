//! PostgreSQL, a server for each test.

pub(crate) const ON_SERVER: bool = true;

#[path = "alarms.rs"]
mod alarms;
#[path = "audit.rs"]
mod audit;
#[path = "audit_tree.rs"]
mod audit_tree;
#[path = "bridges.rs"]
mod bridges;
#[path = "check.rs"]
mod check;
#[path = "copy.rs"]
mod copy;
#[path = "courier_orders.rs"]
mod courier_orders;
#[path = "courier_orders_found.rs"]
mod courier_orders_found;
#[path = "courier_sessions.rs"]
mod courier_sessions;
#[path = "couriers.rs"]
mod couriers;
#[path = "couriers_shared.rs"]
mod couriers_shared;
#[path = "crash.rs"]
mod crash;
#[path = "discovery.rs"]
mod discovery;
#[path = "fixture.rs"]
mod fixture;
#[path = "group_commit.rs"]
mod group_commit;
#[path = "issuance.rs"]
mod issuance;
#[path = "lists.rs"]
mod lists;
#[path = "nouns.rs"]
mod nouns;
#[path = "policies.rs"]
mod policies;
#[path = "readers.rs"]
mod readers;
#[path = "restore.rs"]
mod restore;
#[path = "retention.rs"]
mod retention;
#[path = "server.rs"]
mod server;
#[path = "several.rs"]
mod several;
#[path = "upgrade.rs"]
mod upgrade;
