//! The database underneath: SQLite in WAL mode. This file and its folder are the only ones that know a dialect.
//!
//! One connection writes, on a thread of its own; readers stand beside it, each with a snapshot that no write disturbs.

mod open;
mod transaction;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::crl_files::CrlFiles;
use crate::error::{Error, Result};
use crate::writer::{AtWork, Counters, Writer};

pub use transaction::{Reader, Tx};

/// Where the store is and how much it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The database file; its folder must exist.
    pub path: PathBuf,
    /// The most pages of 4096 octets the file may have; absent means no limit of its own.
    pub max_pages: Option<u32>,
    /// The most reading jobs that run at once; at least one.
    pub readers: usize,
}

impl StoreConfig {
    /// A store at a path, with eight readers and no limit of its own.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_pages: None,
            readers: 8,
        }
    }
}

/// The store. Cheap to clone; when the last clone goes, what was accepted is finished and the writer stops.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Dropped in this order: the writer's connection is the last to close and leaves no write-ahead log behind.
#[derive(Debug)]
struct Inner {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    most_readers: usize,
    turns: Arc<Semaphore>,
    writer: Option<Writer>,
    /// Held open for its advisory lock.
    _lock: Option<File>,
}

impl Store {
    /// Opens the store for writing, makes or migrates its schema, and starts its writer thread. A second process that tries
    /// is refused with [`Error::InUse`].
    pub fn open(config: &StoreConfig) -> Result<Self> {
        let (connection, lock) = open::for_writing(&config.path, config.max_pages)?;
        let writer = Writer::start(connection)?;
        Ok(Self::assemble(
            &config.path,
            config.readers,
            Some(writer),
            Some(lock),
        ))
    }

    /// Opens the store for reading only, beside a running server or without one.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let connection = open::for_reading(path)?;
        open::require_current_schema(&connection, path)?;
        let store = Self::assemble(path, 1, None, None);
        store.inner.idle.lock().push(connection);
        Ok(store)
    }

    fn assemble(path: &Path, readers: usize, writer: Option<Writer>, lock: Option<File>) -> Self {
        let most_readers = readers.clamp(1, Semaphore::MAX_PERMITS);
        let inner = Inner {
            path: path.to_owned(),
            idle: Mutex::default(),
            most_readers,
            turns: Arc::new(Semaphore::new(most_readers)),
            writer,
            _lock: lock,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Runs one all-or-nothing change. It is durable when this returns; on an error nothing of it is kept. A job that was
    /// queued runs even when its caller has stopped waiting. It may run a second time, its first run undone, when another
    /// one failed that was to be committed with it.
    ///
    /// After [`Error::Io`] a disk that failed in its last moment may hold the change all the same when the machine comes
    /// back: whoever must know looks again, as for a crash.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.writer()?.run(job, None).await
    }

    /// The same for somebody at work: the change may wait a few milliseconds, so that those of others share its commit.
    pub async fn write_at_work<T, F>(&self, at_work: &AtWork, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.writer()?.run(job, Some(at_work)).await
    }

    /// Says, until it is dropped, that somebody is at work on something that ends with [`Store::write_at_work`].
    pub fn at_work(&self) -> Result<AtWork> {
        Ok(self.writer()?.at_work())
    }

    fn writer(&self) -> Result<&Writer> {
        self.inner.writer.as_ref().ok_or(Error::ReadOnly)
    }

    /// Runs a reading job on a connection of its own, off the caller's thread.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    {
        let turn = Arc::clone(&self.inner.turns)
            .acquire_owned()
            .await
            .map_err(|_| Error::Closed)?;
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let outcome = store.read_here(job);
            drop(turn);
            outcome
        });
        task.await.map_err(|error| {
            if error.is_panic() {
                Error::Panicked
            } else {
                Error::Closed
            }
        })?
    }

    /// Runs a reading job on this thread; for programs without a runtime.
    pub fn read_here<T>(&self, job: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        let idle = self.inner.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::for_reading(&self.inner.path)?,
        };
        // One snapshot for the whole job.
        connection.execute_batch("BEGIN")?;
        let outcome = job(&Reader::new(&connection));
        connection.execute_batch("ROLLBACK")?;
        let mut idle = self.inner.idle.lock();
        if idle.len() < self.inner.most_readers {
            idle.push(connection);
        }
        outcome
    }

    /// The files of published CRLs.
    pub fn crl_files(&self) -> CrlFiles {
        CrlFiles::beside(&self.inner.path)
    }

    /// How the writer is doing; all zero for a store that is open for reading only.
    pub fn counters(&self) -> Counters {
        self.inner
            .writer
            .as_ref()
            .map(Writer::counters)
            .unwrap_or_default()
    }
}
