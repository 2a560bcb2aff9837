//! Failures as the client of the signing service sees them.

use core::fmt;

use crate::cursor::{Reader, Writer};
use crate::frame::WireFault;
use crate::limits::{MAX_TEXT, cut};

/// What a client may do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// A passing failure: the same request may succeed soon.
    Retryable,
    /// The queue is full; nothing was started. Try again after [`Fault::retry_after_ms`].
    Overloaded,
    /// The deadline of the request has passed. The signature may still be made, and is then thrown away.
    Deadline,
    /// No token of the service holds the key.
    KeyNotFound,
    /// The token that holds the key, or was to hold it, is not there.
    TokenAbsent,
    /// The token rejected the PIN; the service does not try it again.
    PinRejected,
    /// The token has no room for another key.
    TokenFull,
    /// The request asks what may not or cannot be done; repeating it is of no use.
    Refused,
    /// A failure of the service itself.
    Internal,
}

impl FaultClass {
    /// Every class; the place in this list plus one is its number on the wire.
    pub const ALL: [Self; 9] = [
        Self::Retryable,
        Self::Overloaded,
        Self::Deadline,
        Self::KeyNotFound,
        Self::TokenAbsent,
        Self::PinRejected,
        Self::TokenFull,
        Self::Refused,
        Self::Internal,
    ];

    /// Whether a signature may have been made although this is the answer.
    pub const fn may_have_signed(self) -> bool {
        matches!(self, Self::Retryable | Self::Deadline | Self::Internal)
    }

    /// Whether the same request can succeed later without anybody changing anything.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Retryable | Self::Overloaded | Self::Deadline | Self::TokenAbsent
        )
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retryable => "retryable",
            Self::Overloaded => "overloaded",
            Self::Deadline => "deadline",
            Self::KeyNotFound => "key_not_found",
            Self::TokenAbsent => "token_absent",
            Self::PinRejected => "pin_rejected",
            Self::TokenFull => "token_full",
            Self::Refused => "refused",
            Self::Internal => "internal",
        })
    }
}

/// A failure of one request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What can be done about it.
    pub class: FaultClass,
    /// What happened, for the operator's log; holds no secret.
    pub message: String,
    /// For [`FaultClass::Overloaded`]: when to try again, in milliseconds. Zero where nothing is known.
    pub retry_after_ms: u32,
}

impl Fault {
    /// A failure of this class; a message over the bound of the wire is cut.
    pub fn new(class: FaultClass, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(cut(&message, MAX_TEXT).len());
        Self {
            class,
            message,
            retry_after_ms: 0,
        }
    }

    /// The same failure, with a time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, milliseconds: u32) -> Self {
        self.retry_after_ms = milliseconds;
        self
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        let place = FaultClass::ALL.iter().position(|class| *class == self.class);
        writer.u8(place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0));
        writer.u32(self.retry_after_ms);
        writer.text(&self.message, MAX_TEXT);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        let place = usize::from(reader.u8()?)
            .checked_sub(1)
            .ok_or(WireFault::BadValue("fault class"))?;
        let class = FaultClass::ALL
            .get(place)
            .copied()
            .ok_or(WireFault::BadValue("fault class"))?;
        let retry_after_ms = reader.u32()?;
        Ok(Self {
            class,
            message: reader.text(MAX_TEXT)?,
            retry_after_ms,
        })
    }
}
