//! A CRL with a million entries, one more revocation, and OCSP meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{RowId, Values};
use crate::csr;
use crate::load::Shape;
use crate::peer::openssl;
use crate::race::{Contestant, median};
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::crl::{self, House};
use crate::scenario::ocsp::ours;
use crate::scenario::sign::WithKey;
use crate::scenario::{issue, sign};

/// OCSP questions a second while their latency is measured: enough for a 99th percentile, far from what the server can do.
const QUESTIONS: f64 = 2000.0;
/// Connections of each side.
const CONNECTIONS: usize = 16;

pub(super) async fn measure(run: &mut Run) -> Result<Values> {
    let house = House::start(run, run.sizes.entries).await?;
    let (mut times, mut floors, mut memory, mut more) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        crl::settle();
        let build = house.build().await?;
        floors.push(house.floor().await?.as_secs_f64());
        times.push(build.took.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "octets of memory stay far below 2^52")]
        memory.push(build.memory as f64 / f64::from(1 << 20));
        run.report.add(build.figure);
        crl::settle();
        more.push(house.one_more().await?.as_secs_f64());
    }
    let signature = one_signature(&house, run).await?;
    let openssl = {
        let entries = run.sizes.entries;
        tokio::task::spawn_blocking(move || openssl::gencrl(entries))
            .await??
            .as_secs_f64()
    };
    let per_round = |times: &[f64], more: f64| {
        let ratios = times
            .iter()
            .zip(&floors)
            .map(|(time, floor)| time / (floor + more));
        median(ratios.collect())
    };
    let (to_floor, to_more) = (per_round(&times, 0.0), per_round(&more, signature));
    let (time, floor, more) = (median(times), median(floors.clone()), median(more));
    let mut values = vec![
        (
            RowId::CrlToFloor,
            to_floor,
            format!("{time:.3} s, floor {floor:.3} s"),
        ),
        (
            RowId::CrlToOpenssl,
            openssl / time,
            format!("{time:.3} s, openssl {openssl:.1} s"),
        ),
        (
            RowId::CrlMemory,
            median(memory),
            format!("{} entries", run.sizes.entries),
        ),
        (
            RowId::CrlOneMore,
            to_more,
            format!("{more:.3} s, floor {floor:.3} s"),
        ),
    ];
    values.push(meanwhile(&house, run).await?);
    Ok(values)
}

/// Seconds of one signature of the issuer's key.
async fn one_signature(house: &House, run: &Run) -> Result<f64> {
    let key = house.target.ocsp().await?.key;
    let raw = sign::raw(&house.appliance, &key, WithKey::AsConfigured, run.length()).await?;
    Ok(raw.cpu() / 1e6)
}

/// The 99th percentile of OCSP answers when nothing else happens, and while CRLs are built one after the other and
/// certificates are issued at half of the rate that is possible.
async fn meanwhile(house: &House, run: &mut Run) -> Result<(RowId, f64, String)> {
    let target = &house.target;
    let serial = target.issue(1).await?.pop().context("a certificate")?.1;
    let asked = ours(target, "GET at 2000/s", target.ocsp().await?.gets(&[serial])?);
    let ordered = issue::ours(target, &csr::request()?);
    let capacity = ordered
        .measure(run.with_connections(CONNECTIONS))
        .await?
        .per_second;
    let steady = Shape::new(CONNECTIONS, run.length().max(Duration::from_secs(3))).at_rate(QUESTIONS);
    let (mut idle, mut busy, mut issued) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        idle.push(asked.measure(steady).await?);
        let (figure, rate) = under_load(house, &asked, &ordered, steady, capacity / 2.0).await?;
        busy.push(figure);
        issued.push(rate);
    }
    let rounds = crate::race::Rounds::of(vec![idle, busy]);
    rounds.tell(&mut run.report);
    let made_of = format!(
        "{:.0} µs, idle {:.0} µs; {:.0} certificates issued a second of {capacity:.0}",
        rounds.median(1, Figure::p99),
        rounds.median(0, Figure::p99),
        median(issued)
    );
    Ok((RowId::OcspUnderLoad, rounds.ratio(1, 0, Figure::p99), made_of))
}

/// The questions, and how many certificates were issued a second meanwhile.
async fn under_load(
    house: &House,
    asked: &Contestant,
    ordered: &Contestant,
    steady: Shape,
    rate: f64,
) -> Result<(Figure, f64)> {
    let is_over = Arc::new(AtomicBool::new(false));
    let crls = async {
        while !is_over.load(Ordering::Relaxed) {
            house.build().await?;
        }
        anyhow::Ok(())
    };
    let questions = async {
        let figure = asked.measure(steady).await;
        is_over.store(true, Ordering::Relaxed);
        figure
    };
    let half = Shape::new(CONNECTIONS, steady.duration).at_rate(rate);
    let (figure, issued, built) = tokio::join!(questions, ordered.measure(half), crls);
    built?;
    let (figure, issued) = (figure?, issued?);
    ensure!(
        issued.failures == 0,
        "{} certificates were not issued",
        issued.failures
    );
    let what = format!(
        "{}, while a CRL is built and certificates are issued",
        figure.what
    );
    Ok((Figure { what, ..figure }, issued.per_second))
}
