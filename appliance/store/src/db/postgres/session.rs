//! What a job asks of a connection within a transaction.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::runtime::{Handle, Runtime};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connect::{answered, answered_within};
use super::months::Months;
use super::pending::{self, Expectation, Pending};
use super::refusal::READ_ONLY;
use super::rows;
use crate::db::session::{EachRow, Failed, Session, Transaction};
use crate::error::{Error, Result};
use crate::retention::{Month, Removed};
use crate::stats::Size;
use crate::tables::{Table, Values};
use crate::value::{Cells, Row, Value};

/// How long nothing may go on in a transaction that writes: all others wait for it.
pub(super) const MOST_IDLE: Duration = Duration::from_secs(3);
/// The same for one that reads.
pub(super) const MOST_IDLE_READING: Duration = Duration::from_mins(2);
/// What servers listen to.
pub(super) const CHANNEL: &str = "chancery_changes";
/// Rows of a long answer that are in memory at a time.
const PAGE: i32 = 4096;

/// A snapshot.
pub(super) struct Snapshot<'a> {
    handle: &'a Handle,
    transaction: deadpool_postgres::Transaction<'a>,
    /// How long an answer may take; as long as it takes when there is no limit.
    patience: Option<Duration>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(
        handle: &'a Handle,
        transaction: deadpool_postgres::Transaction<'a>,
        patience: Option<Duration>,
    ) -> Self {
        Self {
            handle,
            transaction,
            patience,
        }
    }

    fn wait<T>(
        &self,
        answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.handle.block_on(answered_within(self.patience, answer))
    }

    pub(super) fn end(self) -> Result<()> {
        self.handle.block_on(answered(self.transaction.rollback()))
    }
}

