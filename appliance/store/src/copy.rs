//! Carrying a whole store into another database, row by row, and comparing both afterwards.
//!
//! Rows arrive in the order of their keys, so that a copy that broke off goes on after the last one; unless the source has changed
//! meanwhile, which its audit log shows. Until the comparison is done the target is marked, and nobody opens it as a store.

use std::ops::ControlFlow;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::sync::mpsc;

use crate::audit;
use crate::db::{Reader, Store, Tx};
use crate::error::{Error, Result};
use crate::leases;
use crate::settings;
use crate::tables::{TABLES, Table, Values};
use crate::value::Value;

/// The mark of a target: the source's audit log as it was when the copy began.
const UNFINISHED: &str = "copy.unfinished";
/// How many rows go into one transaction.
const PAGE: usize = 2000;

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is going on.
    pub stage: Stage,
    /// With which table.
    pub table: &'static str,
    /// How many of its rows are done.
    pub rows: u64,
    /// How many it has.
    pub of: u64,
}

/// The parts of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Rows are carried over.
    Copying,
    /// Both sides are read and compared.
    Comparing,
}

/// What a copy did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Rows in the target.
    pub rows: u64,
    /// Rows that were there from a copy that broke off.
    pub resumed: u64,
}

/// Whether a store waits for a copy into it to be finished.
pub fn is_unfinished(reader: &Reader<'_>) -> Result<bool> {
    Ok(settings::find(reader, UNFINISHED)?.is_some())
}

/// Copies everything from one store into another, which must be empty or hold a copy that broke off. Nobody else writes to either
/// meanwhile: both were opened for writing.
pub async fn copy(from: &Store, to: &Store, mut told: impl FnMut(Progress)) -> Result<Copied> {
    let is_resumed = begin(from, to).await?;
    let mut copied = Copied::default();
    for table in carried() {
        let (of, arrived) = (count(from, table).await?, count(to, table).await?);
        if is_resumed {
            copied.resumed += arrived;
        }
        copied.rows += carry(from, to, table, arrived, &mut |rows| {
            told(Progress {
                stage: Stage::Copying,
                table: table.name,
                rows,
                of,
            });
        })
        .await?;
    }
    for table in carried() {
        let of = count(from, table).await?;
        let mut done = |rows| {
            told(Progress {
                stage: Stage::Comparing,
                table: table.name,
                rows,
                of,
            });
        };
        done(0);
        if digest(from, table).await? != digest(to, table).await? {
            return Err(Error::Corrupt(format!(
                "the copy of {} differs from its source",
                table.name
            )));
        }
        done(of);
    }
    finish(from, to).await?;
    Ok(copied)
}

/// Marks the target, or finds that a copy of the same source broke off in it.
async fn begin(from: &Store, to: &Store) -> Result<bool> {
    refuse_servers_at_work(from, "the source").await?;
    refuse_servers_at_work(to, "the target").await?;
    let head = match from.read_long(audit::verify).await? {
        audit::Verdict::Sound { entries, head } => format!("{entries} {}", audit::hex(&head)),
        audit::Verdict::Broken { seq, what } => {
            return Err(Error::Corrupt(format!(
                "the source's audit log at entry {seq}: {what}"
            )));
        }
    };
    to.write(move |tx| {
        match settings::find(tx, UNFINISHED)? {
            Some(known) if known == head => return Ok(true),
            Some(_) => {
                return Err(Error::Rejected(
                    "the source has changed since the copy into it broke off: empty the target, and copy again".to_owned(),
                ));
            }
            None if is_empty(tx)? => {}
            None => {
                return Err(Error::Rejected(
                    "it holds a store already: name an empty database as the target".to_owned(),
                ));
            }
        }
        settings::put(tx, UNFINISHED, &head)?;
        Ok(false)
    })
    .await
}

