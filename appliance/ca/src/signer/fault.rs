//! What can go wrong between the authority and its keys, with the codes that operators script against.

use std::time::Duration;

use signer_wire::{Fault, FaultClass};

/// Why the signer did not do what was asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SignFault {
    code: &'static str,
    message: String,
    retry_after: Duration,
    may_have_signed: bool,
}

/// Where nothing better is known: when a caller shed by an overloaded signer should come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl SignFault {
    fn new(code: &'static str, message: impl Into<String>, may_have_signed: bool) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: RETRY_AFTER,
            may_have_signed,
        }
    }

    /// The signing service cannot be reached; nothing was sent.
    pub(crate) fn unreachable(detail: &str) -> Self {
        Self::new(
            "signer_unavailable",
            format!("the signing service does not answer: {detail}"),
            false,
        )
    }

    /// The connection broke while a request was under way.
    pub(crate) fn cut_off(detail: &str) -> Self {
        Self::new(
            "signer_unavailable",
            format!("the signing service went away: {detail}"),
            true,
        )
    }

    /// No answer before the deadline.
    pub(crate) fn deadline() -> Self {
        Self::new(
            "signer_deadline",
            "the signer did not answer before the deadline",
            true,
        )
    }

    /// All tokens are there, and none has the key.
    pub(crate) fn key_missing(message: String) -> Self {
        Self::new("hsm_key_missing", message, false)
    }

    /// A token is away that may have the key.
    pub(crate) fn absent(message: String) -> Self {
        Self::new("hsm_unavailable", message, false)
    }

    /// Too many requests wait already; nothing was sent.
    pub(crate) fn overloaded() -> Self {
        Self::new("overloaded", "too many requests wait for the signer", false)
    }

    /// An answer that means nothing here.
    pub(crate) fn unexpected(detail: impl Into<String>) -> Self {
        Self::new("hsm_failed", detail, true)
    }

    /// Stable code: `hsm_unavailable`, `hsm_pin_rejected`, `hsm_full`, `hsm_key_missing`, `hsm_refused`, `hsm_failed`,
    /// `signer_unavailable`, `signer_deadline`, `overloaded`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// When to try again, for `overloaded`.
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// Whether a signature may exist although none came back.
    pub fn may_have_signed(&self) -> bool {
        self.may_have_signed
    }
}

impl From<Fault> for SignFault {
    fn from(fault: Fault) -> Self {
        let (code, may_have_signed) = match fault.class {
            FaultClass::Retryable => ("hsm_unavailable", true),
            FaultClass::Overloaded => ("overloaded", false),
            FaultClass::Deadline => ("signer_deadline", true),
            FaultClass::KeyNotFound => ("hsm_key_missing", false),
            FaultClass::TokenAbsent => ("hsm_unavailable", false),
            FaultClass::PinRejected => ("hsm_pin_rejected", false),
            FaultClass::TokenFull => ("hsm_full", false),
            FaultClass::Refused => ("hsm_refused", false),
            FaultClass::Internal => ("hsm_failed", true),
        };
        let retry_after = match fault.retry_after_ms {
            0 => RETRY_AFTER,
            millis => Duration::from_millis(millis.into()),
        };
        Self {
            retry_after,
            ..Self::new(code, fault.message, may_have_signed)
        }
    }
}

impl From<token::Error> for SignFault {
    fn from(error: token::Error) -> Self {
        error.to_fault().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_code() {
        let codes: Vec<&str> = FaultClass::ALL
            .into_iter()
            .map(|class| SignFault::from(Fault::new(class, "")).code())
            .collect();
        assert_eq!(
            codes,
            [
                "hsm_unavailable",
                "overloaded",
                "signer_deadline",
                "hsm_key_missing",
                "hsm_unavailable",
                "hsm_pin_rejected",
                "hsm_full",
                "hsm_refused",
                "hsm_failed"
            ]
        );
    }

    #[test]
    fn the_time_to_wait_is_passed_on() {
        let fault = SignFault::from(Fault::new(FaultClass::Overloaded, "").retry_after(250));
        assert_eq!(fault.retry_after(), Duration::from_millis(250));
        assert_eq!(SignFault::overloaded().retry_after(), RETRY_AFTER);
    }
}
