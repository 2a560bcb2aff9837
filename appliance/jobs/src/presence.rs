//! Says in the store that this server is there, so that the others leave its orders alone.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "presence",
    every: Duration::from_secs(5),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let outcome = context.authority.be_present().await;
        outcome.map_err(|error| error.to_string())
    })
}
