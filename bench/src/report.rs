//! Figures as lines for people, as Markdown for the manual and as JSON for machines.

mod machine;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::cpu::Meter;
use crate::load::Tally;
use machine::Machine;

/// One measured line.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    /// Scenario, for example `sign`.
    pub(crate) scenario: String,
    /// What was measured, for example `C_Sign, P-256, in process`.
    pub(crate) what: String,
    /// Operations that succeeded.
    pub(crate) operations: u64,
    /// Operations that failed; a run with any is not a figure.
    pub(crate) failures: u64,
    /// Operations per second of wall time.
    pub(crate) per_second: f64,
    /// Latency in microseconds; absent where only the rate was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) latency_us: Option<Percentiles>,
    /// CPU microseconds per operation, for each process that took part.
    pub(crate) cpu_us: Vec<Cpu>,
}

/// Latency percentiles in microseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
}

/// CPU of one process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Cpu {
    pub(crate) process: String,
    pub(crate) us_per_operation: f64,
}

impl Figure {
    /// A figure of which only the count and the time are known.
    pub(crate) fn counted(
        scenario: &str,
        what: &str,
        operations: u64,
        took: Duration,
        meter: Meter,
    ) -> Result<Self> {
        let cpu = meter.per_operation(operations)?;
        #[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^52")]
        let per_second = operations as f64 / took.as_secs_f64();
        let cpu = cpu.into_iter().map(|(process, us_per_operation)| Cpu {
            process,
            us_per_operation,
        });
        Ok(Self {
            scenario: scenario.to_owned(),
            what: what.to_owned(),
            operations,
            failures: 0,
            per_second,
            latency_us: None,
            cpu_us: cpu.collect(),
        })
    }

    /// The figure of what workers counted.
    pub(crate) fn of(
        scenario: &str,
        what: &str,
        tally: &Tally,
        took: Duration,
        meter: Meter,
    ) -> Result<Self> {
        if let Some(failure) = &tally.first_failure {
            eprintln!("{scenario}: {what}: first failure: {failure}");
        }
        let counted = Self::counted(scenario, what, tally.latencies.len(), took, meter)?;
        Ok(Self {
            failures: tally.failures,
            latency_us: Some((&tally.latencies).into()),
            ..counted
        })
    }

    /// CPU microseconds per operation of all processes together.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu_us.iter().map(|cpu| cpu.us_per_operation).sum()
    }

    /// The 99th percentile of the latency in microseconds.
    pub(crate) fn p99(&self) -> f64 {
        let us = self.latency_us.as_ref().map_or(0, |latency| latency.p99);
        f64::from(u32::try_from(us).unwrap_or(u32::MAX))
    }

    fn line(&self) -> String {
        let cpu = |cpu: &Cpu| format!("{} {:.1}", cpu.process, cpu.us_per_operation);
        let cpu: Vec<String> = self.cpu_us.iter().map(cpu).collect();
        let cpu = match cpu.as_slice() {
            [] => String::new(),
            cpu => format!("CPU us/op: {}", cpu.join(", ")),
        };
        let latency = self.latency_us.as_ref().map_or_else(String::new, |latency| {
            format!("p50 {:>6} us  p99 {:>6} us", latency.p50, latency.p99)
        });
        let failures = match self.failures {
            0 => String::new(),
            count => format!("   FAILURES: {count}"),
        };
        let rate = self.rate();
        format!(
            "{:<6} {:<58} {rate:>10}   {latency:<30} {cpu}{failures}",
            self.scenario, self.what,
        )
    }

    /// How many a second; of what takes long, how long one takes.
    fn rate(&self) -> String {
        if self.per_second > 0.0 && self.per_second < 10.0 {
            format!("{:.2} s", self.per_second.recip())
        } else {
            format!("{:.0} /s", self.per_second)
        }
    }
}

impl From<&Histogram<u64>> for Percentiles {
    fn from(latencies: &Histogram<u64>) -> Self {
        let at = |quantile| latencies.value_at_quantile(quantile) / 1000;
        Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
        }
    }
}

/// All figures of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    /// When the run began.
    date: jiff::Timestamp,
    figures: Vec<Figure>,
}

impl Report {
    /// An empty report of this machine.
    pub(crate) fn new(date: jiff::Timestamp) -> Self {
        Self {
            machine: Machine::here(),
            date,
            figures: Vec::new(),
        }
    }

    /// Adds a figure and prints its line.
    pub(crate) fn add(&mut self, figure: Figure) {
        println!("{}", figure.line());
        self.figures.push(figure);
    }

    /// Whether any operation failed.
    pub(crate) fn has_failures(&self) -> bool {
        self.figures.iter().any(|figure| figure.failures > 0)
    }

    /// What all figures are, as a table for the manual.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "{}, {}\n\n",
            self.date.strftime("%Y-%m-%d %H:%M UTC"),
            self.machine
        );
        text += "| Scenario | What | Rate | p50 µs | p99 µs | CPU µs per operation |\n|---|---|---|---|---|---|\n";
        for figure in &self.figures {
            let at = |pick: fn(&Percentiles) -> u64| figure.latency_us.as_ref().map(pick);
            let shown = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
            let cpu = |cpu: &Cpu| format!("{:.1} ({})", cpu.us_per_operation, cpu.process);
            let cpu: Vec<String> = figure.cpu_us.iter().map(cpu).collect();
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} | {} |",
                figure.scenario,
                figure.what,
                figure.rate(),
                shown(at(|latency| latency.p50)),
                shown(at(|latency| latency.p99)),
                cpu.join(" + "),
            );
        }
        text
    }

    /// Writes the JSON form, with further members beside the figures.
    pub(crate) fn write(&self, file: &Path, more: &serde_json::Map<String, serde_json::Value>) -> Result<()> {
        let mut whole = serde_json::to_value(self)?;
        if let Some(object) = whole.as_object_mut() {
            object.extend(more.clone());
        }
        let text = serde_json::to_string_pretty(&whole)?;
        std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use crate::cpu::Group;

    fn figure() -> Figure {
        let meter = Meter::start(&[Group::here("here")]).unwrap();
        let mut tally = Tally::new().unwrap();
        tally.count(std::time::Instant::now(), Ok(()));
        Figure::of("ocsp", "GET", &tally, Duration::from_millis(500), meter).unwrap()
    }

    #[test]
    fn a_report_has_its_figures_in_every_form() {
        let mut report = Report::new(jiff::Timestamp::UNIX_EPOCH);
        report.add(figure());
        assert!(!report.has_failures());
        assert!(
            report.markdown().contains("| `ocsp` | GET | 0.50 s |"),
            "{}",
            report.markdown()
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("figures.json");
        let mut more = serde_json::Map::new();
        more.insert("contract".to_owned(), serde_json::json!([]));
        report.write(&file, &more).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read.pointer("/figures/0/operations").unwrap(), 1);
        assert_eq!(read.pointer("/figures/0/cpu_us/0/process").unwrap(), "here");
        assert!(read.pointer("/figures/0/latency_us/p99").is_some());
        assert!(read.get("contract").is_some() && read.get("machine").is_some());
        assert_eq!(read.get("date").unwrap(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_failure_makes_a_report_none() {
        let mut report = Report::new(jiff::Timestamp::UNIX_EPOCH);
        report.add(Figure {
            failures: 1,
            ..figure()
        });
        assert!(report.has_failures());
    }
}
