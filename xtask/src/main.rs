//! The chores of this repository as one program: `cargo xtask demo | test | check | bench | instructions | fuzz | sizes | package`.
//!
//! It depends on none of the product's crates, so that it builds in seconds on a machine that has nothing but Rust.
#![allow(
    clippy::print_stdout,
    reason = "a program whose output is for a person at a terminal"
)]

mod bench;
mod check;
mod demo;
mod fuzz;
mod install;
mod instructions;
mod package;
mod shell;
mod sizes;
mod tally;
mod test;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Chores of the Chancery repository")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// A CA on a soft HSM, started on loopback, with a tour: issue, OCSP, CRL, revoke.
    Demo(demo::Args),
    /// Install the test counterparts, run every check and test, end with the counts.
    Test(test::Args),
    /// Format, clippy, fences, sizes and documentation, without running tests.
    Check,
    /// Build the load kit in release mode and run the named scenarios.
    Bench(bench::Args),
    /// Count the instructions of the hot operations and compare them with `bench/instructions.toml`.
    Instructions(instructions::Args),
    /// Run the fuzz targets for a while (all of them unless named).
    Fuzz(fuzz::Args),
    /// Build the programs and make packages of them: `.deb`, `.rpm` and `.tar.gz`, with their sums.
    Package(package::Args),
    /// File and function sizes against the budgets.
    Sizes,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Demo(args) => demo::run(&args),
        Chore::Test(args) => test::run(&args),
        Chore::Check => check::run(),
        Chore::Bench(args) => bench::run(&args),
        Chore::Instructions(args) => instructions::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Package(args) => package::run(&args),
        Chore::Sizes => sizes::run(),
    }
}
