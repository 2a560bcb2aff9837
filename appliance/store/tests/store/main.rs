//! The store from outside: what its callers rely on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets something unexpected should stop there"
)]

mod audit;
mod crash;
mod fixture;
mod full;
mod group_commit;
mod issuance;
mod lists;
mod nouns;
mod open;
mod readers;
