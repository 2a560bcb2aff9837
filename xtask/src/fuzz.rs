//! `cargo xtask fuzz`: the fuzz targets of `fuzz/`, through its own script `fuzz/run`.

use anyhow::Result;

use crate::shell;

/// How long, how many at once, which.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds for each target.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Targets that run at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: u32,
    /// Targets; all of them when none is named.
    targets: Vec<String>,
}

impl Args {
    /// All targets, long enough to see that they build and that no seed fails.
    pub(crate) fn smoke() -> Self {
        Self {
            seconds: 3,
            jobs: 2,
            targets: Vec::new(),
        }
    }
}

/// Runs the targets and fails when one crashes.
pub(crate) fn run(args: &Args) -> Result<()> {
    let seconds = args.seconds.to_string();
    let jobs = args.jobs.to_string();
    let mut words = vec!["--seconds", &seconds, "--jobs", &jobs];
    words.extend(args.targets.iter().map(String::as_str));
    shell::run(shell::command("fuzz/run", &words)?)
}
