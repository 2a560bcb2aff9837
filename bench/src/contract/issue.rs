//! Issuance with a software key over plain HTTP, as the peers do it.

use anyhow::Result;

use super::{RowId, Values};
use crate::appliance::{Appliance, Plan};
use crate::csr;
use crate::race;
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::issue::{ours, ours_anew, peers};
use crate::target::Target;

/// So many different requests that none is remembered when it comes again.
const NEW: usize = 8192;
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
    let new: Vec<String> = (0..NEW).map(|_| csr::request()).collect::<Result<_>>()?;
    contestants.push(ours_anew(&target, &new));
    let rounds = race::run(&contestants, run.with_connections(CONNECTIONS), run.rounds).await?;
    rounds.tell(&mut run.report);
    // Certificates per CPU-second, ours over theirs, is CPU per certificate, theirs over ours.
    let made_of = |place| {
        let cpu = |place| rounds.median(place, Figure::cpu);
        format!(
            "{:.0} µs of CPU, the other {:.0} µs; {:.0} µs when the request is a new one each time",
            cpu(0),
            cpu(place),
            cpu(3)
        )
    };
    Ok(vec![
        (RowId::IssueToOpenbao, rounds.ratio(1, 0, Figure::cpu), made_of(1)),
        (RowId::IssueToCfssl, rounds.ratio(2, 0, Figure::cpu), made_of(2)),
    ])
}
