//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use jiff::Timestamp;

use crate::contract::Part;
use crate::load::Shape;
use crate::report::Report;
use crate::run::{Run, Sizes};
use crate::target::Remote;

/// Load for a Chancery appliance, with CPU per operation of every process that took part.
///
/// Without --server each run makes appliances of its own on a SoftHSM2 token in a temporary folder, with the programs beside
/// this one.
#[derive(Debug, Parser)]
#[command(
    name = "chancery-bench",
    version,
    after_help = "Examples:\n  chancery-bench sign issue ocsp --json figures.json\n  chancery-bench ocsp --peers\n  \
        chancery-bench contract --json contract.json\n  \
        chancery-bench issue ocsp --server https://pki.example:8443 --public http://pki.example --token-file admin.token \
        --ca-bundle ca-bundle.pem"
)]
pub(crate) struct Cli {
    /// What to measure; everything but `courier`, `crl`, `start`, `start-after-kill`, `overload` and `contract` when nothing is named.
    pub(crate) scenarios: Vec<Scenario>,
    /// Also write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also write the figures as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Milliseconds of one measurement.
    #[arg(long, default_value_t = 3000)]
    pub(crate) milliseconds: u64,
    /// How often each measurement is repeated; the median is told.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Connections at the same time, where the scenario does not say how many.
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: usize,
    /// Measure other programs in the same run.
    #[arg(long)]
    pub(crate) peers: bool,
    /// Small sizes, short measurements, three rounds: for a look, not for figures.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Of the contract only these parts.
    #[arg(long, value_name = "PART")]
    pub(crate) only: Vec<Part>,
    /// Certificates in the store for `start`, `start-after-kill` and the contract.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) certificates: Option<u64>,
    /// Revocations in the store for the cost of a revocation.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) revoked: Option<u64>,
    /// Couriers of the largest fleet of `courier`.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) couriers: Option<usize>,
    /// Idle connections of `overload`.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) idle: Option<usize>,
    /// Entries of the CRL.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) entries: Option<u64>,
    /// Load this appliance, which runs already: the address of its REST API.
    #[arg(long, value_name = "URL", requires_all = ["public", "token_file", "ca_bundle"])]
    server: Option<String>,
    /// The address of its public listener.
    #[arg(long, value_name = "URL", requires = "server")]
    public: Option<String>,
    /// A file with an API token that may issue and revoke.
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// The roots to check its certificate with.
    #[arg(long, value_name = "FILE", requires = "server")]
    ca_bundle: Option<PathBuf>,
    /// The issuer there.
    #[arg(long, default_value = "issuing")]
    pub(crate) issuer: String,
    /// The profile there.
    #[arg(long, default_value = "tls-server")]
    pub(crate) profile: String,
    /// An empty database of PostgreSQL that `start-after-kill` and `backup` fill, in place of an SQLite file.
    #[arg(long, value_name = "URL")]
    store_url: Option<String>,
    /// Another that `backup` restores into.
    #[arg(long, value_name = "URL")]
    restore_store_url: Option<String>,
    /// OpenBao's program; `bao` on the search path when left out.
    #[arg(long, value_name = "FILE")]
    openbao: Option<PathBuf>,
    /// The module of the simulated HSM.
    #[arg(long, value_name = "FILE")]
    simulated_hsm: Option<PathBuf>,
    /// Measure the token itself in this process: signing configuration, key, sessions, and whether the key of the token is signed with or what the configuration says.
    #[arg(long, hide = true, num_args = 4, value_names = ["FILE", "KEY", "SESSIONS", "WITH"])]
    pub(crate) raw: Option<Vec<String>>,
    /// Be the bare server: its answer and its port.
    #[arg(long, hide = true, num_args = 2, value_names = ["FILE", "PORT"])]
    pub(crate) bare: Option<Vec<String>>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// `C_Sign` of the token in process, and the same through the signing process.
    Sign,
    /// Certificates issued from a CSR over REST, stored.
    Issue,
    /// Certificates renewed over REST.
    Renew,
    /// Certificates revoked over REST.
    Revoke,
    /// OCSP answers over HTTP: prepared, signed on demand for a nonce, and a mix.
    Ocsp,
    /// Everything at the same time, in the proportions of a day.
    MixedDay,
    /// A fleet of couriers that renew, and that ask how their certificates stand; the program `courier` with nothing to do.
    Courier,
    /// CRLs with many entries.
    Crl,
    /// Start-up with many certificates.
    Start,
    /// A backup of up to a million certificates beside the running server, its verification and its restore.
    Backup,
    /// The same after the server was killed while it issued.
    StartAfterKill,
    /// Good requests at full load in a crowd of bad clients: those rows of the contract.
    Overload,
    /// Every row of the performance contract.
    Contract,
}

