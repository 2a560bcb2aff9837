//! What starts the courier: a timer of systemd, a line for cron, a task of Windows.
//!
//! The texts are functions of the job. Installing puts them under a root, whole or not at all, and touches no file that was not made here.

mod cron;
mod install;
mod job;
mod systemd;
mod windows_task;

use std::time::Duration;

pub use cron::cron;
pub use install::{Installed, Removed, ScheduleFault, install, remove};
pub use job::{Job, JobFault};
pub use systemd::{Units, systemd};
pub use windows_task::windows_task;

/// How often a courier runs.
pub const INTERVAL: Duration = Duration::from_hours(12);
/// How much later than due it may start, at random, so that not all come at once.
const SPREAD: Duration = Duration::from_hours(1);
/// What the first line of every file says that is made here.
const MARK: &str = "Made by `courier schedule`";

/// How a job is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A timer of systemd and its service.
    Systemd,
    /// A file for cron.
    Cron,
    /// A task of Windows.
    WindowsTask,
}

#[cfg(test)]
mod tests;
