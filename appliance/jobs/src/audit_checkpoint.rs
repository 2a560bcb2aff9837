//! Looks after the audit log: new entries are signed, its files are written, and what was tampered with is found.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "audit_checkpoint",
    // How often that is done, the settings say; this is how exactly they are kept.
    every: Duration::from_secs(1),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        let outcome = context.authority.tend_audit_log().await;
        outcome.map(drop).map_err(|error| error.to_string())
    })
}
