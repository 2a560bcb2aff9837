//! Looks how large the store is, for the metrics.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "store_size",
    every: Duration::from_hours(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let looked = context.authority.look_at_store_size().await;
        looked.map_err(|error| error.to_string())
    })
}
