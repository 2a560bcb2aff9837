//! The scenarios of a command line, one after the other.

use anyhow::{Context as _, Result};

use crate::appliance::{Appliance, Plan};
use crate::args::{Cli, Scenario};
use crate::contract::{Contract, Part};
use crate::run::Run;
use crate::scenario;
use crate::target::Target;

/// Runs the scenarios that are wanted; those that need no appliance of a special kind share one.
pub(crate) async fn run(cli: &Cli, run: &mut Run) -> Result<Option<Contract>> {
    let wanted = cli.wanted();
    let is_special = |scenario: &Scenario| {
        matches!(
            scenario,
            Scenario::Crl
                | Scenario::Start
                | Scenario::StartAfterKill
                | Scenario::Backup
                | Scenario::Overload
                | Scenario::Contract
        )
    };
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
            Scenario::MixedDay => scenario::mixed_day::run(target()?, run).await?,
            Scenario::Courier => {
                scenario::courier::run(target()?, run).await?;
                scenario::courier_idle::run(target()?, run).await?;
            }
            Scenario::Crl => scenario::crl::run(run).await?,
            Scenario::Start => scenario::start::run(run).await?,
            Scenario::Backup => scenario::backup::run(run).await?,
            Scenario::StartAfterKill => scenario::start_after_kill::run(run).await?,
            Scenario::Overload => contract = Some(Contract::measure(run, &[Part::Overload]).await),
            Scenario::Contract => contract = Some(Contract::measure(run, &cli.only).await),
        }
    }
    Ok(contract)
}
