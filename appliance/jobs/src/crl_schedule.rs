//! Publishes CRLs on schedule, and soon after a revocation.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "crl_schedule",
    every: Duration::from_mins(1),
    nudge: Some(|context| context.authority.crl_nudge()),
    // With the making of it, a revocation is on the list within two seconds.
    settle: Duration::from_millis(500),
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let published = context
            .authority
            .publish_due_crls()
            .await
            .map_err(|error| error.to_string())?;
        tracing::debug!(published, "CRLs looked after");
        Ok(())
    })
}
