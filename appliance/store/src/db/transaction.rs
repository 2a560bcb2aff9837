//! What a job works with: [`Reader`] to ask, [`Tx`] to ask and change. Both take SQL in the common dialect with numbered
//! parameters (`?1`) and plain [`Value`]s, so that the nouns' files need no other when a second database comes.

use std::cell::{Cell, RefCell};
use std::ops::{ControlFlow, Deref};

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::value::{Row, Value};

/// Reads inside one snapshot.
#[derive(Debug)]
pub struct Reader<'a> {
    connection: &'a Connection,
    /// Single values that the jobs of this transaction have set; nobody else's.
    kept: RefCell<Vec<Kept>>,
}

/// A single value in memory: nearly every job raises the clock's mark and moves the head of the audit log, and only what
/// the last one leaves is worth a statement.
#[derive(Clone, Debug)]
struct Kept {
    key: String,
    value: String,
    is_written: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            kept: RefCell::default(),
        }
    }

    /// The value of a key that is kept here.
    pub(crate) fn kept(&self, key: &str) -> Option<String> {
        let kept = self.kept.borrow();
        let found = kept.iter().find(|one| one.key == key);
        found.map(|one| one.value.clone())
    }

    /// Calls `each` for every row of the answer, without keeping them, until it breaks off.
    pub fn for_each_until(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if each(&Row(row))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` for every row of the answer, without keeping them.
    pub fn for_each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.for_each_until(sql, values, |row| each(row).map(ControlFlow::Continue))
    }

    /// All rows.
    pub fn all<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.for_each(sql, values, |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The first row.
    pub fn first<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        let mut read = Some(read);
        self.for_each_until(sql, values, |row| {
            found = read.take().map(|read| read(row)).transpose()?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }
}

/// Reads and writes inside one job.
#[derive(Debug)]
pub struct Tx<'a> {
    reader: Reader<'a>,
    /// How often a value was kept.
    kept_anew: Cell<u64>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self {
            reader: Reader::new(connection),
            kept_anew: Cell::new(0),
        }
    }

    /// Keeps the value of a key for the jobs after this one; `is_written` says that the database has it.
    pub(crate) fn keep(&self, key: &str, value: String, is_written: bool) {
        self.kept_anew.set(self.kept_anew.get() + 1);
        let mut kept = self.reader.kept.borrow_mut();
        match kept.iter_mut().find(|one| one.key == key) {
            Some(one) => (one.value, one.is_written) = (value, is_written),
            None => kept.push(Kept {
                key: key.to_owned(),
                value,
                is_written,
            }),
        }
    }

    /// Counts up with everything that is changed.
    pub(crate) fn changes(&self) -> u64 {
        self.reader.connection.total_changes() + self.kept_anew.get()
    }

    /// Writes what is only kept; `write` gets key and value.
    pub(crate) fn write_kept(&self, mut write: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
        for one in self
            .reader
            .kept
            .borrow_mut()
            .iter_mut()
            .filter(|one| !one.is_written)
        {
            write(&one.key, &one.value)?;
            one.is_written = true;
        }
        Ok(())
    }

    /// Forgets what is kept: the database may have gone back to what it was before.
    pub(crate) fn forget_kept(&self) {
        self.reader.kept.borrow_mut().clear();
    }

    /// Runs a statement and gives the number of rows it changed.
    pub fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        let mut statement = self.reader.connection.prepare_cached(sql)?;
        Ok(statement.execute(rusqlite::params_from_iter(values))?)
    }

    /// Inserts one row into a table without unique columns besides its key, whose triggers refuse before anything is changed:
    /// such an insert needs no journal to undo its part.
    pub(crate) fn append(&self, row: &str, values: &[Value<'_>]) -> Result<()> {
        self.execute(&format!("INSERT OR FAIL INTO {row}"), values)
            .map(|_| ())
    }

    /// Runs a statement that must change something; otherwise `what` names what is [`Error::Absent`].
    pub fn change_one(&self, sql: &str, values: &[Value<'_>], what: impl FnOnce() -> String) -> Result<()> {
        match self.execute(sql, values)? {
            0 => Err(Error::Absent { what: what() }),
            _ => Ok(()),
        }
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}
