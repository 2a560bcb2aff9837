//! Has the appliance's own TLS certificate looked after by the edge that serves with it.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "tls_renewal",
    every: Duration::from_mins(10),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    match context.hooks.tls_renewal {
        Some(renew) => renew(),
        None => Box::pin(async { Ok(()) }),
    }
}
