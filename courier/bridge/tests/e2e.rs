//! The program as a process, between real clients and an appliance that is simulated (`sim_appliance`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "e2e/bed.rs"]
mod bed;
#[path = "e2e/bridge_process.rs"]
mod bridge_process;
#[path = "e2e/lifetime.rs"]
mod lifetime;
#[path = "e2e/sim_appliance.rs"]
mod sim_appliance;
#[path = "e2e/smuggling.rs"]
mod smuggling;
#[path = "e2e/terminate.rs"]
mod terminate;
#[path = "e2e/tunnel.rs"]
mod tunnel;
