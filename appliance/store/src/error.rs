//! What can go wrong in the store, by what a caller does about it.

/// The outcome of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A store failure. Nothing of a failed job is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the allowed size is used up.
    #[error("the store is full: free disk space, then try again")]
    Full,
    /// Another process has the store open.
    #[error("the store {0} is in use by another process: stop it first (only one server may write to it)")]
    InUse(String),
    /// The change meets something that is there already.
    #[error("the change conflicts with what is stored: {0}")]
    Conflict(String),
    /// Written by a newer program.
    #[error("the store has schema version {found}, this program knows {known}: use the newer program")]
    NewerSchema {
        /// In the file.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// What is stored cannot be read back.
    #[error("the store holds something that cannot be read: {0}")]
    Corrupt(String),
    /// A CRL number that does not rise.
    #[error("CRL number {offered} does not rise above {last}")]
    CrlNumber {
        /// The number that was to be stored.
        offered: u64,
        /// The last one stored.
        last: u64,
    },
    /// The file cannot be opened or the writer is gone.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ConstraintViolation) => Self::Conflict(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            _ => Self::Unavailable(text),
        }
    }
}
