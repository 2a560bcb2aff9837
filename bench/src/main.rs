//! `chancery-bench`: load for an appliance, with CPU per operation of every process that took part.
//!
//! Each run makes an appliance of its own on a SoftHSM2 token in a temporary folder, with the programs beside this one.
#![allow(
    clippy::print_stdout,
    reason = "a program whose output is for a person at a terminal"
)]

mod appliance;
mod cpu;
mod http;
mod load;
mod report;
mod scenario;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};

use appliance::Appliance;
use report::Report;

/// Measures signing, issuance and OCSP.
#[derive(Debug, Parser)]
#[command(name = "chancery-bench", version)]
struct Cli {
    /// What to measure; everything when nothing is named.
    scenarios: Vec<Scenario>,
    /// Also write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Seconds for each figure.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections at the same time, for issuance and OCSP.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Measure the token itself in this process: signing configuration and key. Used by the scenario `sign`.
    #[arg(long, hide = true, num_args = 2, value_names = ["FILE", "KEY"])]
    raw: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// `C_Sign` of the token in process, and the same through the signing process.
    Sign,
    /// Certificates issued from a CSR over REST, stored.
    Issue,
    /// OCSP answers over HTTP: prepared, and signed on demand for a nonce.
    Ocsp,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let length = Duration::from_secs(cli.seconds.max(1));
    if let Some(raw) = &cli.raw {
        return scenario::sign::raw(raw, length);
    }
    ensure!(
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .is_ok(),
        "a crypto provider was installed twice"
    );
    let all = [Scenario::Sign, Scenario::Issue, Scenario::Ocsp];
    let wanted = if cli.scenarios.is_empty() {
        all.to_vec()
    } else {
        cli.scenarios
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    runtime.block_on(async {
        let appliance = Appliance::start().await?;
        let shape = load::Shape {
            workers: cli.connections,
            duration: length,
        };
        for scenario in wanted {
            match scenario {
                Scenario::Sign => scenario::sign::run(&appliance, length, &mut report).await?,
                Scenario::Issue => scenario::issue::run(&appliance, shape, &mut report).await?,
                Scenario::Ocsp => scenario::ocsp::run(&appliance, shape, &mut report).await?,
            }
        }
        anyhow::Ok(())
    })?;
    if let Some(file) = &cli.json {
        report.write(file).context("the report")?;
    }
    ensure!(!report.has_failures(), "operations failed: these are no figures");
    Ok(())
}
