//! The schema: whose it is, which version it has, and how it comes to ours.

use std::ops::ControlFlow;

use refinery::embed_migrations;
use tokio_postgres::Client;

use super::config::with_cause;
use super::connect::answered;
use crate::db::rule::{self, PendingMigration};
use crate::db::session::Session;
use crate::error::{Error, Result};

mod embedded {
    use super::embed_migrations;

    embed_migrations!("migrations/postgres");
}

/// Held while the schema is looked at and changed, so that of several servers that start together one does it.
const LOCK: &str = "SELECT pg_advisory_lock(1128812099, 1)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(1128812099, 1)";
/// Whether there is a history of our migrations, and whether there is any table.
const WHOSE: &str = "SELECT count(*) FILTER (WHERE table_name = 'refinery_schema_history'), count(*)
    FROM information_schema.tables WHERE table_schema = current_schema()";
const VERSION: &str = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";

/// Makes the schema, or brings it to this program's version.
pub(super) async fn migrate(client: &mut Client) -> Result<()> {
    answered(client.batch_execute(LOCK)).await?;
    let outcome = migrate_alone(client).await;
    let unlocked = answered(client.batch_execute(UNLOCK)).await;
    outcome.and(unlocked)
}

async fn migrate_alone(client: &mut Client) -> Result<()> {
    let row = answered(client.query_one(WHOSE, &[])).await?;
    let (known, found) = (
        known_version(),
        match (row.get::<_, i64>(0), row.get::<_, i64>(1)) {
            (0, 0) => 0,
            (0, _) => return Err(of_another_program()),
            _ => i64::from(answered(client.query_one(VERSION, &[])).await?.get::<_, i32>(0)),
        },
    );
    if found > known {
        // It is left as it is, when what was added since leaves this program what it uses.
        let least = answered(client.query_opt(rule::ASK, &[])).await?;
        return rule::admit(found, known, least.map(|row| row.get::<_, String>(0)).as_deref());
    }
    // One transaction for a schema and its place in the history.
    let runner = embedded::migrations::runner().set_grouped(true);
    let outcome = runner.run_async(client).await;
    outcome.map(drop).map_err(|error| unmigrated(known, &error))
}

/// Refuses a schema that is not exactly this program's.
pub(super) fn require_current(session: &dyn Session) -> Result<()> {
    match versions(session)? {
        (0, _) => Err(Error::NoStore),
        (found, known) if found < known => Err(Error::OlderSchema { found, known }),
        (found, known) if found > known => {
            let mut least = None;
            session.query(rule::ASK, &[], &mut |row| {
                least = Some(row.text(0)?);
                Ok(ControlFlow::Break(()))
            })?;
            rule::admit(found, known, least.as_deref())
        }
        _ => Ok(()),
    }
}

/// The version that is there, 0 when the database is empty, and that of this program.
pub(super) fn versions(session: &dyn Session) -> Result<(i64, i64)> {
    let number = |sql: &str, column: usize| {
        let mut found = 0;
        session.query(sql, &[], &mut |row| {
            found = row.int(column)?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok::<i64, Error>(found)
    };
    let found = match (number(WHOSE, 0)?, number(WHOSE, 1)?) {
        (0, 0) => 0,
        (0, _) => return Err(of_another_program()),
        _ => number(VERSION, 0)?,
    };
    if found > 0 {
        let mut applied = Vec::new();
        session.query(rule::HISTORY, &[], &mut |row| {
            applied.push((row.int(0)?, row.text(1)?));
            Ok(ControlFlow::Continue(()))
        })?;
        rule::compare(embedded::migrations::runner().get_migrations(), &applied)?;
    }
    Ok((found, known_version()))
}

/// The migrations after a version.
pub(super) fn pending(found: i64) -> Vec<PendingMigration> {
    rule::pending(embedded::migrations::runner().get_migrations(), found)
}

fn of_another_program() -> Error {
    Error::Rejected("it has the tables of another program: let store.url name an empty database".to_owned())
}

fn unmigrated(version: i64, error: &refinery::Error) -> Error {
    use refinery::error::Kind;
    if let Kind::DivergentVersion(..) | Kind::MissingVersion(_) = error.kind() {
        return rule::diverged(error);
    }
    let text = with_cause(error);
    match std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<tokio_postgres::Error>()) {
        Some(cause) if cause.code().is_some_and(|code| code.code() == "53100") => Error::Full,
        Some(cause) if cause.code().is_some_and(|code| code.code() == "42501") => {
            Error::Rejected(format!("{text}: let the user of store.url own the database"))
        }
        Some(cause) if cause.is_closed() => Error::Unreachable(text),
        _ => rule::unmigrated(version, &text),
    }
}

pub(super) fn known_version() -> i64 {
    let known = embedded::migrations::runner();
    let versions = known.get_migrations().iter().map(|one| i64::from(one.version()));
    versions.max().unwrap_or(0)
}
