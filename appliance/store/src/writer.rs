//! The one writer, with group commit: whatever is waiting shares one transaction and one fsync.
//!
//! Each job runs in a savepoint of its own, so a failing job undoes only itself; nobody is answered before the commit, so
//! an answer means durable, and a failed commit means nothing of any job is kept.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::db::Tx;
use crate::error::{Error, Result};

/// Most jobs that share a commit.
const BATCH: usize = 256;
/// Most jobs that wait; a caller beyond that waits to enqueue.
const QUEUE: usize = 4096;

/// Tells a job's caller how the commit went.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;
/// Runs a job, or only passes it by when there is no transaction to run it in: whether it succeeded, and how to answer.
type Job = Box<dyn FnOnce(Option<&Tx<'_>>) -> (bool, Answer) + Send>;

/// How the writer is doing, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Transactions committed.
    pub commits: u64,
    /// Jobs in them.
    pub jobs: u64,
    /// Commits that failed.
    pub failures: u64,
    /// Jobs waiting now.
    pub waiting: u64,
}

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicU64,
    jobs: AtomicU64,
    failures: AtomicU64,
}

/// The writer thread and its queue.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection that nobody else writes with.
    pub(crate) fn start(connection: Connection) -> Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread.spawn(move || serve(&connection, jobs, &shared));
        let thread = thread.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self { queue: Some(queue), counts, thread: Some(thread) })
    }

    /// Runs one job and waits for its commit.
    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        let gone = || Error::Unavailable("the writer has stopped".to_owned());
        let (answer, outcome) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = tx.map_or_else(|| Err(Error::Unavailable("the transaction was given up".to_owned())), job);
            let succeeded = result.is_ok();
            let finish: Answer = Box::new(move |commit| {
                // A caller that went away needs no answer.
                let _ = answer.send(commit.and(result));
            });
            (succeeded, finish)
        });
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(job).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }

    pub(crate) fn counters(&self) -> Counters {
        let waiting = self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity());
        Counters {
            commits: self.counts.commits.load(Ordering::Relaxed),
            jobs: self.counts.jobs.load(Ordering::Relaxed),
            failures: self.counts.failures.load(Ordering::Relaxed),
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // What was accepted is finished before the store closes; a panic there has been reported already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

fn serve(connection: &Connection, mut jobs: mpsc::Receiver<Job>, counts: &Counts) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = jobs.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        let size = batch.len() as u64;
        let (answers, commit) = commit(connection, batch.drain(..));
        match &commit {
            Ok(()) => {
                counts.commits.fetch_add(1, Ordering::Relaxed);
                counts.jobs.fetch_add(size, Ordering::Relaxed);
            }
            Err(_) => {
                counts.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        for answer in answers {
            answer(commit.clone());
        }
    }
}

/// Runs the jobs in one transaction.
fn commit(connection: &Connection, jobs: impl Iterator<Item = Job>) -> (Vec<Answer>, Result<()>) {
    let mut answers = Vec::new();
    let mut outcome = connection.execute_batch("BEGIN IMMEDIATE").map_err(Error::from);
    for job in jobs {
        if outcome.is_ok() {
            outcome = connection.execute_batch("SAVEPOINT job").map_err(Error::from);
        }
        let tx = Tx::new(connection);
        let (succeeded, answer) = job(outcome.is_ok().then_some(&tx));
        answers.push(answer);
        if outcome.is_err() {
            continue;
        }
        // A full disk makes SQLite roll the whole transaction back by itself.
        outcome = if connection.is_autocommit() {
            Err(Error::Full)
        } else {
            let end = if succeeded { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
            connection.execute_batch(end).map_err(Error::from)
        };
    }
    if outcome.is_ok() {
        outcome = connection.execute_batch("COMMIT").map_err(Error::from);
    }
    if outcome.is_err() && !connection.is_autocommit() {
        // When even this fails, the next BEGIN says so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    (answers, outcome)
}
