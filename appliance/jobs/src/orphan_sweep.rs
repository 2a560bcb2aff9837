//! Settles intents that nothing works on any more: a certificate that could not be recorded because the disk was full.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "orphan_sweep",
    every: Duration::from_mins(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        context
            .authority
            .recover()
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    })
}
