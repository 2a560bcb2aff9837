//! The one writer, with group commit: whatever is waiting shares one transaction and one fsync.
//!
//! A failing job undoes only itself: when one fails that has changed something, all begin again, each in a savepoint of its
//! own, which costs too much for what nearly never happens. Nobody is answered before the commit, so an answer means
//! durable, and a failed commit means nothing of any job is kept. Jobs gather while the disk is busy with
//! the commit before. Besides, a job that says it is one of many at work waits, a little, until a fair share of those
//! has come; any other is committed at once, with whoever is there.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::crash_point::Commit;
use crate::db::{Transaction, Tx, Writing};
use crate::error::{Error, Result};
use crate::settings;

/// Most jobs that share a commit.
const BATCH: usize = 256;
/// A commit costs as much as several jobs, so it waits until one in so many has come of those who are at work. The others
/// keep the processors and the token busy meanwhile; so few of them that they could not do not wait at all.
const SHARE: usize = 2;
/// How long it waits at most.
const PATIENCE: Duration = Duration::from_millis(10);
/// Most jobs that wait; a caller beyond that waits to enqueue.
const QUEUE: usize = 4096;

/// How the writer is doing, since it started. Jobs per commit are `jobs / commits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Transactions committed.
    pub commits: u64,
    /// Jobs that are durable by them.
    pub jobs: u64,
    /// Jobs that failed and undid themselves, in transactions that were committed.
    pub undone: u64,
    /// Transactions that failed with every job in them.
    pub failures: u64,
    /// Most jobs that shared one transaction.
    pub largest: u64,
    /// Jobs waiting now.
    pub waiting: u64,
}

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicU64,
    jobs: AtomicU64,
    undone: AtomicU64,
    failures: AtomicU64,
    largest: AtomicU64,
}

/// The writer thread and its queue.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    counts: Arc<Counts>,
    company: Arc<Company>,
    thread: Option<JoinHandle<()>>,
}

/// What decides how long a commit waits.
#[derive(Debug, Default)]
struct Company {
    /// Those who are at work on something that ends with a patient job.
    at_work: AtomicUsize,
    /// Whether somebody waits who is not patient.
    is_urgent: AtomicBool,
}

impl Company {
    /// Whether a commit need not wait for more than so many jobs.
    fn suffices(&self, jobs: usize) -> bool {
        let share = self.at_work.load(Ordering::Relaxed).div_ceil(SHARE);
        jobs >= share.min(BATCH) || self.is_urgent.load(Ordering::Relaxed)
    }
}

