//! Renews OCSP responders when half of their life is over.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "responder_renewal",
    every: Duration::from_mins(10),
    // Another server had the duty a moment ago.
    nudge: Some(|context| context.authority.responder_nudge()),
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let renewed = context
            .authority
            .renew_due_responders()
            .await
            .map_err(|error| error.to_string())?;
        tracing::debug!(renewed, "OCSP responders looked after");
        Ok(())
    })
}
