//! What the appliance answers: the body, or its reasons against.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::Fault;
use super::retry::retry_after;

/// An answer that is what was asked for. Its body may hold a token: it is wiped and told to no log.
pub struct Answer {
    /// Who answered.
    pub(super) endpoint: String,
    /// The status of HTTP.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("endpoint", &self.endpoint)
            .field("status", &self.status)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The body, read.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|cause| Fault::Malformed {
            endpoint: self.endpoint.clone(),
            // Where it went wrong; never what stands there.
            reason: format!(
                "its JSON is wrong at line {} column {}",
                cause.line(),
                cause.column()
            ),
        })
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str, Fault> {
        std::str::from_utf8(&self.body).map_err(|_| Fault::Malformed {
            endpoint: self.endpoint.clone(),
            reason: "it is not text".to_owned(),
        })
    }

    /// A header, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the appliance wants to be left alone.
    pub fn retry_after(&self, now: jiff::Timestamp) -> Option<Duration> {
        retry_after(self.header(RETRY_AFTER.as_str())?, now)
    }
}

/// The appliance's reasons against a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} [{code}]")]
pub struct Refusal {
    /// The status of HTTP.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// For people.
    pub message: String,
    /// What the appliance says about trying again, where it says something.
    pub retryable: Option<bool>,
    /// Which fields are wrong, and why.
    pub details: Vec<Detail>,
    /// What the appliance's log knows the call by.
    pub request_id: Option<String>,
    /// How long the appliance wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Detail {
    /// Its path.
    #[serde(default)]
    pub field: String,
    /// What is wrong.
    #[serde(default)]
    pub problem: String,
}

#[derive(Deserialize)]
struct Envelope {
    error: Reasons,
}

#[derive(Deserialize)]
struct Reasons {
    code: String,
    #[serde(default)]
    message: String,
    retryable: Option<bool>,
    #[serde(default)]
    details: Vec<Detail>,
    request_id: Option<String>,
}

impl Refusal {
    /// Reads an answer that is none of those that were asked for.
    pub(super) fn read(answer: &Answer, now: jiff::Timestamp) -> Self {
        let retry_after = answer.retry_after(now);
        let status = answer.status;
        match serde_json::from_slice::<Envelope>(&answer.body) {
            Ok(Envelope { error }) => Self {
                status,
                code: error.code,
                message: error.message,
                retryable: error.retryable,
                details: error.details,
                request_id: error.request_id,
                retry_after,
            },
            // Somebody in between, or an appliance that is not well: its words are not told.
            Err(_) => Self {
                status,
                code: format!("HTTP_{status}"),
                message: format!("{} answered {status}", answer.endpoint),
                retryable: None,
                details: Vec::new(),
                request_id: None,
                retry_after,
            },
        }
    }

    /// What the program ends with.
    pub fn exit_code(&self) -> u8 {
        match self.code.as_str() {
            "MALFORMED_REQUEST" | "NOT_FOUND" => 1,
            "VALIDATION_ERROR" | "BAD_CSR" | "CLIENT_TOO_OLD" => 2,
            "INVALID_CREDENTIALS" | "SESSION_EXPIRED" | "METHOD_NOT_ENABLED" | "IP_NOT_ALLOWED" => 3,
            "RATE_LIMITED" | "SIGNER_UNAVAILABLE" | "SEALED" => 4,
            "COURIER_DISABLED"
            | "DOMAIN_NOT_REGISTERED"
            | "DOMAIN_DISABLED"
            | "DOMAIN_NOT_ALLOWED"
            | "POLICY_DENIED"
            | "KEY_MODE_NOT_ALLOWED"
            | "WEAK_KEY" => 5,
            "IDEMPOTENCY_CONFLICT"
            | "ORDER_NOT_CANCELLABLE"
            | "ALREADY_RETRIEVED"
            | "ORDER_EXPIRED"
            | "KEY_EXPIRED" => 6,
            _ => match self.status {
                401 => 3,
                403 => 5,
                409 | 410 => 6,
                422 | 426 => 2,
                429 | 500.. => 4,
                _ => 1,
            },
        }
    }

    /// Whether the session is gone.
    pub fn is_session_expired(&self) -> bool {
        self.code == "SESSION_EXPIRED"
    }

    /// Whether the same call may do better a little later.
    pub(super) fn is_passing(&self) -> bool {
        self.retryable
            .unwrap_or(matches!(self.status, 429 | 500 | 502..=504))
    }
}
