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
mod csr;
mod http;
mod load;
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

use appliance::{Appliance, Plan};
use args::{Cli, Scenario};
use contract::Contract;
use run::Run;
use target::Target;

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
    let contract = runtime.block_on(measure(&cli, &mut run))?;
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

/// Runs the scenarios that are wanted; those that need no appliance of a special kind share one.
async fn measure(cli: &Cli, run: &mut Run) -> Result<Option<Contract>> {
    let wanted = cli.wanted();
    let is_special =
        |scenario: &Scenario| matches!(scenario, Scenario::Crl | Scenario::Start | Scenario::Contract);
    let remote = cli.remote()?;
    let own = match &remote {
        None if !wanted.iter().all(is_special) => Some(Appliance::start(Plan::default()).await?),
        _ => None,
    };
    let target = match (&own, &remote) {
        (Some(own), _) => Some(Target::own(own)?),
        (None, Some(remote)) => Some(Target::of(remote, &cli.issuer, &cli.profile)?),
        (None, None) => None,
    };
    let target = || target.as_ref().context("an appliance");
    let mut contract = None;
    for scenario in wanted {
        match scenario {
            Scenario::Sign => scenario::sign::run(own.as_ref().context("an appliance")?, run).await?,
            Scenario::Issue => scenario::issue::run(target()?, run).await?,
            Scenario::Renew => scenario::renew::run(target()?, run).await?,
            Scenario::Revoke => scenario::revoke::run(target()?, run).await?,
            Scenario::Ocsp => scenario::ocsp::run(target()?, run).await?,
            Scenario::Crl => scenario::crl::run(run).await?,
            Scenario::Start => scenario::start::run(run).await?,
            Scenario::Contract => contract = Some(Contract::measure(run, &cli.only).await),
        }
    }
    Ok(contract)
}