impl Session for Snapshot<'_> {
    fn time(&self) -> Result<i64> {
        time(self)
    }

    fn size(&self) -> Result<Size> {
        size(self)
    }

    fn examine(&self) -> Result<Vec<(&'static str, Option<String>)>> {
        examine(self)
    }

    fn query(&self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<()> {
        let asking = async {
            let statement = self.transaction.prepare_cached(&numbered(sql)).await?;
            self.transaction.query(&statement, &parameters(values)).await
        };
        let rows = self.wait(asking)?;
        hand_out(&rows, each).map(drop)
    }

    fn stream(&self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<()> {
        let binding = async {
            let statement = self.transaction.prepare_cached(&numbered(sql)).await?;
            self.transaction.bind(&statement, &parameters(values)).await
        };
        let portal = self.wait(binding)?;
        loop {
            let page = self.transaction.query_portal(&portal, PAGE);
            let rows = self.wait(page)?;
            if hand_out(&rows, each)?.is_break() || i32::try_from(rows.len()).is_ok_and(|rows| rows < PAGE) {
                return Ok(());
            }
        }
    }
}

/// What has to be set for that a commit is on the disk, and what is said otherwise.
const DURABLE: [(&str, &str, &str); 2] = [
    (
        "fsync",
        "a commit is on the disk",
        "fsync is off: set it to on in postgresql.conf, else a power failure may destroy the database",
    ),
    (
        "full_page_writes",
        "pages are written as a whole",
        "full_page_writes is off: set it to on in postgresql.conf, else a power failure may destroy the database",
    ),
];

fn time(session: &dyn Session) -> Result<i64> {
    let mut now = 0;
    let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
    session.query(sql, &[], &mut |row| {
        now = row.int(0)?;
        Ok(std::ops::ControlFlow::Break(()))
    })?;
    Ok(now)
}

/// The months' tables count to the one that they are parts of.
fn size(session: &dyn Session) -> Result<Size> {
    const TABLES: &str = "SELECT CAST(coalesce(parent.relname, own.relname) AS TEXT), \
        CAST(sum(pg_total_relation_size(own.oid)) AS BIGINT) FROM pg_class AS own \
        LEFT JOIN pg_inherits ON inhrelid = own.oid LEFT JOIN pg_class AS parent ON parent.oid = inhparent \
        WHERE own.relkind = 'r' AND own.relnamespace = CAST(current_schema() AS regnamespace) GROUP BY 1";
    let octets = |octets: i64| u64::try_from(octets).unwrap_or(0);
    let mut size = Size::default();
    session.query("SELECT pg_database_size(current_database())", &[], &mut |row| {
        size.octets = octets(row.int(0)?);
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    session.query(TABLES, &[], &mut |row| {
        size.tables.push((row.text(0)?, octets(row.int(1)?)));
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(size)
}

fn examine(session: &dyn Session) -> Result<Vec<(&'static str, Option<String>)>> {
    let setting = |name: &str| {
        let mut value = String::new();
        session.query("SELECT current_setting(?1)", &[name.into()], &mut |row| {
            value = row.text(0)?;
            Ok(std::ops::ControlFlow::Break(()))
        })?;
        Ok::<_, Error>(value)
    };
    let mut found = Vec::new();
    for (name, what, problem) in DURABLE {
        found.push((what, (setting(name)? == "off").then(|| problem.to_owned())));
    }
    Ok(found)
}

/// The transaction that changes something. Statements whose outcome nobody looks at gather until something is asked.
pub(super) struct Changing<'a> {
    runtime: &'a Runtime,
    client: &'a ClientWrapper,
    node: Uuid,
    months: &'a Months,
    pending: RefCell<Vec<Pending>>,
    changes: Cell<u64>,
    /// A statement failed, and the database runs no other until the part or the transaction is undone.
    is_spoilt: Cell<bool>,
    is_lost: Cell<bool>,
}

impl<'a> Changing<'a> {
    pub(super) fn new(
        runtime: &'a Runtime,
        client: &'a ClientWrapper,
        node: Uuid,
        months: &'a Months,
    ) -> Self {
        Self {
            runtime,
            client,
            node,
            months,
            pending: RefCell::default(),
            changes: Cell::new(0),
            is_spoilt: Cell::new(false),
            is_lost: Cell::new(false),
        }
    }

    /// Waits for an answer, after what was put off, and notes what a failure means for the transaction.
    fn ask<T>(
        &self,
        asking: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.settle()?;
        self.noted(self.runtime.block_on(answered(asking)))
    }

    fn noted<T>(&self, outcome: Result<T>) -> Result<T> {
        // The server became a standby: another one may have taken its place.
        let outcome = outcome.map_err(|error| match error {
            Error::ReadOnly => Error::Unreachable(READ_ONLY.to_owned()),
            other => other,
        });
        match &outcome {
            Ok(_) => {}
            Err(Error::Unreachable(_)) => self.is_lost.set(true),
            Err(_) => {
                self.is_spoilt.set(true);
                self.count(1);
            }
        }
        outcome
    }

    fn count(&self, changes: u64) {
        self.changes.set(self.changes.get() + changes);
    }

    fn put_off(&self, sql: &str, values: &[Value<'_>], expectation: Expectation, failed: Failed) {
        self.pending.borrow_mut().push(Pending {
            sql: numbered(sql),
            values: values.iter().cloned().map(Value::into_owned).collect(),
            expectation,
            failed,
        });
    }
}

impl Session for Changing<'_> {
    fn time(&self) -> Result<i64> {
        time(self)
    }

    fn size(&self) -> Result<Size> {
        size(self)
    }

    fn examine(&self) -> Result<Vec<(&'static str, Option<String>)>> {
        examine(self)
    }

    fn query(&self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<()> {
        let rows = self.ask(async {
            let statement = self.client.prepare_cached(&numbered(sql)).await?;
            self.client.query(&statement, &parameters(values)).await
        })?;
        hand_out(&rows, each).map(drop)
    }

    /// Whoever changes something reads little.
    fn stream(&self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<()> {
        self.query(sql, values, each)
    }
}

impl Transaction for Changing<'_> {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        let changed = self.ask(async {
            let statement = self.client.prepare_cached(&numbered(sql)).await?;
            self.client.execute(&statement, &parameters(values)).await
        })?;
        self.count(changed);
        usize::try_from(changed).map_err(|error| Error::Internal(error.to_string()))
    }

    fn execute_later(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.count(1);
        self.put_off(sql, values, Expectation::Nothing, failed);
        Ok(())
    }

    fn change_one_later(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.count(1);
        self.put_off(sql, values, Expectation::AChange, failed);
        Ok(())
    }

    fn append(&self, row: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.execute_later(&format!("INSERT INTO {row}"), values, failed)
    }

    fn refuse_if_any(&self, sql: &str, values: &[Value<'_>], failed: Failed) -> Result<()> {
        self.put_off(sql, values, Expectation::NoRow, failed);
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn announce(&self, body: String) -> Result<()> {
        let sql =
            "INSERT INTO changes (seq, node, at, body) SELECT coalesce(max(seq), 0) + 1, CAST(?1 AS UUID),
            CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), ?2 FROM changes";
        self.execute_later(sql, &[self.node.into(), body.into()], |error| error)?;
        let wake = format!("SELECT pg_notify('{CHANNEL}', '')");
        self.execute_later(&wake, &[], |error| error)
    }

    fn insert_rows(&self, table: &Table, rows: &[Values]) -> Result<()> {
        if let Some(column) = table.month {
            let ends = rows.iter().filter_map(|row| match row.get(column) {
                Some(Value::Int(end)) => Month::of(*end),
                _ => None,
            });
            let months: HashSet<i64> = ends.map(Month::first).collect();
            months.into_iter().try_for_each(|month| self.make_room(month))?;
        }
        self.ask(rows::copy_in(self.client, table, rows))?;
        self.count(rows.len() as u64);
        Ok(())
    }

    fn make_room(&self, not_after: i64) -> Result<()> {
        self.months.make(self, not_after)
    }

    fn remove_certificates(&self, month: Month, _: u32) -> Result<Removed> {
        let mut certificates = 0;
        let bounds = [month.first().into(), month.after().into()];
        self.query("SELECT drop_certificates_month(?1, ?2)", &bounds, &mut |row| {
            certificates = u64::try_from(row.int(0)?).unwrap_or(0);
            Ok(std::ops::ControlFlow::Break(()))
        })?;
        self.count(certificates.max(1));
        Ok(Removed {
            certificates,
            is_all: true,
        })
    }

    fn settle(&self) -> Result<()> {
        let pending = self.pending.take();
        if !pending.is_empty() {
            let outcome = self.runtime.block_on(pending::run(self.client, pending));
            self.noted(outcome)?;
        }
        if self.is_spoilt.get() {
            return Err(Error::Internal(
                "a job went on after a statement had failed".to_owned(),
            ));
        }
        Ok(())
    }

    fn changes(&self) -> u64 {
        self.changes.get()
    }

    fn begin_part(&self) -> Result<()> {
        self.ask(self.client.batch_execute("SAVEPOINT part"))
    }

    fn end_part(&self, is_kept: bool) -> Result<()> {
        if is_kept {
            return self.ask(self.client.batch_execute("RELEASE SAVEPOINT part"));
        }
        self.pending.take();
        self.is_spoilt.set(false);
        self.ask(
            self.client
                .batch_execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part"),
        )
    }

    fn is_lost(&self) -> bool {
        self.is_lost.get()
    }
}

fn hand_out(rows: &[tokio_postgres::Row], each: &mut EachRow<'_>) -> Result<std::ops::ControlFlow<()>> {
    for row in rows {
        let next = each(&Row(Cells::Postgres(row)))?;
        if next.is_break() {
            return Ok(next);
        }
    }
    Ok(std::ops::ControlFlow::Continue(()))
}

pub(super) fn parameters<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// `?1` of the common dialect is `$1` here. Our statements have question marks nowhere else.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}
