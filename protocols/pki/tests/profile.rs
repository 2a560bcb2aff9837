//! Profiles from the outside: every field's effect, the ready ones, orders from requests, and what foreign readers say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "profile/algorithms.rs"]
mod algorithms;
#[path = "profile/field_authority.rs"]
mod field_authority;
#[path = "profile/field_extensions.rs"]
mod field_extensions;
#[path = "profile/field_names.rs"]
mod field_names;
#[path = "profile/field_validity.rs"]
mod field_validity;
#[path = "profile/fields.rs"]
mod fields;
#[path = "profile/fixture.rs"]
mod fixture;
#[path = "profile/judges.rs"]
mod judges;
#[path = "profile/property.rs"]
mod property;
#[path = "profile/ready.rs"]
mod ready;
#[path = "profile/requests.rs"]
mod requests;
