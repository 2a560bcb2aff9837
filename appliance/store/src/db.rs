//! The database underneath: SQLite in WAL mode. The only file that knows a dialect.

use std::fs::{File, OpenOptions};
use std::ops::Deref;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, Result};
use crate::value::{Row, Value};
use crate::writer::{Counters, Writer};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Where the store is and how large it may grow.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The database file; its folder must exist.
    pub path: PathBuf,
    /// The most pages of 4096 octets the file may have; absent means no limit of its own.
    pub max_pages: Option<u32>,
}

/// The store. Cheap to clone; the writer stops when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Option<Writer>,
    readers: Mutex<Vec<Connection>>,
    /// Held open for its advisory lock.
    _lock: Option<File>,
}

impl Store {
    /// Opens the store for writing, makes or migrates its schema, and starts its writer thread. A second process that tries
    /// is refused with [`Error::InUse`].
    pub fn open(config: &StoreConfig) -> Result<Self> {
        let lock = lock(&config.path)?;
        let mut connection = connect(&config.path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        std::fs::set_permissions(&config.path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| unusable(&config.path, &error.to_string()))?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(unusable(&config.path, "its file system does not allow write-ahead logging"));
        }
        connection.execute_batch("PRAGMA synchronous = FULL")?;
        migrate(&mut connection)?;
        if let Some(pages) = config.max_pages {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        let inner = Inner {
            path: config.path.clone(),
            writer: Some(Writer::start(connection)?),
            readers: Mutex::default(),
            _lock: Some(lock),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the store for reading only, beside a running server or without one.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.query_row("SELECT count(*) FROM settings", [], |_| Ok(()))?;
        let inner =
            Inner { path: path.to_owned(), writer: None, readers: Mutex::new(vec![connection]), _lock: None };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs one all-or-nothing change. It is durable when this returns; on an error nothing of it is kept.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        let writer = self.inner.writer.as_ref().ok_or_else(|| Error::Unavailable("it is open for reading only".into()))?;
        writer.run(job).await
    }

    /// Runs a reading job on a connection of its own, off the caller's thread.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || store.read_here(job));
        task.await.map_err(|error| Error::Unavailable(error.to_string()))?
    }

    /// Runs a reading job on this thread; for programs without a runtime.
    pub fn read_here<T>(&self, job: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        let pooled = self.inner.readers.lock().pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => connect(&self.inner.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        // One snapshot for the whole job.
        connection.execute_batch("BEGIN")?;
        let outcome = job(&Reader { connection: &connection });
        connection.execute_batch("ROLLBACK")?;
        self.inner.readers.lock().push(connection);
        outcome
    }

    /// How the writer is doing.
    pub fn counters(&self) -> Counters {
        self.inner.writer.as_ref().map(Writer::counters).unwrap_or_default()
    }
}

/// Reads inside one snapshot.
#[derive(Debug)]
pub struct Reader<'a> {
    connection: &'a Connection,
}

impl Reader<'_> {
    /// Calls `each` for every row of the answer, without keeping them.
    pub fn for_each(&self, sql: &str, values: &[Value], mut each: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            each(&Row(row))?;
        }
        Ok(())
    }

    /// All rows.
    pub fn all<T>(&self, sql: &str, values: &[Value], mut read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.for_each(sql, values, |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The first row.
    pub fn first<T>(&self, sql: &str, values: &[Value], read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
        Ok(self.all(sql, values, read)?.into_iter().next())
    }
}

/// Reads and writes inside one job.
#[derive(Debug)]
pub struct Tx<'a> {
    reader: Reader<'a>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { reader: Reader { connection } }
    }

    /// Runs a statement and gives the number of rows it changed.
    pub fn execute(&self, sql: &str, values: &[Value]) -> Result<usize> {
        let mut statement = self.reader.connection.prepare_cached(sql)?;
        Ok(statement.execute(rusqlite::params_from_iter(values))?)
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| unusable(path, &error.to_string()))?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// An advisory lock beside the file, so that two servers cannot write to one store. The kernel drops it with the process.
fn lock(path: &Path) -> Result<File> {
    let name = path.with_extension("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&name);
    let file = file.map_err(|error| unusable(&name, &error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse(path.display().to_string())),
        Err(std::fs::TryLockError::Error(error)) => Err(unusable(&name, &error.to_string())),
    }
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations().iter().map(|one| i64::from(one.version())).max().unwrap_or(0);
    let has_history = "SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'";
    if connection.query_row(has_history, [], |row| row.get::<_, i64>(0))? > 0 {
        let found = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
        let found: i64 = connection.query_row(found, [], |row| row.get(0))?;
        if found > known {
            return Err(Error::NewerSchema { found, known });
        }
    }
    runner.run(connection).map_err(|error| Error::Unavailable(error.to_string()))?;
    Ok(())
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::Unavailable(format!("{}: {why}", path.display()))
}
