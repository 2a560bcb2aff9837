//! Start-up after `kill -9` under load, with many certificates in the store: how long until the appliance answers and issues.
//!
//! The kill comes while certificates are issued, so that the write-ahead log is as a crash leaves it and intents are open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cpu::Meter;
use crate::csr;
use crate::load::{self, Exchange};
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::start::House;
use crate::scenario::succeeded;
use crate::target::Target;

/// Kills it as often as there are rounds.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let certificates = run.sizes.certificates;
    let mut house = House::seeded_on(run, certificates, run.store_url.as_deref()).await?;
    house.serve_until_it_answers().await?;
    for _ in 0..run.rounds {
        let log = kill_under_load(&mut house, run).await?;
        let begun = Instant::now();
        let ready = house.serve_until_it_answers().await?;
        Target::own(&house.appliance)?.issue(1).await?;
        let what = format!(
            "killed with {certificates} certificates and {} KiB of write-ahead log; it issues after {} ms",
            log >> 10,
            begun.elapsed().as_millis()
        );
        let meter = Meter::start(&[])?;
        run.report
            .add(Figure::counted("start-after-kill", &what, 1, ready, meter)?);
    }
    Ok(())
}

/// Kills the server while it issues; gives the length of the write-ahead log that is left beside an SQLite file.
async fn kill_under_load(house: &mut House, run: &Run) -> Result<u64> {
    let target = Target::own(&house.appliance)?;
    let request = target.post("/api/v1/certificates", &target.order(&csr::request()?));
    let requests = Arc::new(vec![request]);
    let workers = (0..run.shape.workers)
        .map(|first| Exchange::new(&target.api, Arc::clone(&requests), first, succeeded))
        .collect();
    // Longer than it will live: what comes after the kill fails.
    let mut shape = run.shape;
    shape.duration += Duration::from_mins(1);
    let load =
        tokio::spawn(async move { load::run(shape, &[], "issue", "until it is killed", workers).await });
    tokio::time::sleep(run.shape.duration).await;
    house.appliance.kill()?;
    load.abort();
    let log = house.appliance.state().join("chancery.db-wal");
    Ok(std::fs::metadata(log).map_or(0, |log| log.len()))
}
