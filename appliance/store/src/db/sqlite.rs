//! SQLite in WAL mode: one connection writes, readers stand beside it, each with a snapshot that no write disturbs.

mod open;

use std::fs::File;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::session::{EachRow, Failed, Run, Session, Transaction, Writing};
use crate::db::rule::PendingMigration;
use crate::error::{Error, Result};
use crate::retention::{Month, Removed};
use crate::stats::Size;
use crate::tables::{Table, Values};
use crate::value::{Cells, Row, Value};

pub use open::{is_store_file, lock};

/// The connections that read. The writing one is the last to close and leaves no write-ahead log behind.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    most_readers: usize,
}

/// The file beside the database, held open for its advisory lock.
pub(crate) type Lock = File;

impl Sqlite {
    /// For a store that this process alone writes to: what reads, what writes, and what must be held as long as that does.
    pub(crate) fn open(
        path: &Path,
        max_pages: Option<u32>,
        most_readers: usize,
    ) -> Result<(Self, Box<dyn Writing>, Lock)> {
        let (connection, lock) = open::for_writing(path, max_pages)?;
        let readers = Self {
            path: path.to_owned(),
            idle: Mutex::default(),
            most_readers,
        };
        Ok((readers, Box::new(Writer(connection)), lock))
    }

    /// For a store that is only read.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self> {
        let connection = open::for_reading(path)?;
        open::require_current_schema(&connection, path)?;
        Ok(Self {
            path: path.to_owned(),
            idle: Mutex::new(vec![connection]),
            most_readers: 1,
        })
    }

    /// Runs a job on one snapshot.
    pub(crate) fn read<T>(&self, job: impl FnOnce(&dyn Session) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::for_reading(&self.path)?,
        };
        connection.execute_batch("BEGIN")?;
        let outcome = job(&Open(&connection));
        connection.execute_batch("ROLLBACK")?;
        let mut idle = self.idle.lock();
        if idle.len() < self.most_readers {
            idle.push(connection);
        }
        outcome
    }
}

/// The version of the schema in a file, and that of this program.
pub(crate) fn schema_versions(path: &Path) -> Result<(i64, i64)> {
    open::versions(path)
}

/// The migrations after a version.
pub(crate) fn pending_migrations(found: i64) -> Vec<PendingMigration> {
    open::pending(found)
}

/// Whether a server has a file open for writing.
pub(crate) fn is_in_use(path: &Path) -> bool {
    open::is_in_use(path)
}

/// The version that this program knows.
pub(crate) fn known_schema() -> i64 {
    open::known_version()
}

/// The connection that writes.
struct Writer(Connection);

impl Writing for Writer {
    fn transaction(&mut self, run: &mut Run<'_>) -> Result<Option<u64>> {
        let connection = &self.0;
        order(connection, "BEGIN IMMEDIATE")?;
        let outcome = run(&Open(connection)).and_then(|kept| {
            if kept.is_some() {
                order(connection, "COMMIT")?;
            }
            Ok(kept)
        });
        if !matches!(outcome, Ok(Some(_))) && !connection.is_autocommit() {
            let undone = order(connection, "ROLLBACK");
            // When this fails after an error, the next BEGIN says so.
            return outcome.and_then(|kept| undone.map(|()| kept));
        }
        outcome
    }
}

/// A connection within a transaction.
#[derive(Clone, Copy)]
pub(crate) struct Open<'a>(pub(crate) &'a Connection);

