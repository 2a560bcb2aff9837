//! Servers side by side: in every round each is loaded in turn, so that what the machine does at a time meets all of them,
//! and what is told is the median of the rounds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::cpu::Group;
use crate::http::Door;
use crate::load::{self, Check, Exchange, Shape};
use crate::report::{Figure, Report};

/// A server and what it is asked.
#[derive(Clone)]
pub(crate) struct Contestant {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    /// The processes whose CPU is measured.
    pub(crate) groups: Vec<Group>,
    pub(crate) door: Door,
    /// Asked one after the other; every connection begins somewhere else.
    pub(crate) requests: Arc<Vec<Vec<u8>>>,
    pub(crate) check: Check,
    /// Whether it closes the connection after each answer.
    pub(crate) closes: bool,
}

impl Contestant {
    /// Loads it for a while.
    pub(crate) async fn measure(&self, shape: Shape) -> Result<Figure> {
        self.load(shape, usize::MAX).await
    }

    /// Asks every request once.
    pub(crate) async fn exhaust(&self, workers: usize) -> Result<Figure> {
        let shape = Shape::new(workers, Duration::from_hours(1));
        self.load(shape, self.apart(workers)).await
    }

    async fn load(&self, shape: Shape, each: usize) -> Result<Figure> {
        let mut workers = Vec::with_capacity(shape.workers);
        for number in 0..shape.workers {
            let first = number * self.apart(shape.workers);
            let left = match each {
                usize::MAX => each,
                each => each.min(self.requests.len().saturating_sub(first)),
            };
            let worker = Exchange::new(&self.door, Arc::clone(&self.requests), first, self.check);
            let mut worker = worker.closing(self.closes).only(left);
            worker.connect().await?;
            workers.push(worker);
        }
        load::run(shape, &self.groups, self.scenario, &self.what, workers).await
    }

    /// How far apart in the list of requests the workers begin.
    fn apart(&self, workers: usize) -> usize {
        self.requests.len().div_ceil(workers.max(1)).max(1)
    }
}

/// What each contestant did in each round, in their order.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Vec<Vec<Figure>>);

/// Loads each in turn, as often as there are rounds; before that each for a moment that does not count.
pub(crate) async fn run(contestants: &[Contestant], shape: Shape, rounds: usize) -> Result<Rounds> {
    let mut figures = vec![Vec::new(); contestants.len()];
    let short = Shape {
        duration: shape.duration / 5,
        ..shape
    };
    for contestant in contestants {
        contestant.measure(short).await?;
    }
    for _ in 0..rounds.max(1) {
        for (contestant, figures) in contestants.iter().zip(&mut figures) {
            figures.push(contestant.measure(shape).await?);
        }
    }
    Ok(Rounds(figures))
}

impl Rounds {
    /// More rounds of the same contestants.
    pub(crate) fn extend(&mut self, more: Self) {
        self.0.resize_with(self.0.len().max(more.0.len()), Vec::new);
        for (figures, more) in self.0.iter_mut().zip(more.0) {
            figures.extend(more);
        }
    }

    /// Of many measurements that are taken by hand, in the order of the contestants.
    pub(crate) fn of(figures: Vec<Vec<Figure>>) -> Self {
        Self(figures)
    }

    /// With every figure changed.
    pub(crate) fn map(self, change: impl Fn(Figure) -> Figure) -> Self {
        let change = |figures: Vec<Figure>| figures.into_iter().map(&change).collect();
        Self(self.0.into_iter().map(change).collect())
    }

    /// Adds the median figure of each contestant.
    pub(crate) fn tell(&self, report: &mut Report) {
        for figures in &self.0 {
            let mut figures: Vec<&Figure> = figures.iter().collect();
            figures.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
            if let Some(middle) = figures.get(figures.len() / 2) {
                let failures = figures.iter().map(|figure| figure.failures).sum();
                report.add(Figure {
                    failures,
                    ..(*middle).clone()
                });
            }
        }
    }

    /// The median over the rounds of what contestant `one` has, divided by what contestant `other` has.
    pub(crate) fn ratio(&self, one: usize, other: usize, of: impl Fn(&Figure) -> f64) -> f64 {
        let figures = |place: usize| self.0.get(place).into_iter().flatten();
        median(
            figures(one)
                .zip(figures(other))
                .map(|(one, other)| of(one) / of(other))
                .collect(),
        )
    }

    /// The median over the rounds of what a contestant has.
    pub(crate) fn median(&self, place: usize, of: impl Fn(&Figure) -> f64) -> f64 {
        median(self.0.get(place).into_iter().flatten().map(of).collect())
    }
}

/// The value in the middle; of an even number of values the higher of the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Cpu;

    fn figure(cpu: f64) -> Figure {
        Figure {
            scenario: String::new(),
            what: String::new(),
            operations: 1,
            failures: 0,
            per_second: 1e6 / cpu,
            latency_us: None,
            cpu_us: vec![Cpu {
                process: String::new(),
                us_per_operation: cpu,
            }],
        }
    }

    #[test]
    fn ratios_are_taken_in_a_round() {
        let ours = [6.0, 12.0, 6.0].map(figure).to_vec();
        let theirs = [5.0, 10.0, 12.0].map(figure).to_vec();
        let rounds = Rounds::of(vec![ours, theirs]);
        let ratio = rounds.ratio(0, 1, Figure::cpu);
        assert!((ratio - 1.2).abs() < 1e-9, "{ratio}");
        assert!((rounds.median(0, Figure::cpu) - 6.0).abs() < 1e-9);
        assert!(rounds.ratio(0, 7, Figure::cpu).is_nan());
    }
}
