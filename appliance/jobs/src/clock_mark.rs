//! Remembers the time in the store, so that a clock set back is noticed after a quiet day, too.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "clock_mark",
    every: Duration::from_mins(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        context
            .authority
            .mark_time()
            .await
            .map_err(|error| error.to_string())
    })
}
