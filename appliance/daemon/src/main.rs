//! `chancery`: the server and its command line.
#![allow(
    clippy::print_stdout,
    reason = "a program whose output is for a person at a terminal"
)]

mod backup;
mod cli;
mod compose;
mod config;
mod descriptors;
mod files;
mod interrupt;
mod live;
mod log;
mod run;
mod signals;
mod supervise;
mod tls_files;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One crypto provider for every TLS connection of this process, chosen before any is made.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("chancery: a crypto provider was installed twice");
        return ExitCode::FAILURE;
    }
    cli::start()
}
