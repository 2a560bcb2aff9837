//! Brings back tokens that were away when the keys are in this process, and says in the log when the health changes.

use std::time::Duration;

use crate::job::{Context, Job, Run};

pub(crate) const JOB: Job = Job {
    name: "token_health",
    every: Duration::from_secs(5),
    nudge: None,
    settle: Duration::ZERO,
    run,
};

fn run(context: Context) -> Run {
    Box::pin(async move {
        context.authority.signer().tend().await;
        let health = context.authority.health().await;
        let fatal: Vec<String> = health
            .problems
            .into_iter()
            .filter(|one| one.is_fatal)
            .map(|one| format!("{}: {}", one.code, one.message))
            .collect();
        if fatal.is_empty() {
            Ok(())
        } else {
            Err(fatal.join("; "))
        }
    })
}