impl Session for Open<'_> {
    fn query(&self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<()> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if each(&Row(Cells::Sqlite(row)))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn stream(&self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<()> {
        self.query(sql, values, each)
    }

    fn time(&self) -> Result<i64> {
        let now = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
        Ok(self.0.prepare_cached(now)?.query_row([], |row| row.get(0))?)
    }

    fn size(&self) -> Result<Size> {
        let number = |sql| self.0.query_row(sql, [], |row| row.get::<_, i64>(0));
        let page = number("PRAGMA page_size")?;
        let octets = |pages: i64| u64::try_from(pages.saturating_mul(page)).unwrap_or(0);
        let log = self.0.path().map(|path| format!("{path}-wal"));
        let log = log.and_then(|path| std::fs::metadata(path).ok());
        Ok(Size {
            octets: octets(number("PRAGMA page_count")?) + log.map_or(0, |log| log.len()),
            free: octets(number("PRAGMA freelist_count")?),
            tables: Vec::new(),
        })
    }

    fn examine(&self) -> Result<Vec<(&'static str, Option<String>)>> {
        let first = |sql| {
            let mut statement = self.0.prepare(sql)?;
            let mut rows = statement.query([])?;
            let first = rows.next()?.map(|row| row.get::<_, String>(0));
            Ok::<_, Error>(first.transpose()?)
        };
        let damaged = first("PRAGMA integrity_check(1)")?.filter(|said| said != "ok");
        let dangling = first("PRAGMA foreign_key_check")?;
        Ok(vec![
            (
                "the file is not damaged",
                damaged.map(|said| format!("{said}: restore the store from a backup")),
            ),
            (
                "what is referred to is there",
                dangling.map(|table| format!("not so in {table}: restore the store from a backup")),
            ),
        ])
    }
}

/// Nothing is put off: a statement costs no way to anybody.
impl Transaction for Open<'_> {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        let mut statement = self.0.prepare_cached(sql)?;
        Ok(statement.execute(rusqlite::params_from_iter(values))?)
    }

    fn execute_later(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.execute(sql, values).map(drop).map_err(failed)
    }

    fn change_one_later(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        match self.execute(sql, values) {
            Ok(0) => Err(failed(Error::Absent { what: String::new() })),
            outcome => outcome.map(drop).map_err(failed),
        }
    }

    /// FAIL undoes nothing that the statement did before, which here is nothing: so it needs no journal.
    fn append(&self, row: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.execute_later(&format!("INSERT OR FAIL INTO {row}"), values, failed)
    }

    fn refuse_if_any(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        let mut statement = self.0.prepare_cached(sql)?;
        if statement.exists(rusqlite::params_from_iter(values))? {
            return Err(failed(Error::Absent { what: String::new() }));
        }
        Ok(())
    }

    /// The lock beside the file sees to that.
    fn is_shared(&self) -> bool {
        false
    }

    fn announce(&self, _: String) -> Result<()> {
        Ok(())
    }

    fn insert_rows(&self, table: &Table, rows: &[Values]) -> Result<()> {
        let places: Vec<_> = (1..=table.columns.len())
            .map(|number| format!("?{number}"))
            .collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.name,
            table.column_list(),
            places.join(", ")
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        for row in rows {
            statement.execute(rusqlite::params_from_iter(row))?;
        }
        Ok(())
    }

    /// There is always room.
    fn make_room(&self, _: i64) -> Result<()> {
        Ok(())
    }

    fn remove_certificates(&self, month: Month, most: u32) -> Result<Removed> {
        let within = [month.first(), month.after(), i64::from(most)];
        let mut statement = self.0.prepare_cached(
            "SELECT id, issuer_id, serial FROM certificates WHERE not_after >= ?1 AND not_after < ?2 LIMIT ?3",
        )?;
        let found = statement
            .query_map(within, |row| {
                Ok((
                    row.get::<_, Vec<u8>>(0)?,
                    row.get::<_, Vec<u8>>(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                ))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut unmark = self
            .0
            .prepare_cached("DELETE FROM revocations WHERE issuer_id = ?1 AND serial = ?2")?;
        let mut remove = self.0.prepare_cached("DELETE FROM certificates WHERE id = ?1")?;
        for (id, issuer, serial) in &found {
            unmark.execute((issuer, serial))?;
            remove.execute([id])?;
        }
        let is_all = found.len() < usize::try_from(most).unwrap_or(usize::MAX);
        if is_all {
            // Those of serials without a certificate.
            let sql = "DELETE FROM revocations WHERE not_after >= ?1 AND not_after < ?2";
            self.0.execute(sql, [month.first(), month.after()])?;
        }
        Ok(Removed {
            certificates: found.len() as u64,
            is_all,
        })
    }

    fn settle(&self) -> Result<()> {
        Ok(())
    }

    fn changes(&self) -> u64 {
        self.0.total_changes()
    }

    fn begin_part(&self) -> Result<()> {
        order(self.0, "SAVEPOINT part")
    }

    fn end_part(&self, is_kept: bool) -> Result<()> {
        if !is_kept {
            order(self.0, "ROLLBACK TO part")?;
        }
        order(self.0, "RELEASE part")
    }

    /// A full or failing disk makes SQLite roll the whole transaction back by itself.
    fn is_lost(&self) -> bool {
        self.0.is_autocommit()
    }
}

fn order(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
