//! What a use case answers when it does not do what was asked: by what the caller can do about it.
//!
//! No HTTP here; `front` decides on status codes. Every error has a stable code that scripts may depend on.

use std::time::Duration;

use pki::lint::Report;
use pki::profile::ProfileRefusal;
use serde_json::Value;
use uuid::Uuid;

use crate::signer::SignFault;

/// The outcome of a use case.
pub type Result<T> = std::result::Result<T, Error>;

/// Who has to act so that the same request can succeed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The request itself is wrong.
    Requester,
    /// The request is well formed and not allowed.
    Policy,
    /// The authority cannot do it now.
    Us,
}

/// A no, with its reason. The message is public.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Stable snake_case code.
    pub code: &'static str,
    /// Who has to act.
    pub fault: Fault,
    /// One sentence for people.
    pub message: String,
    /// More of it: findings of the lint, key paths of problems; `null` when there is nothing more.
    pub details: Value,
    /// The order under which the refusal is recorded, so that it can be explained later.
    pub order_id: Option<Uuid>,
}

impl Refusal {
    /// A refusal of a wrong request.
    pub fn of_requester(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            fault: Fault::Requester,
            message: message.into(),
            details: Value::Null,
            order_id: None,
        }
    }

    /// A refusal by policy.
    pub fn of_policy(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            fault: Fault::Policy,
            ..Self::of_requester(code, message)
        }
    }

    /// A refusal because of our own state.
    pub fn of_us(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            fault: Fault::Us,
            ..Self::of_requester(code, message)
        }
    }

    /// The same refusal with details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

/// Why a use case did not do what was asked. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refused, for a reason that the requester may know.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// What was named does not exist, or is not for the caller to see.
    #[error("there is no {what} {id}")]
    NotFound {
        /// The sort of thing.
        what: &'static str,
        /// How it was named.
        id: String,
    },
    /// The present state does not allow it.
    #[error("{message}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// One sentence for people.
        message: String,
    },
    /// The caller is known and may not do this.
    #[error("{message}")]
    Forbidden {
        /// Stable code.
        code: &'static str,
        /// One sentence for people.
        message: String,
    },
    /// The caller is not known.
    #[error("{message}")]
    Unauthenticated {
        /// Stable code.
        code: &'static str,
        /// One sentence for people.
        message: String,
    },
    /// It was there, and is not to be had any more.
    #[error("{message}")]
    Gone {
        /// Stable code.
        code: &'static str,
        /// One sentence for people.
        message: String,
    },
    /// The caller has tried too often.
    #[error("too many attempts: try again in {} s", retry_after.as_secs().max(1))]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// Too much to do at present.
    #[error("too many requests wait for the signer: try again in {} ms", retry_after.as_millis())]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// Something that is needed is away.
    #[error("{message}")]
    Unavailable {
        /// Stable code.
        code: &'static str,
        /// One sentence for people.
        message: String,
    },
    /// A fault of the program or of what it stored. The text is for the log.
    #[error("{0}")]
    Internal(String),
}

/// Codes of [`Error::Unavailable`] that do not go away by themselves.
const PERMANENT: [&str; 7] = [
    // A token that is away has another code: all that are configured are there, and none has the key.
    "hsm_key_missing",
    "hsm_pin_rejected",
    "hsm_full",
    "hsm_refused",
    "store_in_use",
    "store_schema",
    "store_unusable",
];

impl Error {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "identifiers are copied in, texts are borrowed"
    )]
    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound {
            what,
            id: id.to_string(),
        }
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::Forbidden {
            code,
            message: message.into(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::NotFound { .. } => "not_found",
            Self::Conflict { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Unauthenticated { code, .. }
            | Self::Gone { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::Overloaded { .. } => "overloaded",
            Self::RateLimited { .. } => "rate_limited",
            Self::Internal(_) => "internal_error",
        }
    }

    /// Whether the same request may succeed later without the caller changing it.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Overloaded { .. } | Self::RateLimited { .. } => true,
            Self::Unavailable { code, .. } => !PERMANENT.contains(code),
            Self::Refused(refusal) => refusal.fault == Fault::Us,
            _ => false,
        }
    }

    /// More of a refusal; `null` for everything else.
    pub fn details(&self) -> Value {
        match self {
            Self::Refused(refusal) => refusal.details.clone(),
            _ => Value::Null,
        }
    }

    /// The order under which a refusal is recorded.
    pub fn order_id(&self) -> Option<Uuid> {
        match self {
            Self::Refused(refusal) => refusal.order_id,
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<ProfileRefusal> for Error {
    fn from(refusal: ProfileRefusal) -> Self {
        Refusal::of_policy(refusal.code, refusal.message).into()
    }
}

impl From<Report> for Error {
    /// The lint's no: the code is fixed, the rules that were broken are in the details.
    fn from(report: Report) -> Self {
        let message = format!("the lint refuses: {report}");
        let details = serde_json::to_value(&report.findings).unwrap_or_default();
        Refusal::of_policy("lint_failed", message)
            .with_details(details)
            .into()
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        use store::Error as Store;
        let message = error.to_string();
        let code = match &error {
            Store::Full => "store_full",
            Store::InUse { .. } | Store::NodeInUse { .. } | Store::CacheInUse { .. } => "store_in_use",
            Store::Busy => "store_busy",
            Store::NewerSchema { .. } | Store::OlderSchema { .. } | Store::NoStore => "store_schema",
            Store::NotAStore { .. } | Store::Unusable { .. } | Store::Rejected(_) | Store::ReadOnly => {
                "store_unusable"
            }
            Store::Io(_) | Store::Unreachable(_) | Store::Closed => "store_unavailable",
            Store::LeaseLost => "lease_lost",
            Store::Conflict { .. } | Store::CrlNumber { .. } | Store::Absent { .. } => {
                return Self::Conflict {
                    code: "conflict",
                    message,
                };
            }
            _ => return Self::Internal(message),
        };
        Self::Unavailable { code, message }
    }
}

impl From<SignFault> for Error {
    fn from(fault: SignFault) -> Self {
        match fault.code() {
            "overloaded" => Self::Overloaded {
                retry_after: fault.retry_after(),
            },
            code => Self::Unavailable {
                code,
                message: fault.to_string(),
            },
        }
    }
}
