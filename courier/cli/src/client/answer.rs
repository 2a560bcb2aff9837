//! What the appliance answers: the body, or its reasons against.

use std::time::Duration;

use courier_wire::{Code, Detail, Envelope};
use reqwest::header::{HeaderMap, RETRY_AFTER};
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

impl Refusal {
    /// Reads an answer that is none of those that were asked for.
    pub(super) fn read(answer: &Answer, now: jiff::Timestamp) -> Self {
        let retry_after = answer.retry_after(now);
        let status = answer.status;
        match serde_json::from_slice::<Envelope>(&answer.body) {
            Ok(Envelope { error, .. }) => Self {
                status,
                code: error.code,
                message: error.message,
                retryable: Some(error.retryable),
                details: error.details,
                request_id: Some(error.request_id).filter(|id| !id.is_empty()),
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

    /// What the program ends with: as the code says, and the status where the code is not known.
    pub fn exit_code(&self) -> u8 {
        match Code::from_text(&self.code) {
            Code::Other(_) => match self.status {
                401 => 3,
                403 => 5,
                409 | 410 => 6,
                422 | 426 => 2,
                429 | 500.. => 4,
                _ => 1,
            },
            known => known.exit_code(),
        }
    }

    /// Whether the session is gone.
    pub fn is_session_expired(&self) -> bool {
        Code::from_text(&self.code) == Code::SessionExpired
    }

    /// Whether the same call may do better a little later. A session that is gone does not come back: that takes a new one.
    pub(super) fn is_passing(&self) -> bool {
        !self.is_session_expired()
            && self
                .retryable
                .unwrap_or(matches!(self.status, 429 | 500 | 502..=504))
    }
}
