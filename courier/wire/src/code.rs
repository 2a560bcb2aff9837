//! Errors: a stable code, what it means for whoever asked, and the form in which they are told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What went wrong, by the code that scripts may depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Not JSON, or too large.
    MalformedRequest,
    /// Whatever is wrong with who somebody says to be.
    InvalidCredentials,
    /// The session is gone: authenticate again.
    SessionExpired,
    /// The credential is right, and its method is switched off.
    MethodNotEnabled,
    /// The courier may not come from there.
    IpNotAllowed,
    /// The record is switched off or its time is over.
    CourierDisabled,
    /// A name lies under no registered domain.
    DomainNotRegistered,
    /// A name lies under a domain that is switched off.
    DomainDisabled,
    /// A name is not on the list of the record.
    DomainNotAllowed,
    /// A policy refuses; all broken rules are told.
    PolicyDenied,
    /// Keys are not made there.
    KeyModeNotAllowed,
    /// There is no such thing, or it is another courier's.
    NotFound,
    /// The idempotency key was used for another request.
    IdempotencyConflict,
    /// The order can no longer be withdrawn.
    OrderNotCancellable,
    /// The key was given out before.
    AlreadyRetrieved,
    /// Nobody came for the order in time.
    OrderExpired,
    /// Nobody came for the key in time.
    KeyExpired,
    /// A member is missing or cannot be.
    ValidationError,
    /// The certificate request cannot be read or its signature is wrong.
    BadCsr,
    /// The key is too weak or known to others.
    WeakKey,
    /// The program of the courier is too old.
    ClientTooOld,
    /// Too often.
    RateLimited,
    /// The signer is away or busy.
    SignerUnavailable,
    /// The CA cannot sign now.
    Sealed,
    /// One that this version does not know.
    Other(String),
}

/// Code, text, status of HTTP, whether the same may succeed later, exit code of the program `courier`.
type Row = (Code, &'static str, u16, bool, u8);

const TABLE: [Row; 24] = [
    (Code::MalformedRequest, "MALFORMED_REQUEST", 400, false, 1),
    (Code::InvalidCredentials, "INVALID_CREDENTIALS", 401, false, 3),
    (Code::SessionExpired, "SESSION_EXPIRED", 401, true, 3),
    (Code::MethodNotEnabled, "METHOD_NOT_ENABLED", 401, false, 3),
    (Code::IpNotAllowed, "IP_NOT_ALLOWED", 401, false, 3),
    (Code::CourierDisabled, "COURIER_DISABLED", 403, false, 5),
    (Code::DomainNotRegistered, "DOMAIN_NOT_REGISTERED", 403, false, 5),
    (Code::DomainDisabled, "DOMAIN_DISABLED", 403, false, 5),
    (Code::DomainNotAllowed, "DOMAIN_NOT_ALLOWED", 403, false, 5),
    (Code::PolicyDenied, "POLICY_DENIED", 403, false, 5),
    (Code::KeyModeNotAllowed, "KEY_MODE_NOT_ALLOWED", 403, false, 5),
    (Code::NotFound, "NOT_FOUND", 404, false, 1),
    (Code::IdempotencyConflict, "IDEMPOTENCY_CONFLICT", 409, false, 6),
    (Code::OrderNotCancellable, "ORDER_NOT_CANCELLABLE", 409, false, 6),
    (Code::AlreadyRetrieved, "ALREADY_RETRIEVED", 409, false, 6),
    (Code::OrderExpired, "ORDER_EXPIRED", 410, false, 6),
    (Code::KeyExpired, "KEY_EXPIRED", 410, false, 6),
    (Code::ValidationError, "VALIDATION_ERROR", 422, false, 2),
    (Code::BadCsr, "BAD_CSR", 422, false, 2),
    (Code::WeakKey, "WEAK_KEY", 422, false, 5),
    (Code::ClientTooOld, "CLIENT_TOO_OLD", 426, false, 2),
    (Code::RateLimited, "RATE_LIMITED", 429, true, 4),
    (Code::SignerUnavailable, "SIGNER_UNAVAILABLE", 503, true, 4),
    (Code::Sealed, "SEALED", 503, true, 4),
];

impl Code {
    /// All that are known.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.into_iter().map(|(code, ..)| code)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(text) => text,
            known => known.row().map_or("", |(_, text, ..)| text),
        }
    }

    /// From its text.
    pub fn from_text(text: &str) -> Self {
        let row = TABLE.into_iter().find(|(_, known, ..)| *known == text);
        row.map_or_else(|| Self::Other(text.to_owned()), |(code, ..)| code)
    }

    /// The status of HTTP that goes with it, where it is known.
    pub fn status(&self) -> Option<u16> {
        self.row().map(|(_, _, status, ..)| status)
    }

    /// Whether the same may succeed later, where it is known.
    pub fn is_retryable(&self) -> Option<bool> {
        self.row().map(|(_, _, _, is_retryable, _)| is_retryable)
    }

    /// What the program `courier` ends with.
    pub fn exit_code(&self) -> u8 {
        self.row().map_or(1, |(.., exit)| exit)
    }

    fn row(&self) -> Option<Row> {
        TABLE.into_iter().find(|(code, ..)| code == self)
    }
}

