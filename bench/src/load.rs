//! Closed-loop load: a fixed number of workers, each starting its next operation when the last one is done, or at a pace.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::cpu::{Group, Meter};
use crate::http::{Answer, Connection, Door};
use crate::report::Figure;

/// Failures after which a worker gives up.
const ENOUGH: u64 = 100;

/// How much, for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Operations in flight.
    pub(crate) workers: usize,
    /// Length of the measured part.
    pub(crate) duration: Duration,
    /// The least time between the starts of two operations of one worker.
    pub(crate) pace: Option<Duration>,
}

impl Shape {
    pub(crate) fn new(workers: usize, duration: Duration) -> Self {
        Self {
            workers,
            duration,
            pace: None,
        }
    }

    /// The same for `rate` operations a second at most.
    pub(crate) fn at_rate(self, rate: f64) -> Self {
        let workers = u32::try_from(self.workers).unwrap_or(u32::MAX);
        Self {
            pace: Some(Duration::from_secs_f64(f64::from(workers) / rate.max(0.1))),
            ..self
        }
    }
}

/// What a worker does again and again.
pub(crate) trait Operation: Send + 'static {
    /// Once.
    fn once(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Whether there is nothing left to do.
    fn is_done(&self) -> bool {
        false
    }
}

/// Says whether an answer is the right one.
pub(crate) type Check = fn(&Answer<'_>) -> Result<()>;

/// Requests, one after the other, over one connection.
pub(crate) struct Exchange {
    door: Door,
    connection: Option<Connection>,
    requests: Arc<Vec<Vec<u8>>>,
    next: usize,
    /// How many are left to ask.
    left: usize,
    check: Check,
    /// Whether the server closes the connection after each answer.
    closes: bool,
}

impl Exchange {
    /// Begins with the request `first` and goes on, round and round.
    pub(crate) fn new(door: &Door, requests: Arc<Vec<Vec<u8>>>, first: usize, check: Check) -> Self {
        Self {
            door: door.clone(),
            connection: None,
            requests,
            next: first,
            left: usize::MAX,
            check,
            closes: false,
        }
    }

    /// So many and no more.
    pub(crate) fn only(mut self, count: usize) -> Self {
        self.left = count;
        self
    }

    pub(crate) fn closing(mut self, closes: bool) -> Self {
        self.closes = closes;
        self
    }

    /// Opens the connection, so that this is no part of what is measured.
    pub(crate) async fn connect(&mut self) -> Result<()> {
        if !self.closes {
            self.connection = Some(self.door.open().await?);
        }
        Ok(())
    }
}

impl Operation for Exchange {
    async fn once(&mut self) -> Result<()> {
        let place = self.next % self.requests.len().max(1);
        let request = self.requests.get(place).context("a request")?;
        self.next += 1;
        self.left = self.left.saturating_sub(1);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.door.open().await?,
        };
        (self.check)(&connection.exchange(request).await?)?;
        if !self.closes {
            self.connection = Some(connection);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.left == 0
    }
}

/// What one worker counted.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) latencies: Histogram<u64>,
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<String>,
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
}

/// Runs the workers until the time is up.
pub(crate) async fn run<O: Operation>(
    shape: Shape,
    groups: &[Group],
    scenario: &str,
    what: &str,
    workers: Vec<O>,
) -> Result<Figure> {
    ensure!(!workers.is_empty(), "{what}: no worker");
    let meter = Meter::start(groups)?;
    let start = Instant::now();
    let mut running = JoinSet::new();
    for operation in workers {
        running.spawn(work(shape, start, operation));
    }
    let mut total = Tally::new()?;
    while let Some(tally) = running.join_next().await {
        total.merge(&tally??)?;
    }
    Figure::of(scenario, what, &total, start.elapsed(), meter)
}

async fn work<O: Operation>(shape: Shape, start: Instant, mut operation: O) -> Result<Tally> {
    let mut tally = Tally::new()?;
    let mut due = tokio::time::Instant::now();
    while start.elapsed() < shape.duration && tally.failures < ENOUGH && !operation.is_done() {
        let mut begun = Instant::now();
        if let Some(pace) = shape.pace {
            // What should have begun already waited for the one before it, and that time is its own.
            if begun < due.into_std() {
                tokio::time::sleep_until(due).await;
                begun = Instant::now();
            } else {
                begun = due.into_std();
            }
            due += pace;
        }
        let outcome = operation.once().await;
        tally.count(begun, outcome);
    }
    Ok(tally)
}