/// A copy is of a store that nobody changes, into one that nobody serves from.
async fn refuse_servers_at_work(store: &Store, which: &str) -> Result<()> {
    let node = store.node();
    let read = store.read(move |reader| leases::is_any_elsewhere(reader, leases::NODES, node));
    if read.await? {
        return Err(Error::Rejected(format!(
            "servers are at work on {which}: stop all of them, and copy again (one that was killed counts for fifteen seconds more)"
        )));
    }
    Ok(())
}

fn is_empty(tx: &Tx<'_>) -> Result<bool> {
    for table in carried() {
        if table.count(tx)? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Carries the rows of a table over, after those that have arrived; gives how many the target has then.
async fn carry(
    from: &Store,
    to: &Store,
    table: &'static Table,
    arrived: u64,
    told: &mut impl FnMut(u64),
) -> Result<u64> {
    let after = to.read(|reader| table.last_key(reader)).await?;
    let (send, mut pages) = mpsc::channel::<Vec<Values>>(2);
    let reading = from.read_long(move |reader| {
        let mut page = Vec::with_capacity(PAGE);
        table.for_each_after(reader, after.as_deref(), |row| {
            page.push(row);
            if page.len() == PAGE && send.blocking_send(std::mem::take(&mut page)).is_err() {
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        // Nobody takes it when writing has failed, which is told below.
        let _ = send.blocking_send(page);
        Ok(())
    });
    let writing = async {
        let mut rows = arrived;
        told(rows);
        while let Some(page) = pages.recv().await {
            let length = page.len() as u64;
            to.write(move |tx| table.insert(tx, &page)).await?;
            rows += length;
            told(rows);
        }
        Ok::<_, Error>(rows)
    };
    let (read, written) = tokio::join!(reading, writing);
    let rows = written?;
    read?;
    Ok(rows)
}

/// The settings go last, and with them the mark; unless the source has changed since the copy began.
async fn finish(from: &Store, to: &Store) -> Result<()> {
    let all = from.read(|reader| {
        reader.all("SELECT key, value FROM settings", &[], |row| {
            Ok((row.text(0)?, row.text(1)?))
        })
    });
    let all = all.await?;
    to.write(move |tx| {
        let head = all.iter().find(|(key, _)| key == audit::HEAD).map(|(_, head)| head);
        if head != settings::find(tx, UNFINISHED)?.as_ref() {
            return Err(Error::Rejected(
                "the source has changed while it was copied: stop its servers, empty the target, and copy again".to_owned(),
            ));
        }
        tx.execute("DELETE FROM settings", &[])?;
        all.iter()
            .try_for_each(|(key, value)| settings::put(tx, key, value))
    })
    .await
}

fn carried() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(|table| table.name != "settings")
}

async fn count(store: &Store, table: &'static Table) -> Result<u64> {
    store.read_long(move |reader| table.count(reader)).await
}

/// How many rows a table has, and SHA-256 over all of them in the order of their keys.
async fn digest(store: &Store, table: &'static Table) -> Result<(u64, Vec<u8>)> {
    let read = store.read_long(move |reader| {
        let (mut rows, mut context) = (0, Context::new(&SHA256));
        table.for_each_after(reader, None, |row| {
            rows += 1;
            for value in &row {
                absorb(&mut context, value);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((rows, context.finish().as_ref().to_vec()))
    });
    read.await
}

/// A letter for the kind, the length, the octets: no two rows share their input.
fn absorb(context: &mut Context, value: &Value<'_>) {
    let mut field = |kind: u8, octets: &[u8]| {
        context.update(&[kind]);
        context.update(&(octets.len() as u64).to_be_bytes());
        context.update(octets);
    };
    match value {
        Value::Null => field(b'n', &[]),
        Value::Int(value) => field(b'i', &value.to_be_bytes()),
        Value::Text(value) => field(b't', value.as_bytes()),
        Value::Blob(value) => field(b'b', value),
        Value::Id(value) => field(b'u', value.as_bytes()),
    }
}