impl Cli {
    /// The scenarios that are wanted.
    pub(crate) fn wanted(&self) -> Vec<Scenario> {
        let usual = [
            Scenario::Sign,
            Scenario::Issue,
            Scenario::Renew,
            Scenario::Revoke,
            Scenario::Ocsp,
            Scenario::MixedDay,
        ];
        match (self.scenarios.is_empty(), &self.server) {
            (true, None) => usual.to_vec(),
            // The token of an appliance that runs already is its own.
            (true, Some(_)) => usual.get(1..).unwrap_or_default().to_vec(),
            (false, _) => self.scenarios.clone(),
        }
    }

    /// The appliance that runs already, when one is named.
    pub(crate) fn remote(&self) -> Result<Option<Remote>> {
        let Some(server) = &self.server else {
            return Ok(None);
        };
        let on_its_own = [
            Scenario::Sign,
            Scenario::Crl,
            Scenario::Start,
            Scenario::Backup,
            Scenario::StartAfterKill,
            Scenario::Overload,
            Scenario::Contract,
        ];
        ensure!(
            !self.wanted().iter().any(|wanted| on_its_own.contains(wanted)),
            "sign, crl, start, start-after-kill, backup, overload and contract make appliances of their own: leave out --server"
        );
        Ok(Some(Remote {
            server: server.clone(),
            public: self.public.clone().context("--public")?,
            token_file: self.token_file.clone().context("--token-file")?,
            ca_bundle: self.ca_bundle.clone().context("--ca-bundle")?,
        }))
    }

    /// Length of one measurement.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_millis(if self.quick {
            self.milliseconds.min(1000)
        } else {
            self.milliseconds.max(1)
        })
    }

    /// What the run works with.
    pub(crate) fn run(&self, begun: Timestamp) -> Run {
        let base = if self.quick { Sizes::QUICK } else { Sizes::FULL };
        Run {
            shape: Shape::new(self.connections.max(1), self.length()),
            rounds: if self.quick {
                self.rounds.clamp(1, 3)
            } else {
                self.rounds.max(1)
            },
            has_peers: self.peers,
            sizes: Sizes {
                certificates: self.certificates.unwrap_or(base.certificates),
                revoked: self.revoked.unwrap_or(base.revoked),
                entries: self.entries.unwrap_or(base.entries),
                idle: self.idle.unwrap_or(base.idle),
                couriers: self.couriers.unwrap_or(base.couriers).max(1),
                ..base
            },
            openbao: self.openbao.clone(),
            simulated_hsm: self.simulated_hsm.clone(),
            store_url: self.store_url.clone(),
            restore_store_url: self.restore_store_url.clone(),
            begun,
            report: Report::new(begun),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    fn parse(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(format!("chancery-bench {words}").split_whitespace())
    }

    #[test]
    fn a_remote_appliance_is_named_completely() {
        assert!(parse("issue --server https://x").is_err());
        let words = "--server https://x:1 --public http://x --token-file t --ca-bundle b";
        let cli = parse(words).unwrap();
        assert!(cli.remote().unwrap().is_some() && !cli.wanted().contains(&Scenario::Sign));
        assert!(parse(&format!("contract {words}")).unwrap().remote().is_err());
    }

    #[test]
    fn quick_is_small() {
        let run = parse("contract --quick --entries 7")
            .unwrap()
            .run(Timestamp::UNIX_EPOCH);
        assert_eq!(
            (run.rounds, run.sizes.entries, run.sizes.revoked),
            (3, 7, Sizes::QUICK.revoked)
        );
        assert_eq!(run.shape.duration, Duration::from_secs(1));
    }
}
