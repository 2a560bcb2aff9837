//! What a job works with: [`Reader`] to ask, [`Tx`] to ask and change. Both take SQL in the common dialect with numbered
//! parameters (`?1`) and plain [`Value`]s.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::{ControlFlow, Deref};

use super::session::{Failed, Session, Transaction};
use crate::changes::{Change, Told};
use crate::crash_point::Touched;
use crate::error::{Error, Result};
use crate::retention::{Month, Removed};
use crate::stats::Size;
use crate::tables::{Table, Values};
use crate::value::{Row, Value};

/// Reads inside one snapshot.
pub struct Reader<'a> {
    session: &'a dyn Session,
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
    pub(crate) fn new(session: &'a dyn Session) -> Self {
        Self {
            session,
            kept: RefCell::default(),
        }
    }

    /// The value of a key that is kept here.
    pub(crate) fn kept(&self, key: &str) -> Option<String> {
        let kept = self.kept.borrow();
        let found = kept.iter().find(|one| one.key == key);
        found.map(|one| one.value.clone())
    }

    /// The database's clock, epoch milliseconds: one for all servers that share it.
    pub fn database_time(&self) -> Result<i64> {
        self.session.time()
    }

    /// How large the database is.
    pub(crate) fn size(&self) -> Result<Size> {
        self.session.size()
    }

    /// What the database says of itself: what was looked at, and what is wrong with it.
    pub(crate) fn database_says(&self) -> Result<Vec<(&'static str, Option<String>)>> {
        self.session.examine()
    }

    /// Calls `each` for every row of the answer, without keeping them, until it breaks off.
    pub fn for_each_until(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.session.stream(sql, values, &mut each)
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
        self.session.query(sql, values, &mut |row| {
            found.push(read(row)?);
            Ok(ControlFlow::Continue(()))
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
        self.session.query(sql, values, &mut |row| {
            found = read.take().map(|read| read(row)).transpose()?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

/// Reads and writes inside one job.
pub struct Tx<'a> {
    reader: Reader<'a>,
    transaction: &'a dyn Transaction,
    /// How often a value was kept.
    kept_anew: Cell<u64>,
    /// What other servers have to know.
    told: RefCell<Vec<Told>>,
    touched: Touched,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(transaction: &'a dyn Transaction) -> Self {
        Self {
            reader: Reader::new(transaction),
            transaction,
            kept_anew: Cell::new(0),
            told: RefCell::default(),
            touched: Touched::default(),
        }
    }

    /// What was changed since somebody looked, where that is written down.
    pub(crate) fn touched(&self) -> &Touched {
        &self.touched
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
        self.transaction.changes() + self.kept_anew.get()
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

    /// Tells other servers of a change.
    pub(crate) fn tell(&self, change: Change) {
        if self.transaction.is_shared() {
            self.told.borrow_mut().push(Told { change, audit: 0 });
        }
    }

    /// Says to which audit entry belongs what was told since the one before.
    pub(crate) fn stamp(&self, audit: i64) {
        let mut told = self.told.borrow_mut();
        for one in told.iter_mut().rev().take_while(|one| one.audit == 0) {
            one.audit = audit;
        }
    }

    /// How much was told.
    pub(crate) fn told(&self) -> usize {
        self.told.borrow().len()
    }

    /// Takes back what was told after that much.
    pub(crate) fn untell(&self, after: usize) {
        self.told.borrow_mut().truncate(after);
    }

    /// Leaves what was told for the others, and wakes them at the commit.
    pub(crate) fn announce(&self) -> Result<()> {
        let told = self.told.take();
        if told.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_string(&told).map_err(|error| Error::Internal(error.to_string()))?;
        self.transaction.announce(body)
    }

    /// Runs a statement and gives the number of rows it changed.
    pub fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        self.touched.note(sql);
        self.transaction.execute(sql, values)
    }

    /// Runs a statement whose outcome nobody looks at. It may fail later, and the job with it.
    pub fn execute_later(&self, sql: &str, values: &[Value<'_>]) -> Result<()> {
        self.touched.note(sql);
        self.transaction.execute_later(sql, values, |error| error)
    }

    /// The same for a statement that must change something; otherwise `failed` is given [`Error::Absent`] and makes the error.
    pub(crate) fn change_one_later(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.touched.note(sql);
        self.transaction.change_one_later(sql, values, failed)
    }

    /// Inserts one row into a table without unique columns besides its key, whose triggers refuse before anything is changed:
    /// such an insert needs no journal to undo its part. It may fail later, and `failed` says what that means.
    pub(crate) fn append(&self, row: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.touched.note_table(row);
        self.transaction.append(row, values, failed)
    }

    /// Fails the job, now or later, when a question has an answer; `failed` makes the error.
    pub(crate) fn refuse_if_any(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.transaction.refuse_if_any(sql, values, failed)
    }

    /// Makes room for certificates that end at a time (epoch milliseconds).
    pub(crate) fn make_room(&self, not_after: i64) -> Result<()> {
        self.transaction.make_room(not_after)
    }

    /// Removes certificates of a month with their revocations.
    pub(crate) fn remove_certificates(&self, month: Month, most: u32) -> Result<Removed> {
        self.transaction.remove_certificates(month, most)
    }

    /// Inserts many rows of a table.
    pub(crate) fn insert_rows(&self, table: &Table, rows: &[Values]) -> Result<()> {
        self.touched.note_table(table.name);
        self.transaction.insert_rows(table, rows)
    }

    /// Runs a statement that must change something; otherwise `what` names what is [`Error::Absent`].
    pub fn change_one(&self, sql: &str, values: &[Value<'_>], what: impl FnOnce() -> String) -> Result<()> {
        match self.execute(sql, values)? {
            0 => Err(Error::Absent { what: what() }),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}
