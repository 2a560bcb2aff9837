//! Forgets changes that every server has taken over long ago.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "changes_trim",
    every: Duration::from_hours(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let trimmed = context
            .authority
            .trim_changes()
            .await
            .map_err(|error| error.to_string())?;
        tracing::debug!(trimmed, "changes forgotten");
        Ok(())
    })
}
