//! What grows with the number of certificates: the index, the start, the cost of OCSP and of a revocation.

use anyhow::Result;

use super::ocsp::CONNECTIONS;
use super::{RowId, Values};
use crate::race::{self, Contestant};
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::crl::House as Revoked;
use crate::scenario::ocsp::ours;
use crate::scenario::revoke;
use crate::scenario::start::House;
use crate::target::Target;

/// Certificates and revocations of the small appliances.
const FEW: u64 = 10_000;
const FEW_REVOKED: u64 = 1_000;
/// Serials that are asked for in turn.
const ASKED: u64 = 1_000;
/// Revocations of one measurement.
const REVOCATIONS: usize = 50;

pub(super) async fn measure(run: &mut Run) -> Result<Values> {
    let mut values = certificates(run).await?;
    values.push(revocations(run).await?);
    Ok(values)
}

async fn certificates(run: &mut Run) -> Result<Values> {
    let mut small = House::seeded(run, FEW).await?;
    let little = small.serve().await?;
    let mut large = House::seeded(run, run.sizes.certificates).await?;
    let mut starts = Vec::new();
    let mut much = large.serve().await?;
    starts.push(much.ready.as_secs_f64());
    for _ in 1..run.rounds {
        large.appliance.stop().await?;
        much = large.serve().await?;
        starts.push(much.ready.as_secs_f64());
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "octets and certificates stay far below 2^52"
    )]
    let octets = much.memory.saturating_sub(little.memory) as f64 / (run.sizes.certificates - FEW) as f64;
    let contestants = [
        hits(&large, "GET, prepared, many certificates").await?,
        hits(&small, "GET, prepared, few certificates").await?,
    ];
    let rounds = race::run(&contestants, run.with_connections(CONNECTIONS), run.rounds).await?;
    rounds.tell(&mut run.report);
    let cpu = |place| rounds.median(place, Figure::cpu);
    let count = run.sizes.certificates;
    Ok(vec![
        (
            RowId::IndexOctets,
            octets,
            format!(
                "{} MiB at rest, {} MiB with {FEW}; {count} certificates",
                much.memory >> 20,
                little.memory >> 20
            ),
        ),
        (
            RowId::StartSeconds,
            race::median(starts),
            format!("{count} certificates"),
        ),
        (
            RowId::OcspGrowth,
            rounds.ratio(0, 1, Figure::cpu),
            format!(
                "{:.2} µs, {:.2} µs with {FEW}; {count} certificates",
                cpu(0),
                cpu(1)
            ),
        ),
    ])
}

async fn hits(house: &House, what: &str) -> Result<Contestant> {
    let target = Target::own(&house.appliance)?;
    let requests = target.ocsp().await?.gets(&house.serials(ASKED))?;
    let contestant = ours(&target, what, requests);
    contestant.exhaust(CONNECTIONS).await?;
    Ok(contestant)
}

/// The median latency of a revocation, one after the other: CRLs that are built meanwhile are no part of it.
async fn revocations(run: &mut Run) -> Result<(RowId, f64, String)> {
    let small = Revoked::start(run, FEW_REVOKED).await?;
    let large = Revoked::start(run, run.sizes.revoked).await?;
    let mut figures = vec![Vec::new(), Vec::new()];
    for _ in 0..run.rounds {
        for (house, figures) in [&large, &small].into_iter().zip(&mut figures) {
            let issued = house.target.issue(REVOCATIONS).await?;
            // A CRL that is due from the round before would be built while this one is measured.
            house.build().await?;
            figures.push(revoke::contestant(&house.target, &issued).exhaust(1).await?);
        }
    }
    let rounds = race::Rounds::of(figures);
    rounds.tell(&mut run.report);
    let p50 = |figure: &Figure| {
        let us = figure.latency_us.as_ref().map_or(0, |latency| latency.p50);
        f64::from(u32::try_from(us).unwrap_or(u32::MAX))
    };
    let made_of = format!(
        "median {:.0} µs, {:.0} µs with {FEW_REVOKED}; {} revoked",
        rounds.median(0, p50),
        rounds.median(1, p50),
        run.sizes.revoked
    );
    Ok((RowId::RevokeGrowth, rounds.ratio(0, 1, p50), made_of))
}
