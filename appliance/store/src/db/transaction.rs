//! What a job works with: [`Reader`] to ask, [`Tx`] to ask and change. Both take SQL in the common dialect with numbered
//! parameters (`?1`) and plain [`Value`]s, so that the nouns' files need no other when a second database comes.

use std::ops::{ControlFlow, Deref};

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::value::{Row, Value};

/// Reads inside one snapshot.
#[derive(Debug)]
pub struct Reader<'a> {
    connection: &'a Connection,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }

    /// Calls `each` for every row of the answer, without keeping them, until it breaks off.
    pub fn for_each_until(
        &self,
        sql: &str,
        values: &[Value],
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
        values: &[Value],
        mut each: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.for_each_until(sql, values, |row| each(row).map(ControlFlow::Continue))
    }

    /// All rows.
    pub fn all<T>(
        &self,
        sql: &str,
        values: &[Value],
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
        values: &[Value],
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
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self {
            reader: Reader::new(connection),
        }
    }

    /// Runs a statement and gives the number of rows it changed.
    pub fn execute(&self, sql: &str, values: &[Value]) -> Result<usize> {
        let mut statement = self.reader.connection.prepare_cached(sql)?;
        Ok(statement.execute(rusqlite::params_from_iter(values))?)
    }

    /// Runs a statement that must change something; otherwise `what` names what is [`Error::Absent`].
    pub fn change_one(&self, sql: &str, values: &[Value], what: impl FnOnce() -> String) -> Result<()> {
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
