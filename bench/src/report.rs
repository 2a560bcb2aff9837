//! Figures as a table for people and as JSON for machines.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::cpu::Meter;

/// One measured line.
#[derive(Debug, Deserialize, Serialize)]
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
    /// Latency in microseconds at the 50th, 99th and 99.9th percentile; absent where only the rate was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) latency_us: Option<Percentiles>,
    /// CPU microseconds per operation, for each process that took part.
    pub(crate) cpu_us: Vec<Cpu>,
}

/// Latency percentiles in microseconds.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Percentiles {
    p50: u64,
    p99: u64,
    p999: u64,
}

/// CPU of one process.
#[derive(Debug, Deserialize, Serialize)]
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
        Ok(Self {
            scenario: scenario.to_owned(),
            what: what.to_owned(),
            operations,
            failures: 0,
            per_second,
            latency_us: None,
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
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    figures: Vec<Figure>,
}

/// Where it ran.
#[derive(Debug, Serialize)]
struct Machine {
    cores: usize,
    cpu: String,
    kernel: String,
}

impl Default for Machine {
    fn default() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let model = read("/proc/cpuinfo");
        let cpu = model
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: cpu.trim_start_matches(['\t', ' ', ':']).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl Report {
    /// Adds a figure and prints its line.
    pub(crate) fn add(&mut self, figure: Figure) {
        let cpu: Vec<String> = figure
            .cpu_us
            .iter()
            .map(|cpu| format!("{} {:.1}", cpu.process, cpu.us_per_operation))
            .collect();
        let latency = figure.latency_us.as_ref().map_or_else(String::new, |latency| {
            format!("p50 {:>6} us  p99 {:>6} us", latency.p50, latency.p99)
        });
        println!(
            "{:<6} {:<53} {:>7.0} /s   {latency:<28}   CPU us/op: {}{}",
            figure.scenario,
            figure.what,
            figure.per_second,
            cpu.join(", "),
            if figure.failures > 0 {
                format!("   FAILURES: {}", figure.failures)
            } else {
                String::new()
            },
        );
        self.figures.push(figure);
    }

    /// Whether any operation failed.
    pub(crate) fn has_failures(&self) -> bool {
        self.figures.iter().any(|figure| figure.failures > 0)
    }

    /// Writes the JSON form.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))
    }
}
