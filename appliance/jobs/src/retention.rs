//! Removes what is old enough.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "retention",
    every: Duration::from_hours(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let retained = context.authority.retain().await;
        retained.map(drop).map_err(|error| error.to_string())
    })
}
