//! Raises alarms about couriers: certificates that are in use nowhere, and couriers that are not heard of.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "courier_watch",
    every: Duration::from_mins(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let watched = context.authority.watch_couriers().await;
        watched.map(|_| ()).map_err(|error| error.to_string())
    })
}
