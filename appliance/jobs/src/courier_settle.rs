//! Settles orders of couriers that a crash left or nobody came for, and forgets sessions, challenges and counters whose time is over.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "courier_settle",
    every: Duration::from_mins(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let settled = context.authority.settle_courier_orders().await;
        settled.map(|_| ()).map_err(|error| error.to_string())
    })
}
