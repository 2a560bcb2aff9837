//! The count of what passed and failed, printed as the last line of a test run.

use std::time::Instant;

use anyhow::Result;

/// Steps and tests counted so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    broken: Vec<String>,
}

impl Tally {
    /// Runs one step; its outcome counts as one test, and the run goes on after a failure.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        let start = Instant::now();
        match step() {
            Ok(()) => {
                self.passed += 1;
                println!("== {name}: ok, {:.1} s", start.elapsed().as_secs_f64());
            }
            Err(error) => {
                println!("== {name}: FAILED: {error:#}");
                self.fail(name);
            }
        }
    }

    /// Adds the counts of a test runner.
    pub(crate) fn add(&mut self, name: &str, passed: u64, failed: u64) {
        self.passed += passed;
        if failed > 0 {
            self.failed += failed;
            self.broken.push(format!("{name} ({failed})"));
        }
    }

    /// Counts one failure.
    pub(crate) fn fail(&mut self, name: &str) {
        self.add(name, 0, 1);
    }

    /// Prints what failed and the counts; an error when anything failed or nothing ran.
    pub(crate) fn close(self) -> Result<()> {
        if !self.broken.is_empty() {
            println!("\nfailed: {}", self.broken.join(", "));
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
        anyhow::ensure!(self.failed == 0, "the run failed");
        anyhow::ensure!(self.passed > 0, "no test ran");
        Ok(())
    }
}
