//! What a database must be able to do. Two can: SQLite and PostgreSQL; the same tests run over both.
//!
//! SQL is written once, in the dialect that both understand, with numbered parameters (`?1`). What they say differently has
//! a method here, and nobody asks which of them is underneath.

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::retention::{Month, Removed};
use crate::stats::Size;
use crate::tables::{Table, Values};
use crate::value::{Row, Value};

/// Asks inside one transaction, which sees one state.
pub(crate) trait Session {
    /// Calls `each` for every row of a short answer, until it breaks off.
    fn query(&self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<()>;

    /// The same for an answer of any length, of which only a part is in memory at a time.
    fn stream(&self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<()>;

    /// The database's clock, epoch milliseconds: one for all servers.
    fn time(&self) -> Result<i64>;

    /// How large it is.
    fn size(&self) -> Result<Size>;

    /// Looks at what only this database has: what was looked at, and what is wrong with it.
    fn examine(&self) -> Result<Vec<(&'static str, Option<String>)>>;
}

/// What is done with a row, and whether the next one is wanted.
pub(crate) type EachRow<'a> = dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>> + 'a;

/// Asks and changes inside one transaction.
pub(crate) trait Transaction: Session {
    /// Runs a statement and gives the number of rows it changed.
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize>;

    /// Runs a statement whose outcome nobody looks at, now or together with those after it: when it fails, what is asked next
    /// may fail in its place, at the latest [`Transaction::settle`].
    fn execute_later(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()>;

    /// Runs a statement, as [`Transaction::execute_later`] does, that must change something; otherwise `failed` is given
    /// [`Error::Absent`].
    fn change_one_later(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()>;

    /// Inserts one row, as [`Transaction::execute_later`] does, into a table whose triggers refuse before anything is changed.
    fn append(&self, row: &str, values: &[Value<'_>], failed: Failed) -> Result<()>;

    /// Sees to it, now or at the latest in [`Transaction::settle`], that a question has no answer; `failed` is given
    /// [`Error::Absent`] otherwise.
    fn refuse_if_any(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()>;

    /// Whether other servers may have to know of changes.
    fn is_shared(&self) -> bool;

    /// Leaves a row in `changes` that says what others have to know, and wakes them at the commit.
    fn announce(&self, body: String) -> Result<()>;

    /// Inserts many rows of a table.
    fn insert_rows(&self, table: &Table, rows: &[Values]) -> Result<()>;

    /// Makes room for certificates that end at a time (epoch milliseconds), where that has to be made.
    fn make_room(&self, not_after: i64) -> Result<()>;

    /// Removes certificates of a month with their revocations; see [`crate::retention::remove_certificates`].
    fn remove_certificates(&self, month: Month, most: u32) -> Result<Removed>;

    /// Does what was put off.
    fn settle(&self) -> Result<()>;

    /// Counts up with everything that is changed, and with whatever else must be undone.
    fn changes(&self) -> u64;

    /// Begins a part that can be undone alone. Parts do not lie within each other.
    fn begin_part(&self) -> Result<()>;

    /// Ends the part: keeps it, or undoes it.
    fn end_part(&self, is_kept: bool) -> Result<()>;

    /// Whether the database has ended the transaction by itself, so that nothing of any job is kept.
    fn is_lost(&self) -> bool;
}

/// What a failure of a statement that was put off means.
pub(crate) type Failed = fn(Error) -> Error;

/// The one connection that writes.
pub(crate) trait Writing: Send {
    /// Does something in a transaction that no other one runs beside, which is undone when it fails or gives nothing. After
    /// `Ok(Some(_))` all of it is durable.
    fn transaction(&mut self, run: &mut Run<'_>) -> Result<Option<u64>>;
}

/// What is done in a transaction; how many jobs it keeps.
pub(crate) type Run<'a> = dyn FnMut(&dyn Transaction) -> Result<Option<u64>> + 'a;
