//! Statements that were put off, so that many of them travel together.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Statement;

use super::connect::answered;
use super::session::parameters;
use crate::db::session::Failed;
use crate::error::{Error, Result};
use crate::value::Value;

/// One of them.
pub(super) struct Pending {
    pub(super) sql: String,
    pub(super) values: Vec<Value<'static>>,
    pub(super) expectation: Expectation,
    pub(super) failed: Failed,
}

/// What makes it right besides that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Nothing.
    Nothing,
    /// It changes something.
    AChange,
    /// It finds nothing.
    NoRow,
}

/// Runs them one after the other, sending all before the first answer is there. Gives the first failure: the database runs
/// none after it.
pub(super) async fn run(client: &ClientWrapper, all: Vec<Pending>) -> Result<()> {
    // Prepared first: else one that the database has to be asked about would be overtaken by those after it.
    let mut prepared = Vec::with_capacity(all.len());
    for one in &all {
        let statement = answered(client.prepare_cached(&one.sql)).await;
        prepared.push(statement.map_err(one.failed)?);
    }
    let mut answers: Vec<Answer<'_>> = Vec::with_capacity(all.len());
    for (one, statement) in all.iter().zip(&prepared) {
        let mut answer: Answer<'_> = Box::pin(ask(client, one, statement));
        // Sent when it is first polled; nearly always it waits then.
        let early = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
        match early {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => answers.push(answer),
        }
    }
    let mut first = Ok(());
    for answer in answers {
        first = first.and(answer.await);
    }
    first
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

async fn ask(client: &ClientWrapper, one: &Pending, statement: &Statement) -> Result<()> {
    let values = parameters(&one.values);
    let found = match one.expectation {
        Expectation::NoRow => answered(client.query_opt(statement, &values))
            .await
            .map(|row| u64::from(row.is_some())),
        _ => answered(client.execute(statement, &values)).await,
    };
    match (one.expectation, found.map_err(one.failed)?) {
        (Expectation::AChange, 0) | (Expectation::NoRow, 1..) => {
            Err((one.failed)(Error::Absent { what: String::new() }))
        }
        _ => Ok(()),
    }
}
