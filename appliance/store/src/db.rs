//! The database underneath, SQLite or PostgreSQL. This file and its folder are the only ones that know a dialect.
//!
//! One connection writes, on a thread of its own; readers stand beside it, each with a snapshot that no write disturbs.

mod postgres;
mod rule;
mod session;
mod sqlite;
mod transaction;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use crate::crl_files::CrlFiles;
use crate::error::{Error, Result};
use crate::servers::ServerSeen;
use crate::writer::{AtWork, Counters, Writer};
use postgres::Postgres;
use sqlite::Sqlite;

pub use postgres::{Credentials, PostgresConfig};
pub use rule::PendingMigration;
pub(crate) use session::{Transaction, Writing};
pub use sqlite::{is_store_file, lock as lock_file};
pub use transaction::{Reader, Tx};

/// Where the store is and how much it may use.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The database.
    pub location: Location,
    /// The folder of what is kept beside the database: the files of the CRLs. It must exist.
    pub folder: PathBuf,
    /// The most pages of 4096 octets a database file may have; absent means no limit of its own.
    pub max_pages: Option<u32>,
    /// The most reading jobs that run at once; at least one.
    pub readers: usize,
    /// Which of the servers this is that share the store; another one in every configuration that is not told.
    pub node: Uuid,
    /// What is held for as long as the store is open: the lock of a folder.
    pub hold: Option<Arc<File>>,
}

/// Which database it is.
#[derive(Clone, Debug)]
pub enum Location {
    /// An SQLite file, for one server; its folder must exist.
    File(PathBuf),
    /// A PostgreSQL database, which several servers may share.
    Server(Box<PostgresConfig>),
}

impl StoreConfig {
    /// An SQLite file, with eight readers and no limit of its own.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self {
            location: Location::File(path),
            folder,
            max_pages: None,
            readers: 8,
            node: Uuid::now_v7(),
            hold: None,
        }
    }

    /// A PostgreSQL database, with eight readers.
    pub fn on_server(server: PostgresConfig, folder: impl Into<PathBuf>) -> Self {
        Self {
            location: Location::Server(Box::new(server)),
            folder: folder.into(),
            max_pages: None,
            readers: 8,
            node: Uuid::now_v7(),
            hold: None,
        }
    }
}

/// The store. Cheap to clone; when the last clone goes, what was accepted is finished and the writer stops.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Dropped in this order: the connection that writes is the last to close.
#[derive(Debug)]
struct Inner {
    readers: Readers,
    turns: Arc<Semaphore>,
    node: Uuid,
    crl_files: CrlFiles,
    writer: Option<Writer>,
    /// What is held as long as there is a store.
    _lock: Option<sqlite::Lock>,
    _hold: Option<Arc<File>>,
}

/// How a job reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// In its turn, and every answer in time.
    Usual,
    /// In its turn, and as long as it takes.
    Long,
    /// On the connection of whoever follows other servers.
    Following,
}

/// The connections that read.
#[derive(Debug)]
enum Readers {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Store {
    /// Opens the store for writing, makes or migrates its schema, and starts its writer thread. A second process that tries
    /// the same file is refused with [`Error::InUse`]. Waits for the database: not to be called where others must go on.
    pub fn open(config: &StoreConfig) -> Result<Self> {
        let (readers, writing, lock) = match &config.location {
            Location::File(path) => {
                let (readers, writing, lock) = Sqlite::open(path, config.max_pages, config.readers)?;
                (Readers::Sqlite(readers), writing, Some(lock))
            }
            Location::Server(server) => {
                let (readers, writing) = Postgres::open(server, config.readers, config.node)?;
                (Readers::Postgres(Box::new(readers)), writing, None)
            }
        };
        let writer = Writer::start(writing)?;
        Ok(Self::assemble(config, readers, Some(writer), lock))
    }

    /// Opens the store for serving: as [`Store::open`], but not one into which a copy or a restore has not been finished.
    pub async fn open_whole(config: &StoreConfig) -> Result<Self> {
        let store = Self::open(config)?;
        if let Some(unfinished) = store.read(crate::restore::unfinished).await? {
            return Err(Error::Rejected(unfinished));
        }
        if store.read(crate::copy::is_unfinished).await? {
            return Err(Error::Rejected(
                "a copy into it broke off: run `chancery store copy` again, or empty it".to_owned(),
            ));
        }
        Ok(store)
    }

    /// The version of the schema that is there, 0 when there is none, and that of this program.
    pub fn schema_versions(config: &StoreConfig) -> Result<(i64, i64)> {
        match &config.location {
            Location::File(path) => sqlite::schema_versions(path),
            Location::Server(server) => Postgres::schema_versions(server),
        }
    }

