//! Tests of the client against a server of the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

mod connections;
mod endpoints;
mod errors;
mod sessions;

use std::time::Duration;

use super::bed::Bed;
use super::{Client, Settings};

/// Settings that wait for nothing longer than they must.
fn settings(url: &str) -> Settings {
    let mut settings = Settings::new(url.parse().unwrap());
    settings.retries = 2;
    settings.retry_max_delay = Duration::from_millis(5);
    settings
}

fn client(bed: &Bed) -> Client {
    Client::new(settings(&bed.url())).unwrap()
}
