//! Thins out old checkpoints of the audit log.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "audit_trim",
    every: Duration::from_hours(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let trimmed = context.authority.trim_audit_checkpoints().await;
        let trimmed = trimmed.map_err(|error| error.to_string())?;
        tracing::debug!(trimmed, "old checkpoints of the audit log removed");
        Ok(())
    })
}
