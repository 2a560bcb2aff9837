//! Where a run took place.

use std::fmt;

use serde::Serialize;

/// The machine.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    memory_mib: u64,
    kernel: String,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let line = |text: &str, name: &str| -> String {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found
                .unwrap_or_default()
                .trim_start_matches(['\t', ' ', ':'])
                .to_owned()
        };
        let memory = line(&read("/proc/meminfo"), "MemTotal");
        let memory: u64 = memory
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            .unwrap_or(0);
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: line(&read("/proc/cpuinfo"), "model name"),
            memory_mib: memory / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cores ({}), {} MiB of memory, Linux {}",
            self.cores, self.cpu, self.memory_mib, self.kernel
        )
    }
}
