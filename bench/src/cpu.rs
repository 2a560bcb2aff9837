//! CPU time and memory of processes, from `/proc`: what survives on a machine whose wall clock is noisy.

use std::time::Duration;

use anyhow::{Context, Result};

/// The kernel reports process times in hundredths of a second on every Linux that runs this.
const TICK: Duration = Duration::from_millis(10);

/// Processes that are measured as one, for example a server and its workers.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) pids: Vec<u32>,
}

impl Group {
    pub(crate) fn new(name: &str, pids: Vec<u32>) -> Self {
        Self {
            name: name.to_owned(),
            pids,
        }
    }

    /// This process.
    pub(crate) fn here(name: &str) -> Self {
        Self::new(name, vec![std::process::id()])
    }

    fn used(&self) -> Result<Duration> {
        self.pids.iter().map(|pid| used(*pid)).sum()
    }
}

/// User and system time that `pid` has used so far, all threads together.
pub(crate) fn used(pid: u32) -> Result<Duration> {
    let fields = times(pid)?;
    Ok(TICK * (fields[0] + fields[1]))
}

/// User and system time of all children of this process that have ended.
pub(crate) fn used_by_children() -> Result<Duration> {
    let fields = times(std::process::id())?;
    Ok(TICK * (fields[2] + fields[3]))
}

/// User and system time of a process, and those of its children that have ended, in ticks.
fn times(pid: u32) -> Result<[u32; 4]> {
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
    Ok([field(11)?, field(12)?, field(13)?, field(14)?])
}

/// A process and everything it started.
pub(crate) fn family(pid: u32) -> Result<Vec<u32>> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        for task in std::fs::read_dir(format!("/proc/{parent}/task"))? {
            let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|word| word.parse::<u32>().ok()),
            );
        }
    }
    Ok(found)
}

/// Memory that a process has in use, in octets.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    status(pid, "VmRSS:")
}

/// The most memory that a process had in use since [`forget_peak`], in octets.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    status(pid, "VmHWM:")
}

/// Begins a new measurement of the peak.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting the peak of memory")
}

fn status(pid: u32, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes: u64 = line
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("{name} of process {pid}"))?
        .parse()?;
    Ok(kibibytes * 1024)
}

/// Reads the CPU time of several groups before and after a piece of work.
#[derive(Debug)]
pub(crate) struct Meter {
    before: Vec<(Group, Duration)>,
}

impl Meter {
    /// Starts measuring the groups.
    pub(crate) fn start(groups: &[Group]) -> Result<Self> {
        let read = |group: &Group| Ok((group.clone(), group.used()?));
        Ok(Self {
            before: groups.iter().map(read).collect::<Result<_>>()?,
        })
    }

    /// CPU time of each group since the start.
    pub(crate) fn spent(self) -> Result<Vec<(String, Duration)>> {
        let spent = |(group, before): (Group, Duration)| {
            let now = group.used()?;
            Ok((group.name, now.saturating_sub(before)))
        };
        self.before.into_iter().map(spent).collect()
    }

    /// CPU microseconds per operation of each group since the start.
    pub(crate) fn per_operation(self, operations: u64) -> Result<Vec<(String, f64)>> {
        #[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^52")]
        let per =
            |(name, spent): (String, Duration)| (name, spent.as_secs_f64() * 1e6 / operations.max(1) as f64);
        Ok(self.spent()?.into_iter().map(per).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    #[test]
    fn work_shows_as_cpu_time() {
        let meter = Meter::start(&[Group::here("self")]).unwrap();
        let mut sum = 0_u64;
        while used(std::process::id()).unwrap() < TICK * 5 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let spent = meter.per_operation(1).unwrap();
        assert!(
            spent.len() == 1 && spent.iter().all(|(_, us)| *us >= 10_000.0),
            "{spent:?}"
        );
    }

    #[test]
    fn memory_is_in_octets() {
        let here = std::process::id();
        forget_peak(here).unwrap();
        let _kept = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(memory(here).unwrap() >= 32 << 20);
        assert!(peak_memory(here).unwrap() >= 32 << 20);
    }

    #[test]
    fn children_belong_to_the_family() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let known = family(std::process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(known.contains(&child.id()), "{known:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(used(u32::MAX).is_err());
    }
}
