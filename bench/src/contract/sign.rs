//! What is left of the token's own rate: in OCSP with nonce, in issuance over TLS, in the signing process.

use anyhow::{Context as _, Result};

use super::ocsp::CONNECTIONS;
use super::{RowId, Values};
use crate::appliance::{Appliance, Plan};
use crate::csr;
use crate::race::Rounds;
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::ocsp::ours;
use crate::scenario::sign::{SimulatedHsm, WithKey, capacity};
use crate::scenario::{issue, sign};
use crate::target::Target;

/// Latency of the simulated HSM in the contract.
const LATENCY_US: u32 = 2000;

pub(super) async fn against_the_token(run: &mut Run) -> Result<Values> {
    let p256 = of_algorithm(run, "ec-p256", RowId::NonceP256, RowId::IssueTlsP256).await?;
    let rsa = of_algorithm(run, "rsa-2048", RowId::NonceRsa, RowId::IssueTlsRsa).await?;
    Ok([p256, rsa].concat())
}

/// Nonce and issuance in every round, each held against the raw rate right before and right after it, because a machine that
/// others use too swings from second to second. The OCSP responder's key is of the same kind as the CA's.
async fn of_algorithm(
    run: &mut Run,
    algorithm: &'static str,
    nonce: RowId,
    issuance: RowId,
) -> Result<Values> {
    let plan = Plan {
        algorithm,
        ..Plan::default()
    };
    let appliance = Appliance::start(plan).await?;
    let target = Target::own(&appliance)?;
    let serial = target.issue(1).await?.pop().context("a certificate")?.1;
    let ocsp = target.ocsp().await?;
    let asked = ours(
        &target,
        &format!("{algorithm}: POST with nonce"),
        ocsp.posts(&[serial], true)?,
    );
    let mut ordered = issue::ours(&target, &csr::request()?);
    ordered.what = format!("{algorithm}: {}, TLS", ordered.what);
    let shape = run.with_connections(CONNECTIONS);
    let mut figures = vec![Vec::new(); 5];
    for _ in 0..run.rounds {
        let raw = async |with| sign::raw(&appliance, &ocsp.key, with, run.length()).await;
        let before = raw(WithKey::Own).await?;
        let nonce = asked.measure(shape).await?;
        let between = raw(WithKey::Own).await?;
        let issued = ordered.measure(shape).await?;
        let after = raw(WithKey::Own).await?;
        let measured = [
            midway(&before, &between),
            nonce,
            midway(&between, &after),
            issued,
            raw(WithKey::AsConfigured).await?,
        ];
        figures
            .iter_mut()
            .zip(measured)
            .for_each(|(list, figure)| list.push(figure));
    }
    let rounds = Rounds::of(figures);
    rounds.tell(&mut run.report);
    let rate = |figure: &Figure| figure.per_second;
    let made_of = |place| {
        format!(
            "{:.0}/s, raw {:.0}/s, raw with session copies {:.0}/s",
            rounds.median(place, rate),
            rounds.median(place - 1, rate),
            rounds.median(4, rate)
        )
    };
    Ok(vec![
        (nonce, rounds.ratio(1, 0, rate), made_of(1)),
        (issuance, rounds.ratio(3, 2, rate), made_of(3)),
    ])
}

/// The raw rate between two measurements of it.
fn midway(before: &Figure, after: &Figure) -> Figure {
    Figure {
        per_second: f64::midpoint(before.per_second, after.per_second),
        ..after.clone()
    }
}

pub(super) async fn signerd(run: &mut Run) -> Result<Values> {
    let appliance = Appliance::start(Plan::default()).await?;
    let rounds = sign::in_turn(&appliance, run).await?;
    rounds.tell(&mut run.report);
    let rate = |figure: &Figure| figure.per_second;
    let (inside, through) = (rounds.median(0, Figure::cpu), rounds.median(1, Figure::cpu));
    let rates = format!(
        "{:.0}/s, in process {:.0}/s",
        rounds.median(1, rate),
        rounds.median(0, rate)
    );
    let mut values = vec![
        (
            RowId::SignerdCpu,
            through - inside,
            format!("{through:.1} µs with the client's side, in process {inside:.1} µs"),
        ),
        (RowId::SignerdRate, rounds.ratio(1, 0, rate), rates),
    ];
    let hsm = SimulatedHsm::start(&appliance, run, LATENCY_US).await?;
    let rounds = hsm.in_turn(&appliance, run).await?;
    rounds.tell(&mut run.report);
    let made_of = format!(
        "{:.0}/s, in process {:.0}/s, nominal {:.0}/s",
        rounds.median(1, rate),
        rounds.median(0, rate),
        capacity(LATENCY_US)
    );
    values.push((RowId::SimulatedHsm, rounds.ratio(1, 0, rate), made_of));
    Ok(values)
}
