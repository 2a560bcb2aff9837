//! The runner: a task per job, and a task of its own for each run, so that a panic ends that run and nothing else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::JOBS;
use crate::audit_export::AuditExport;
use crate::audit_witness::AuditWitness;
use crate::job::{Context, Hooks, Job};

/// The pause after a first failure; it doubles with each further one, up to the job's own interval.
const RETRY: Duration = Duration::from_secs(2);

/// Runs all jobs until `cancel` is cancelled; returns when the runs under way have ended.
pub async fn run(authority: ca::Authority, hooks: Hooks, cancel: CancellationToken) {
    run_table(JOBS, Context { authority, hooks }, cancel).await;
}

/// Runs the jobs of a table, likewise.
pub async fn run_table(table: &[Job], context: Context, cancel: CancellationToken) {
    let mut tasks = JoinSet::new();
    for job in table {
        tasks.spawn(supervise(*job, context.clone(), cancel.clone()));
    }
    for export in &context.hooks.audit_exports {
        tasks.spawn(keep_exporting(
            Arc::clone(export),
            context.clone(),
            cancel.clone(),
        ));
    }
    for witness in &context.hooks.audit_witnesses {
        tasks.spawn(keep_asking(Arc::clone(witness), context.clone(), cancel.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

/// An export runs until the end; one that breaks off is begun again.
async fn keep_exporting(export: Arc<AuditExport>, context: Context, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let (export, context, until) = (Arc::clone(&export), context.clone(), cancel.clone());
        let run = async move { export.run(&context.authority, &until).await };
        if let Err(panic) = tokio::spawn(run).await {
            tracing::error!(%panic, "an audit export broke off and is begun again");
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// A witness is asked until the end, likewise.
async fn keep_asking(witness: Arc<AuditWitness>, context: Context, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let (witness, context, until) = (Arc::clone(&witness), context.clone(), cancel.clone());
        let run = async move { witness.run(&context.authority, &until).await };
        if let Err(panic) = tokio::spawn(run).await {
            tracing::error!(%panic, "asking a witness broke off and is begun again");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn supervise(job: Job, context: Context, cancel: CancellationToken) {
    let nudge = job.nudge.map(|nudge| nudge(&context));
    let mut failures = 0;
    while !cancel.is_cancelled() {
        failures = if run_once(job, context.clone()).await {
            0
        } else {
            failures + 1
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause(job, failures)) => {}
            () = nudged(nudge.as_ref()) => {
                tokio::select! {
                    // What was nudged for is in the store; the next start does it.
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(job.settle) => {}
                }
            }
        }
    }
}

/// One run; whether it succeeded.
async fn run_once(job: Job, context: Context) -> bool {
    match tokio::spawn((job.run)(context)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(job = job.name, error, "the job failed and is tried again");
            false
        }
        Err(panic) => {
            tracing::error!(job = job.name, %panic, "the job broke off and is tried again");
            false
        }
    }
}

fn pause(job: Job, failures: u32) -> Duration {
    match failures {
        0 => job.every,
        _ => RETRY.saturating_mul(1 << failures.min(10)).min(job.every),
    }
}

async fn nudged(nudge: Option<&Arc<Notify>>) {
    match nudge {
        Some(nudge) => nudge.notified().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crl_schedule;

    #[test]
    fn failures_are_tried_again_soon_and_then_less_often() {
        let job = crl_schedule::JOB;
        let pauses: Vec<Duration> = (0..8).map(|failures| pause(job, failures)).collect();
        assert_eq!(pauses.first(), Some(&job.every));
        assert_eq!(pauses.get(1), Some(&Duration::from_secs(4)));
        assert_eq!(pauses.get(2), Some(&Duration::from_secs(8)));
        assert_eq!(pauses.last(), Some(&job.every));
    }
}
