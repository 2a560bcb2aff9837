//! CPU time of a process, from `/proc`: what survives on a machine whose wall clock is noisy.

use std::time::Duration;

use anyhow::{Context, Result};

/// The kernel reports process times in hundredths of a second on every Linux that runs this.
const TICK: Duration = Duration::from_millis(10);

/// User and system time that `pid` has used so far, all threads together.
pub(crate) fn used(pid: u32) -> Result<Duration> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    // The second field is the program's name in brackets and may hold blanks: count from the last bracket.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = |index: usize| -> Result<u32> {
        fields
            .split_whitespace()
            .nth(index)
            .context("a field of /proc/<pid>/stat")?
            .parse()
            .context("a number")
    };
    Ok(TICK * (field(11)? + field(12)?))
}

/// Reads the CPU time of several processes before and after a piece of work.
#[derive(Debug)]
pub(crate) struct Meter {
    before: Vec<(String, u32, Duration)>,
}

impl Meter {
    /// Starts measuring the named processes.
    pub(crate) fn start(processes: &[(&str, u32)]) -> Result<Self> {
        let read = |(name, pid): &(&str, u32)| Ok(((*name).to_owned(), *pid, used(*pid)?));
        Ok(Self {
            before: processes.iter().map(read).collect::<Result<_>>()?,
        })
    }

    /// CPU microseconds per operation of each process since the start.
    pub(crate) fn per_operation(self, operations: u64) -> Result<Vec<(String, f64)>> {
        let per = |(name, pid, before): (String, u32, Duration)| -> Result<(String, f64)> {
            let spent = used(pid)?.saturating_sub(before);
            #[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^52")]
            Ok((name, spent.as_secs_f64() * 1e6 / operations.max(1) as f64))
        };
        self.before.into_iter().map(per).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    #[test]
    fn work_shows_as_cpu_time() {
        let meter = Meter::start(&[("self", std::process::id())]).unwrap();
        let mut sum = 0_u64;
        while used(std::process::id()).unwrap() < TICK * 5 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(used(std::process::id()).unwrap() >= TICK * 5);
        assert_eq!(meter.per_operation(1).unwrap().len(), 1);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(used(u32::MAX).is_err());
    }
}
