//! Signs OCSP answers anew before those who ask often would have to wait.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "ocsp_refresh",
    every: Duration::from_mins(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let done = context
            .authority
            .refresh_ocsp()
            .await
            .map_err(|error| error.to_string())?;
        tracing::debug!(done.signed, done.failed, "OCSP answers in demand looked after");
        Ok(())
    })
}
