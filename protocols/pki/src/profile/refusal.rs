//! A profile's no.

/// Why a request or an order does not fit the profile. The requester can act on it: the message is public.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ProfileRefusal {
    /// Stable snake_case code.
    pub code: &'static str,
    /// One sentence for people, naming what was asked and what would be accepted.
    pub message: String,
}

impl ProfileRefusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A value that was checked before could not be written as DER.
    pub(super) fn encoding(cause: &der::Error) -> Self {
        Self::new(
            "encoding_failed",
            format!("the certificate cannot be encoded: {cause}"),
        )
    }
}

impl From<der::Error> for ProfileRefusal {
    fn from(cause: der::Error) -> Self {
        Self::encoding(&cause)
    }
}
