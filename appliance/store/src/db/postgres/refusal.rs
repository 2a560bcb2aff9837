//! What PostgreSQL's refusals mean to us, by SQLSTATE (appendix A of its manual).

use tokio_postgres::error::DbError;

use super::config::with_cause;
use crate::error::Error;

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(refusal) = error.as_db_error() {
            return of_database(refusal);
        }
        let text = with_cause(&error);
        if text.starts_with("error deserializing column") {
            Self::Corrupt(text)
        } else if text.starts_with("error serializing parameter") || text.starts_with("invalid column") {
            Self::Internal(text)
        } else if text.contains("database does not allow writes") {
            Self::Unreachable(READ_ONLY.to_owned())
        } else {
            Self::Unreachable(format!("{text}: check that it runs, and that store.url names it"))
        }
    }
}

pub(super) const READ_ONLY: &str =
    "it is read-only, as a standby is: let store.url name the primary, or all servers with commas between";

fn of_database(refusal: &DbError) -> Error {
    let text = refusal.message().to_owned();
    let code = refusal.code().code();
    match code {
        "53100" => Error::Full,
        "53300" => Error::Unreachable(format!(
            "{text}: raise max_connections of the database, or lower store.connections of the servers"
        )),
        "25006" => Error::ReadOnly,
        "40001" | "40P01" | "55P03" => Error::Busy,
        // It may be about to be restored: whoever waits finds it when it is there.
        "3D000" => Error::Unreachable(format!(
            "{text}: make it (createdb), or correct store.url; if it was there before, restore it from a backup"
        )),
        "42501" => Error::Rejected(format!("{text}: let the user of store.url own the database")),
        "58030" => Error::Io(text),
        "P0001" | "22021" => Error::Conflict { constraint: text },
        _ => match code.get(..2).unwrap_or_default() {
            "23" => Error::Conflict { constraint: text },
            "28" => Error::Rejected(format!(
                "{text}: correct the user in store.url, and the password in store.password_file"
            )),
            "08" | "57" | "53" => Error::Unreachable(text),
            "XX" => Error::Corrupt(text),
            // A transaction in which nothing went on for too long.
            "25" if code == "25P03" => Error::Unreachable(text),
            _ => Error::Internal(format!("{text} (SQLSTATE {code})")),
        },
    }
}