/// An error as it is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Envelope {
    /// Always false.
    pub success: bool,
    /// The reasons.
    pub error: Reasons,
}

/// Why not.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Reasons {
    /// Stable code in capitals.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// Which parts of the request are wrong.
    #[serde(default)]
    pub details: Vec<Detail>,
    /// Stands in the log of the appliance as well.
    #[serde(default)]
    pub request_id: String,
}

/// One part that is wrong.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Detail {
    /// Which: a path into the request, or a name.
    #[serde(default)]
    pub field: String,
    /// What is wrong with it.
    #[serde(default)]
    pub problem: String,
    /// The policy that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The rule of that policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Detail {
    /// What an error of the authority says in detail: objects with these members, or sentences.
    pub fn all_of(value: &Value) -> Vec<Self> {
        let one = |value: &Value| match value {
            Value::String(problem) => Some(Self {
                field: String::new(),
                problem: problem.clone(),
                policy: None,
                rule: None,
            }),
            other => serde_json::from_value(other.clone()).ok(),
        };
        match value {
            Value::Array(all) => all.iter().filter_map(one).collect(),
            Value::Null => Vec::new(),
            single => one(single).into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test says what broke by panicking"
    )]

    use super::*;

    #[test]
    fn every_code_is_read_as_it_is_written_and_an_unknown_one_is_kept() {
        for code in Code::all() {
            assert_eq!(Code::from_text(code.as_str()), code);
            assert!(code.status().is_some() && code.exit_code() > 0, "{code:?}");
        }
        let other = Code::from_text("SOMETHING_NEW");
        assert_eq!(
            (other.as_str(), other.status(), other.exit_code()),
            ("SOMETHING_NEW", None, 1)
        );
    }

    #[test]
    fn details_are_read_in_their_forms() {
        let all = serde_json::json!(["a sentence", { "field": "sans", "problem": "none", "rule": "require_san" }, 7]);
        let details = Detail::all_of(&all);
        assert_eq!(details.len(), 2);
        assert_eq!(
            (details[0].problem.as_str(), details[1].rule.as_deref()),
            ("a sentence", Some("require_san"))
        );
        assert!(Detail::all_of(&Value::Null).is_empty());
    }

    #[test]
    fn an_envelope_tells_more_than_is_known() {
        let text =
            r#"{"success":false,"error":{"code":"SEALED","message":"m","retryable":true,"more":1},"and":2}"#;
        let envelope: Envelope = serde_json::from_str(text).unwrap();
        assert_eq!(
            (envelope.error.code.as_str(), envelope.error.retryable),
            ("SEALED", true)
        );
    }
}
