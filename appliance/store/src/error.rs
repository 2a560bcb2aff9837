//! What can go wrong in the store, by what a caller does about it.

use std::path::PathBuf;

use uuid::Uuid;

/// The outcome of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A store failure. Nothing of a failed job is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the allowed size is used up.
    #[error("the store is full: free disk space, then try again")]
    Full,
    /// Another server has the store open for writing.
    #[error("the store {} is in use by another process: stop it first, or give this server a store of its own (only one server \
        may write to a file; several share a PostgreSQL database)", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// Another server has the OCSP answers of this folder open.
    #[error(
        "another server works in this state folder (it has the OCSP answers in {} open): stop it first, or give this server a state folder \
        of its own, which `chancery init` makes",
        folder.display()
    )]
    CacheInUse {
        /// The folder of the answers.
        folder: PathBuf,
    },
    /// A server with the identity of this one is at work on the database.
    #[error(
        "a server with the identity {node} is at work on this database already: stop it first; when this state folder is a copy \
        of another server's, remove the file `node` from it, and a new identity is made"
    )]
    NodeInUse {
        /// The identity.
        node: Uuid,
    },
    /// A program that does not heed the lock file kept the database locked for longer than we wait; a later try may succeed.
    #[error("the store is locked by another program: let it finish, then try again")]
    Busy,
    /// The change meets something that is there already, or refers to something that is not.
    #[error("the change conflicts with what is stored: {constraint}")]
    Conflict {
        /// What was violated, for example `UNIQUE constraint failed: intents.issuer_id, intents.serial`.
        constraint: String,
    },
    /// What was to be changed is not there, or no longer in the state that the change starts from.
    #[error("not found: {what}")]
    Absent {
        /// What was looked for.
        what: String,
    },
    /// The duty that the change is for is another server's by now.
    #[error("another server has taken this duty over")]
    LeaseLost,
    /// A CRL number that does not rise: another publication came first.
    #[error("CRL number {offered} does not rise above {last}")]
    CrlNumber {
        /// The number that was to be stored.
        offered: u64,
        /// The last one stored.
        last: u64,
    },
    /// The cache of OCSP answers cannot be opened, not even anew.
    #[error("the OCSP answers on disk cannot be opened: {0}")]
    Cache(String),
    /// Written by a newer program.
    #[error("the store has schema version {found}, this program knows {known}: use the newer program")]
    NewerSchema {
        /// In the file.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// Written by an older program, and opened for reading only, so that it cannot be migrated.
    #[error(
        "the store has schema version {found}, this program reads {known}: start the server once to migrate it"
    )]
    OlderSchema {
        /// In the file.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// The database is there and empty.
    #[error(
        "there is no store yet, only an empty place for it: `chancery init` or `chancery store migrate` makes one, and `chancery restore` \
        brings a lost one back"
    )]
    NoStore,
    /// The file is there but was not made by this program.
    #[error(
        "{} is not a Chancery store ({reason}): correct the store's path; if it was the store once, it is damaged: restore it from a \
        backup",
        path.display()
    )]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The file or its folder cannot be used; the text says what to do.
    #[error("the store {} cannot be opened: {reason}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what helps.
        reason: String,
    },
    /// What is stored cannot be read back.
    #[error("the store holds something that cannot be read: {0}; restore it from a backup")]
    Corrupt(String),
    /// Reading or writing the file failed; whether a later try succeeds depends on the disk.
    #[error("the store's disk failed: {0}")]
    Io(String),
    /// The database server does not answer, or ended the connection; a later try may succeed.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The database server cannot be used as it is configured, here or there; the text says what to do.
    #[error("the database cannot be used: {0}")]
    Rejected(String),
    /// A change was asked of a store that is open for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The job panicked; nothing of it is kept.
    #[error("a change broke off by a fault of the program")]
    Panicked,
    /// The writer is gone: the store is closing.
    #[error("the store is closing")]
    Closed,
    /// The database refused for a reason that no caller can act on: a fault of the program.
    #[error("the database refused: {0}")]
    Internal(String),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let text = match &error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            other => other.to_string(),
        };
        if let rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) = error
        {
            return Self::Corrupt(text);
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ConstraintViolation) => Self::Conflict { constraint: text },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::Io(text)
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            _ => Self::Internal(text),
        }
    }
}
