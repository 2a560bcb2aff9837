//! `chancery-bench`: load for an appliance, with CPU per operation of every process that took part, peers beside it in the
//! same run, and the performance contract.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is for a person at a terminal"
)]

mod appliance;
mod args;
mod contract;
mod cpu;
mod crowd;
mod csr;
mod http;
mod load;
mod measure;
mod metrics;
mod peer;
mod race;
mod report;
mod run;
mod scenario;
mod seed;
mod target;

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser as _;
use serde_json::Map;

use args::Cli;
use contract::Contract;

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(raw) = &cli.raw {
        return scenario::sign::raw_here(raw, cli.length());
    }
    if let Some(bare) = &cli.bare {
        let [file, port] = bare.as_slice() else {
            bail!("--bare takes a file and a port")
        };
        return peer::bare::serve(Path::new(file), port.parse()?);
    }
    ensure!(
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .is_ok(),
        "a crypto provider was installed twice"
    );
    #[expect(
        clippy::disallowed_methods,
        reason = "the date of a report, and the time of what is seeded"
    )]
    let mut run = cli.run(jiff::Timestamp::now());
    if cfg!(debug_assertions) {
        eprintln!("a build without optimisation: what follows are no figures");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let contract = runtime.block_on(measure::run(&cli, &mut run))?;
    let mut markdown = run.report.markdown();
    if let Some(contract) = &contract {
        println!("\n{}", contract.markdown());
        markdown = format!("{}\n{markdown}", contract.markdown());
    }
    if let Some(file) = &cli.json {
        let more = contract.as_ref().map_or_else(Map::new, Contract::json);
        run.report.write(file, &more).context("the report")?;
    }
    if let Some(file) = &cli.markdown {
        std::fs::write(file, markdown).context("the report")?;
    }
    contract.as_ref().map_or(Ok(()), Contract::check)?;
    ensure!(
        !run.report.has_failures(),
        "operations failed: these are no figures"
    );
    Ok(())
}
