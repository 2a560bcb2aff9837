//! Signs OCSP answers for everything that is revoked, and removes ended answers from disk.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "ocsp_presign",
    every: Duration::from_hours(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let trimmed = context.authority.trim_ocsp().await;
        let done = context
            .authority
            .presign_revoked()
            .await
            .map_err(|error| error.to_string())?;
        tracing::debug!(
            trimmed,
            done.signed,
            done.fresh,
            done.failed,
            "OCSP answers signed ahead"
        );
        Ok(())
    })
}
