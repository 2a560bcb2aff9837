//! OCSP answers that are not in memory: those of the tier on disk, and those that are made before anybody asks.
//!
//! Memory is emptied by a new start: after it every first question about a serial that was answered before is a question to
//! the tier below. What the signing process spends is counted in, so that an answer that has to be signed again shows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::ocsp::CONNECTIONS;
use super::{RowId, Values};
use crate::appliance::{Appliance, Plan};
use crate::metrics::Metrics;
use crate::peer::bare;
use crate::race::{Rounds, median};
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::ocsp::ours;
use crate::scenario::sign::WithKey;
use crate::scenario::{sign, start};
use crate::seed::{self, Seed};
use crate::target::Target;

/// How long pre-signing may take to begin.
const BEGINNING: Duration = Duration::from_secs(5);

pub(super) async fn measure(run: &mut Run) -> Result<Values> {
    let mut values = vec![lower_tier(run).await?];
    // The rate of an RSA key is a tenth of the other's, so a tenth of the answers takes as long.
    for (id, algorithm, share) in [
        (RowId::PresignP256, "ec-p256", 1),
        (RowId::PresignRsa, "rsa-2048", 10),
    ] {
        values.push(presign(run, id, algorithm, run.sizes.answers / share).await?);
    }
    Ok(values)
}

async fn lower_tier(run: &mut Run) -> Result<(RowId, f64, String)> {
    let mut house = start::House::seeded(run, run.sizes.answers).await?;
    house.serve().await?;
    let serials = house.serials(run.sizes.answers);
    let target = Target::own(&house.appliance)?;
    let requests = target.ocsp().await?.gets(&serials)?;
    let first = ours(&target, "GET, first question", requests.clone())
        .exhaust(CONNECTIONS)
        .await?;
    run.report.add(first);
    let (mut lower, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        house.appliance.stop().await?;
        house.serve().await?;
        let target = Target::own(&house.appliance)?;
        lower.push(
            ours(&target, "GET, first question after a new start", requests.clone())
                .exhaust(CONNECTIONS)
                .await?,
        );
        let mut connection = target.public.open().await?;
        let answer = connection
            .exchange(requests.first().context("a request")?)
            .await?;
        let peer = bare::start(&answer).await?;
        let mut bare = ours(&target, "bare hyper, as many GETs", requests.clone());
        (bare.door, bare.groups) = (peer.door.clone(), vec![peer.group()?]);
        floor.push(bare.exhaust(CONNECTIONS).await?);
    }
    let rounds = Rounds::of(vec![lower, floor]);
    rounds.tell(&mut run.report);
    let made_of = format!(
        "{:.2} µs with the signing process, hyper {:.2} µs; {} serials",
        rounds.median(0, Figure::cpu),
        rounds.median(1, Figure::cpu),
        serials.len()
    );
    Ok((RowId::OcspLowerTier, rounds.ratio(0, 1, Figure::cpu), made_of))
}

/// Revoked serials are signed ahead of time when the server starts; the counter of signatures says how fast. The raw rate is
/// taken right after it.
async fn presign(
    run: &mut Run,
    id: RowId,
    algorithm: &'static str,
    count: u64,
) -> Result<(RowId, f64, String)> {
    let (mut rates, mut raws) = (Vec::new(), Vec::new());
    // Each needs an appliance that has answered nothing yet.
    for _ in 0..run.rounds {
        let plan = Plan {
            algorithm,
            ..Plan::default()
        };
        let mut appliance = Appliance::init(plan)?;
        let seed = Seed {
            revoked: count,
            ..Seed::default()
        };
        seed::write(&appliance.state().join("chancery.db"), "issuing", seed, run.begun).await?;
        appliance.serve().await?;
        rates.push(watch(&appliance).await?);
        let ocsp = Target::own(&appliance)?.ocsp().await?;
        let raw = sign::raw(&appliance, &ocsp.key, WithKey::Own, run.length()).await?;
        raws.push(raw.per_second);
    }
    let ratio = median(rates.iter().zip(&raws).map(|(rate, raw)| rate / raw).collect());
    let (rate, raw) = (median(rates), median(raws));
    Ok((id, ratio, format!("{rate:.0}/s ahead of time, raw {raw:.0}/s")))
}

/// Signatures a second that are made ahead of time, from the first to the last of a burst.
async fn watch(appliance: &Appliance) -> Result<f64> {
    let mut metrics = Metrics::open(&appliance.metrics()).await?;
    let begun = Instant::now();
    let mut seen: Vec<(Instant, f64)> = Vec::new();
    loop {
        let count = metrics.signed_ahead().await?;
        match seen.last() {
            Some((at, last)) if *last >= count => {
                // Quiet for a second: the burst is over, or there was none.
                if seen.len() > 1 && at.elapsed() > Duration::from_secs(1) {
                    break;
                }
            }
            _ => seen.push((Instant::now(), count)),
        }
        ensure!(
            seen.len() > 1 || begun.elapsed() < BEGINNING,
            "nothing is signed ahead"
        );
        ensure!(
            begun.elapsed() < Duration::from_mins(10),
            "pre-signing does not end"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (first, last) = (
        seen.get(1).context("a beginning")?,
        seen.last().context("an end")?,
    );
    let took = last.0.duration_since(first.0).as_secs_f64();
    ensure!(took > 0.0, "too little was signed ahead to say how fast");
    Ok((last.1 - first.1) / took)
}
