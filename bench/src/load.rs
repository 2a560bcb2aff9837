//! Closed-loop load: a fixed number of workers, each starting its next operation when the last one is done.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::cpu::Meter;
use crate::report::{Cpu, Figure};

/// How much, for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Operations in flight.
    pub(crate) workers: usize,
    /// Length of the measured part.
    pub(crate) duration: Duration,
}

/// What one worker counted.
#[derive(Debug)]
pub(crate) struct Tally {
    latencies: Histogram<u64>,
    failures: u64,
    first_failure: Option<String>,
}

impl Tally {
    /// An empty tally that keeps latencies up to a minute, in nanoseconds, to two digits.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            latencies: Histogram::new_with_bounds(1, 60_000_000_000, 2)?,
            failures: 0,
            first_failure: None,
        })
    }

    /// Counts one operation.
    pub(crate) fn count(&mut self, start: Instant, outcome: Result<()>) {
        match outcome {
            Ok(()) => self
                .latencies
                .saturating_record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)),
            Err(error) => {
                self.failures += 1;
                self.first_failure.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    /// Adds another worker's counts.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        self.latencies.add(&other.latencies)?;
        self.failures += other.failures;
        if self.first_failure.is_none() {
            self.first_failure.clone_from(&other.first_failure);
        }
        Ok(())
    }

    /// The figure of a measured stretch.
    pub(crate) fn figure(&self, scenario: &str, what: &str, took: Duration, meter: Meter) -> Result<Figure> {
        if let Some(failure) = &self.first_failure {
            eprintln!("{scenario}: first failure: {failure}");
        }
        let operations = self.latencies.len();
        let cpu = meter.per_operation(operations)?;
        #[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^52")]
        let per_second = operations as f64 / took.as_secs_f64();
        Ok(Figure {
            scenario: scenario.to_owned(),
            what: what.to_owned(),
            operations,
            failures: self.failures,
            per_second,
            latency_us: Some((&self.latencies).into()),
            cpu_us: cpu
                .into_iter()
                .map(|(process, us)| Cpu {
                    process,
                    us_per_operation: us,
                })
                .collect(),
        })
    }
}

/// Runs workers until the time is up. `worker(n)` gives the n-th worker: a closure that does one operation per call.
pub(crate) async fn run<W, F>(
    shape: Shape,
    processes: &[(&str, u32)],
    scenario: &str,
    what: &str,
    mut worker: impl FnMut(usize) -> W,
) -> Result<Figure>
where
    W: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let meter = Meter::start(processes)?;
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for number in 0..shape.workers {
        let mut operation = worker(number);
        workers.spawn(async move {
            let mut tally = Tally::new()?;
            while start.elapsed() < shape.duration {
                let begun = Instant::now();
                let outcome = operation().await;
                let failed = outcome.is_err();
                tally.count(begun, outcome);
                if failed && tally.failures > 100 {
                    break;
                }
            }
            anyhow::Ok(tally)
        });
    }
    let mut total = Tally::new()?;
    while let Some(tally) = workers.join_next().await {
        total.merge(&tally??)?;
    }
    total.figure(scenario, what, start.elapsed(), meter)
}
