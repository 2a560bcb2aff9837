//! OCSP answers from memory, beside servers that only have to send the same bytes.

use anyhow::{Context as _, Result};

use super::{RowId, Values};
use crate::appliance::{Appliance, Plan};
use crate::race::{self, Rounds};
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::ocsp::{Peers, ours};
use crate::target::Target;

/// Connections, as the contract says.
pub(super) const CONNECTIONS: usize = 64;

pub(super) async fn measure(run: &mut Run) -> Result<Values> {
    let mut appliance = Appliance::start(Plan::default()).await?;
    let target = Target::own(&appliance)?;
    let serial = target.issue(1).await?.pop().context("a certificate")?.1;
    let shape = run.with_connections(CONNECTIONS);
    let (mut get, mut post) = (Rounds::default(), Rounds::default());
    for _ in 0..run.rounds {
        // Where a process happens to lie in memory is worth a tenth, for as long as it lives: each round has new ones.
        appliance.stop().await?;
        appliance.serve().await?;
        let target = Target::own(&appliance)?;
        let ocsp = target.ocsp().await?;
        let gets = ocsp.gets(&[serial])?;
        let peers = Peers::start(&target, &gets).await?;
        let mut contestants = vec![ours(&target, "GET, prepared", gets.clone())];
        contestants.extend(peers.gets(&gets)?);
        get.extend(race::run(&contestants, shape, 1).await?);
        let mut contestants = vec![ours(&target, "POST, prepared", ocsp.posts(&[serial], false)?)];
        contestants.extend(peers.posts(&ocsp, &[serial])?);
        post.extend(race::run(&contestants, shape, 1).await?);
    }
    get.tell(&mut run.report);
    post.tell(&mut run.report);
    let cpu = |rounds: &Rounds, place| rounds.median(place, Figure::cpu);
    let made_of =
        |rounds, name, place| format!("{:.2} µs, {name} {:.2} µs", cpu(rounds, 0), cpu(rounds, place));
    Ok(vec![
        (
            RowId::OcspGetToHyper,
            get.ratio(0, 1, Figure::cpu),
            made_of(&get, "hyper", 1),
        ),
        (
            RowId::OcspGetToNginx,
            get.ratio(0, 2, Figure::cpu),
            made_of(&get, "nginx", 2),
        ),
        (
            RowId::OcspPostToHyper,
            post.ratio(0, 1, Figure::cpu),
            made_of(&post, "hyper", 1),
        ),
        (
            RowId::OcspPostToCfssl,
            post.ratio(2, 0, Figure::cpu),
            made_of(&post, "cfssl", 2),
        ),
    ])
}
