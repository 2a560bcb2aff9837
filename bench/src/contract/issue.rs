//! Issuance with a software key over plain HTTP, as the peers do it.

use anyhow::Result;

use super::{RowId, Values};
use crate::appliance::{Appliance, Plan};
use crate::csr;
use crate::race;
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::issue::{ours, peers};
use crate::target::Target;

/// Connections to each.
const CONNECTIONS: usize = 64;

pub(super) async fn measure(run: &mut Run) -> Result<Values> {
    let plan = Plan {
        is_software: true,
        is_api_plain: true,
        ..Plan::default()
    };
    let appliance = Appliance::start(plan).await?;
    let (target, peers, csr) = (Target::own(&appliance)?, peers(run).await?, csr::request()?);
    let mut contestants = vec![ours(&target, &csr)];
    contestants.extend(peers.contestants(&csr)?);
    let rounds = race::run(&contestants, run.with_connections(CONNECTIONS), run.rounds).await?;
    rounds.tell(&mut run.report);
    // Certificates per CPU-second, ours over theirs, is CPU per certificate, theirs over ours.
    let made_of = |place| {
        let cpu = |place| rounds.median(place, Figure::cpu);
        format!("{:.0} µs of CPU, the other {:.0} µs", cpu(0), cpu(place))
    };
    Ok(vec![
        (RowId::IssueToOpenbao, rounds.ratio(1, 0, Figure::cpu), made_of(1)),
        (RowId::IssueToCfssl, rounds.ratio(2, 0, Figure::cpu), made_of(2)),
    ])
}
