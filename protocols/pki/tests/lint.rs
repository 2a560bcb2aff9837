//! The lint from the outside: what the builders make passes, what is bent is refused with the rule's name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "lint/bytes.rs"]
mod bytes;
#[allow(dead_code, reason = "the tests of profiles use the rest")]
#[path = "profile/fixture.rs"]
mod fixture;
#[path = "lint/lists.rs"]
mod lists;
#[path = "lint/rules.rs"]
mod rules;
