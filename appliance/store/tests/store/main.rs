//! The store from outside: what its callers rely on, over each database. What only one of them can do has a module of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::duplicate_mod,
    reason = "a test that meets something unexpected should stop there; the same tests run over each database"
)]

mod on_postgres;
mod on_sqlite;
