//! `courier-bridge`: the way of couriers from one network segment into another.
#![allow(
    clippy::print_stdout,
    reason = "a program whose output is for a person at a terminal"
)]

mod address;
mod cli;
mod clock;
mod config;
mod fault;
mod heartbeat;
mod identity;
mod limit;
mod listen;
mod metrics;
mod register;
mod renew;
mod run;
mod scrape;
mod terminate;
mod tunnel;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    // One crypto provider for every TLS connection of this process, chosen before any is made.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("courier-bridge: a crypto provider was installed twice");
        return ExitCode::FAILURE;
    }
    cli::start()
}