    /// The migrations that a schema of this version lacks.
    pub fn pending_migrations(config: &StoreConfig, found: i64) -> Vec<PendingMigration> {
        match &config.location {
            Location::File(_) => sqlite::pending_migrations(found),
            Location::Server(_) => Postgres::pending_migrations(found),
        }
    }

    /// The servers that are at work on it now, whatever its schema; of a file, whether there is one.
    pub fn servers(config: &StoreConfig) -> Result<Vec<ServerSeen>> {
        match &config.location {
            Location::File(path) => {
                let one = || ServerSeen {
                    node: Uuid::nil(),
                    program: None,
                    schema: None,
                };
                Ok(sqlite::is_in_use(path).then(one).into_iter().collect())
            }
            Location::Server(server) => Postgres::servers(server),
        }
    }

    /// The version of the schema that this program knows.
    pub fn known_schema(&self) -> i64 {
        match self.inner.readers {
            Readers::Sqlite(_) => sqlite::known_schema(),
            Readers::Postgres(_) => Postgres::known_schema(),
        }
    }

    /// Opens the store for reading only, beside a running server or without one.
    pub fn open_read_only(config: &StoreConfig) -> Result<Self> {
        let readers = match &config.location {
            Location::File(path) => Readers::Sqlite(Sqlite::open_read_only(path)?),
            Location::Server(server) => Readers::Postgres(Box::new(Postgres::open_read_only(server)?)),
        };
        Ok(Self::assemble(config, readers, None, None))
    }

    fn assemble(
        config: &StoreConfig,
        readers: Readers,
        writer: Option<Writer>,
        lock: Option<sqlite::Lock>,
    ) -> Self {
        let inner = Inner {
            readers,
            turns: Arc::new(Semaphore::new(config.readers.clamp(1, Semaphore::MAX_PERMITS))),
            node: config.node,
            crl_files: CrlFiles::within(&config.folder),
            writer,
            _lock: lock,
            _hold: config.hold.clone(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Runs one all-or-nothing change. It is durable when this returns; on an error nothing of it is kept. A job that was
    /// queued runs even when its caller has stopped waiting. It may run a second time, its first run undone, when another
    /// one failed that was to be committed with it.
    ///
    /// After [`Error::Io`] or [`Error::Unreachable`] a database that failed in the last moment may hold the change all the
    /// same when it comes back: whoever must know looks again, as for a crash.
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
        self.read_as(Reading::Usual, job).await
    }

    /// The same for a job that may take as long as it takes, as one that looks at every row: an answer of the database is waited
    /// for until the connection is gone.
    pub async fn read_long<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    {
        self.read_as(Reading::Long, job).await
    }

    /// The same for whoever follows the changes of other servers, and waits for no other reader. One such job at a time.
    pub async fn read_following<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    {
        self.read_as(Reading::Following, job).await
    }

    async fn read_as<T, F>(&self, how: Reading, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    {
        let turn = match how {
            Reading::Following => None,
            _ => Some(
                Arc::clone(&self.inner.turns)
                    .acquire_owned()
                    .await
                    .map_err(|_| Error::Closed)?,
            ),
        };
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let outcome = store.read_on_this_thread(how, job);
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

    /// Runs a reading job on this thread, which waits for it: not one that drives a runtime. It may take as long as it takes.
    pub fn read_here<T>(&self, job: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.read_on_this_thread(Reading::Long, job)
    }

    fn read_on_this_thread<T>(&self, how: Reading, job: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        match &self.inner.readers {
            Readers::Sqlite(readers) => readers.read(|session| job(&Reader::new(session))),
            Readers::Postgres(readers) => readers.read(how, |session| job(&Reader::new(session))),
        }
    }

    /// Whether another server goes by the name of this one by now: it must not go on.
    pub fn is_node_taken(&self) -> bool {
        match &self.inner.readers {
            Readers::Sqlite(_) => false,
            Readers::Postgres(readers) => readers.is_node_taken(),
        }
    }

    /// Which of the servers this is that share the store.
    pub fn node(&self) -> Uuid {
        self.inner.node
    }

    /// Whether other servers may share the store.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.readers, Readers::Postgres(_))
    }

    /// What is notified when a server has left a change; never in a store that is not shared. To be asked for once.
    pub fn listen(&self) -> Result<Arc<Notify>> {
        let wake = Arc::new(Notify::new());
        if let Readers::Postgres(readers) = &self.inner.readers {
            readers.listen(Arc::clone(&wake))?;
        }
        Ok(wake)
    }

    /// The files of published CRLs.
    pub fn crl_files(&self) -> CrlFiles {
        self.inner.crl_files.clone()
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
