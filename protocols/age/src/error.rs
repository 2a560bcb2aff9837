//! Why a file cannot be made or read.

use std::io;

/// Why a file cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no age file.
    #[error("it is not an encrypted file of this format (age, version 1)")]
    NotAge,
    /// A header that says what cannot be.
    #[error("its header is damaged")]
    Header,
    /// None of the keys is that of a recipient.
    #[error("it was made for other recipients: none of the given keys opens it")]
    OtherRecipients,
    /// The passphrase is another one.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// A chunk that is not what was written.
    #[error("it is damaged, or cut off, at or after octet {at} of its contents")]
    Damaged {
        /// Where the chunk begins in the contents.
        at: u64,
    },
    /// The end is missing.
    #[error("it is cut off after {at} octets of its contents")]
    CutOff {
        /// How many octets of the contents are there.
        at: u64,
    },
    /// Nobody, or too many.
    #[error("a file has 1 to 64 recipients")]
    Recipients,
    /// There is no randomness.
    #[error("the random generator failed")]
    Random,
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// What an error of reading or writing stands for.
    pub fn of(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Self::Io(error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::CutOff { .. } => Self::new(io::ErrorKind::UnexpectedEof, error),
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}