/// Somebody at work on something that ends with a job, which may wait a little for those of others.
#[derive(Debug)]
pub struct AtWork(Arc<Company>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Writer {
    /// Starts the thread on the connection that writes.
    pub(crate) fn start(mut database: Box<dyn Writing>) -> Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let company = Arc::<Company>::default();
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread.spawn({
            let (counts, company) = (Arc::clone(&counts), Arc::clone(&company));
            move || serve(&mut *database, jobs, &counts, &company)
        });
        let thread = thread.map_err(|error| Error::Io(error.to_string()))?;
        Ok(Self {
            queue: Some(queue),
            counts,
            company,
            thread: Some(thread),
        })
    }

    /// Runs one job and waits for its commit; a job of somebody at work may wait for others.
    pub(crate) async fn run<T, F>(&self, job: F, at_work: Option<&AtWork>) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let pending = Box::new(Pending {
            job,
            result: None,
            answer,
        });
        let queue = self.queue.as_ref().ok_or(Error::Closed)?;
        queue.send(pending).await.map_err(|_| Error::Closed)?;
        // Said after it waits: at worst the commit after its own does not wait.
        if at_work.is_none() {
            self.company.is_urgent.store(true, Ordering::Relaxed);
        }
        // One job is in the writer's hand already.
        if self.company.suffices(queue.max_capacity() - queue.capacity() + 1)
            && let Some(writer) = &self.thread
        {
            writer.thread().unpark();
        }
        outcome.await.map_err(|_| Error::Closed)?
    }

    pub(crate) fn at_work(&self) -> AtWork {
        self.company.at_work.fetch_add(1, Ordering::Relaxed);
        AtWork(Arc::clone(&self.company))
    }

    pub(crate) fn counters(&self) -> Counters {
        let waiting = self
            .queue
            .as_ref()
            .map_or(0, |queue| queue.max_capacity() - queue.capacity());
        Counters {
            commits: self.counts.commits.load(Ordering::Relaxed),
            jobs: self.counts.jobs.load(Ordering::Relaxed),
            undone: self.counts.undone.load(Ordering::Relaxed),
            failures: self.counts.failures.load(Ordering::Relaxed),
            largest: self.counts.largest.load(Ordering::Relaxed),
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            // The last clone of a store may go inside one of its own jobs.
            && thread.thread().id() != std::thread::current().id()
        {
            // What was accepted is finished before the store closes; a panic there has been reported already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// A job on its way, whatever its result is.
trait Job: Send {
    /// Runs it, keeps its result in the place of one before, and says how it went.
    fn run(&mut self, tx: &Tx<'_>) -> Result<()>;
    /// Puts an error in the place of its result.
    fn refuse(&mut self, error: &Error);
    /// Tells the caller its result, or how the commit failed.
    fn answer(self: Box<Self>, commit: &Result<()>);
}

struct Pending<T, F> {
    job: F,
    result: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Pending<T, F>
where
    T: Send,
    F: FnMut(&Tx<'_>) -> Result<T> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Result<()> {
        // A job that panicked is not asked again: what it holds may be half-made. What it did to the store is undone.
        if matches!(self.result, Some(Err(Error::Panicked))) {
            return Err(Error::Panicked);
        }
        let job = &mut self.job;
        let result = catch_unwind(AssertUnwindSafe(|| job(tx))).unwrap_or(Err(Error::Panicked));
        let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
        self.result = Some(result);
        outcome
    }

    fn refuse(&mut self, error: &Error) {
        self.result = Some(Err(error.clone()));
    }

    fn answer(self: Box<Self>, commit: &Result<()>) {
        let outcome = match commit {
            Err(error) => Err(error.clone()),
            Ok(()) => self.result.unwrap_or(Err(Error::Closed)),
        };
        // A caller that went away needs no answer.
        let _ = self.answer.send(outcome);
    }
}

fn serve(
    database: &mut dyn Writing,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    counts: &Counts,
    company: &Company,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = jobs.blocking_recv() {
        batch.push(first);
        let until = Instant::now() + PATIENCE;
        while !company.suffices(jobs.len() + 1)
            && let Some(left) = until.checked_duration_since(Instant::now())
        {
            std::thread::park_timeout(left);
        }
        company.is_urgent.store(false, Ordering::Relaxed);
        while batch.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let size = batch.len() as u64;
        let outcome = commit(database, &mut batch);
        match &outcome {
            Ok(kept) => {
                counts.commits.fetch_add(1, Ordering::Relaxed);
                counts.jobs.fetch_add(*kept, Ordering::Relaxed);
                counts.undone.fetch_add(size - kept, Ordering::Relaxed);
                counts.largest.fetch_max(size, Ordering::Relaxed);
            }
            Err(_) => {
                counts.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        let outcome = outcome.map(drop);
        for job in batch.drain(..) {
            job.answer(&outcome);
        }
    }
}

/// Runs the jobs in one transaction; gives how many of them it keeps.
fn commit(database: &mut dyn Writing, jobs: &mut [Box<dyn Job>]) -> Result<u64> {
    let mut point = Commit::default();
    let kept = match database.transaction(&mut |transaction| run_plainly(transaction, jobs, &mut point))? {
        Some(kept) => kept,
        None => database
            .transaction(&mut |transaction| run_each(transaction, jobs, &mut point).map(Some))?
            .unwrap_or_default(),
    };
    point.after();
    Ok(kept)
}

/// Runs the jobs one after the other; nothing when one failed and has changed something, so that all must be undone.
fn run_plainly(
    transaction: &dyn Transaction,
    jobs: &mut [Box<dyn Job>],
    point: &mut Commit,
) -> Result<Option<u64>> {
    let tx = Tx::new(transaction);
    let mut kept = 0;
    point.begin();
    for job in jobs {
        let (before, told) = (tx.changes(), tx.told());
        match job.run(&tx) {
            outcome if transaction.is_lost() => return Err(lost(outcome)),
            Ok(()) => kept += 1,
            Err(_) if tx.changes() == before => {
                Commit::undoes(tx.touched());
                tx.untell(told);
            }
            Err(_) => return Ok(None),
        }
        point.keeps(tx.touched());
    }
    let finished = settings::finish(&tx).and_then(|()| tx.announce());
    match finished.and_then(|()| transaction.settle()) {
        outcome if transaction.is_lost() => Err(lost(outcome)),
        Ok(()) => {
            point.before();
            Ok(Some(kept))
        }
        // Whose statement it was shows when each has a part of its own.
        Err(_) => Ok(None),
    }
}

/// Runs each job in a part of its own; gives how many are kept.
fn run_each(transaction: &dyn Transaction, jobs: &mut [Box<dyn Job>], point: &mut Commit) -> Result<u64> {
    let tx = Tx::new(transaction);
    let mut kept = 0;
    point.begin();
    for job in jobs {
        let told = tx.told();
        transaction.begin_part()?;
        let outcome = job.run(&tx).and_then(|()| settings::finish(&tx));
        let outcome = outcome.and_then(|()| transaction.settle());
        if transaction.is_lost() {
            return Err(lost(outcome));
        }
        if let Err(error) = &outcome {
            job.refuse(error);
            tx.forget_kept();
            tx.untell(told);
            Commit::undoes(tx.touched());
        }
        point.keeps(tx.touched());
        transaction.end_part(outcome.is_ok())?;
        kept += u64::from(outcome.is_ok());
    }
    tx.announce()?;
    transaction.settle()?;
    point.before();
    Ok(kept)
}

/// Why a transaction is lost with all its jobs: by what one of them met.
fn lost(outcome: Result<()>) -> Error {
    let unknown = || Error::Internal("the transaction was rolled back under a job".to_owned());
    outcome.err().unwrap_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_half_of_those_at_work_and_for_nobody_when_it_is_urgent() {
        let company = Arc::new(Company::default());
        assert!(company.suffices(1));
        let join = || {
            company.at_work.fetch_add(1, Ordering::Relaxed);
            AtWork(Arc::clone(&company))
        };
        let mut all: Vec<AtWork> = (0..2).map(|_| join()).collect();
        assert!(company.suffices(1), "one of two");
        all.extend((0..7).map(|_| join()));
        assert!(!company.suffices(4) && company.suffices(5), "of nine");
        company.is_urgent.store(true, Ordering::Relaxed);
        assert!(company.suffices(1));
        company.is_urgent.store(false, Ordering::Relaxed);
        all.extend((0..3 * BATCH).map(|_| join()));
        assert!(
            !company.suffices(BATCH - 1) && company.suffices(BATCH),
            "more than fit"
        );
        drop(all);
        assert!(company.suffices(1), "all have gone");
    }
}
