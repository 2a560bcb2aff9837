//! Why a command did not do what it was for, and what the program ends with.

use uuid::Uuid;

use crate::client;
use crate::hook::HookFault;
use crate::key::{LocalKeyFault, RequestFault};
use crate::lock::LockFault;
use crate::platform_key::PlatformKeyFault;
use crate::report::one_line;
use crate::state::StateFault;
use crate::write::WriteFault;

/// Why a command did not do what it was for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The command line or the file asks for something that does not go.
    #[error("{0}")]
    Usage(String),
    /// The file is wrong.
    #[error("{0}")]
    Config(String),
    /// The appliance, or the way to it.
    #[error(transparent)]
    Client(#[from] client::Fault),
    /// Signing in failed for an earlier certificate of the same file.
    #[error("signing in failed before, and is not tried again in this run")]
    SignedOut(u8),
    /// The order came to nothing.
    #[error("the order {uuid} is {status}: {message}")]
    Order {
        /// Which one.
        uuid: String,
        /// How it stands.
        status: String,
        /// The stable code, when the appliance told one.
        code: Option<String>,
        /// Why.
        message: String,
    },
    /// The key of an order is gone: from the state directory, or handed out by the appliance to a run that did not live to keep it.
    #[error("the key of the order {0} is gone; another certificate is ordered")]
    KeyLost(Uuid),
    /// The certificate of an order ended before it could be installed.
    #[error("the certificate of the order {0} ended before it was installed; another one is ordered")]
    TooLate(Uuid),
    /// The order takes longer than the time to wait.
    #[error("the order {uuid} is still {status}; the next run goes on with it")]
    Pending {
        /// Which one.
        uuid: Uuid,
        /// How it stands.
        status: String,
    },
    /// The files could not be verified or written; those of before are as they were.
    #[error(transparent)]
    Write(#[from] WriteFault),
    /// What is remembered could not be written or read.
    #[error(transparent)]
    State(#[from] StateFault),
    /// Another instance is at work, or the lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockFault),
    /// A hook cannot be run.
    #[error(transparent)]
    HookNotRun(#[from] HookFault),
    /// A hook failed, and `hooks.strict` is set.
    #[error("the hook {event} failed: {how}")]
    Hook {
        /// Its event.
        event: String,
        /// How.
        how: String,
    },
    /// A server on this host did not take the files.
    #[error("{kind}: {fault}")]
    Deploy {
        /// The kind of target.
        kind: String,
        /// Why.
        #[source]
        fault: kit::Fault,
    },
    /// The key cannot be made or used.
    #[error(transparent)]
    Key(#[from] LocalKeyFault),
    /// A key that the appliance made cannot be used.
    #[error(transparent)]
    PlatformKey(#[from] PlatformKeyFault),
    /// The token with the keys, or what it was asked for.
    #[error(transparent)]
    Token(#[from] token::Error),
    /// No request can be made for the key.
    #[error(transparent)]
    Request(#[from] RequestFault),
    /// What the appliance sent is no certificate chain.
    #[error("the appliance sent no certificate that can be read: {0}")]
    Certificate(#[from] pki::CertificateFault),
    /// Reading or writing something else than the outputs.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl Failure {
    /// What the program ends with under `--exit-codes detailed`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::Config(_)
            | Self::Token(
                token::Error::PinRejected { .. }
                | token::Error::SecretUnreadable { .. }
                | token::Error::ModuleLoad { .. }
                | token::Error::Refused(_),
            ) => 2,
            Self::Client(fault) => fault.exit_code(),
            Self::SignedOut(code) => *code,
            Self::Order { code, .. } => {
                let known = code.as_deref().map(courier_wire::Code::from_text);
                // What is told of an order later means the same as if it had been told at once.
                known
                    .map(|code| code.exit_code())
                    .filter(|exit| *exit == 5)
                    .unwrap_or(6)
            }
            Self::KeyLost(_) | Self::TooLate(_) => 6,
            Self::Pending { .. } => 7,
            Self::Lock(LockFault::Held { .. }) => 10,
            Self::Write(_) | Self::State(_) | Self::Lock(_) => 8,
            Self::HookNotRun(_) | Self::Hook { .. } | Self::Deploy { .. } => 9,
            Self::Key(_)
            | Self::PlatformKey(_)
            | Self::Token(_)
            | Self::Request(_)
            | Self::Certificate(_)
            | Self::Io { .. } => 1,
        }
    }

    /// A stable code: the appliance's, or the courier's own.
    pub fn code(&self) -> String {
        let own = match self {
            Self::Client(client::Fault::Refused(refusal)) => return refusal.code.clone(),
            Self::Order { code: Some(code), .. } => return code.clone(),
            Self::Client(client::Fault::Credential(_)) => "CREDENTIAL",
            Self::Client(client::Fault::Setting(_)) | Self::Config(_) => "CONFIGURATION",
            Self::Client(_) => "NETWORK",
            Self::SignedOut(_) => "NOT_SIGNED_IN",
            Self::Usage(_) => "USAGE",
            Self::Order { .. } => "ORDER_FAILED",
            Self::KeyLost(_) => "KEY_LOST",
            Self::TooLate(_) => "TOO_LATE",
            Self::Pending { .. } => "ORDER_PENDING",
            Self::Write(_) => "NOT_INSTALLED",
            Self::State(_) => "STATE",
            Self::Lock(_) => "LOCKED",
            Self::HookNotRun(_) | Self::Hook { .. } => "HOOK_FAILED",
            Self::Deploy { .. } => "NOT_DEPLOYED",
            Self::Key(_) | Self::PlatformKey(_) | Self::Request(_) => "KEY",
            Self::Token(token::Error::PinRejected { .. }) => "PIN_REJECTED",
            Self::Token(_) => "TOKEN",
            Self::Certificate(_) => "MALFORMED_CERTIFICATE",
            Self::Io { .. } => "IO",
        };
        own.to_owned()
    }

    /// What the appliance's log knows the call by.
    pub fn request_id(&self) -> Option<String> {
        match self {
            Self::Client(client::Fault::Refused(refusal)) => refusal.request_id.clone(),
            _ => None,
        }
    }

    /// The message with every cause behind it, and the fields that the appliance named: one line that speaks to no terminal, whatever an
    /// appliance or a server's own check had to say.
    pub fn told(&self) -> String {
        one_line(&self.whole())
    }

    fn whole(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            let next_text = next.to_string();
            // A transparent layer says what the one below it says.
            if !text.ends_with(&next_text) {
                text.push_str(": ");
                text.push_str(&next_text);
            }
            cause = next.source();
        }
        if let Self::Client(client::Fault::Refused(refusal)) = self {
            for detail in &refusal.details {
                text.push_str("; ");
                if !detail.field.is_empty() {
                    text.push_str(&detail.field);
                    text.push_str(": ");
                }
                text.push_str(&detail.problem);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_one_line_and_moves_no_cursor() {
        let told = Failure::Order {
            uuid: "u".to_owned(),
            status: "failed".to_owned(),
            code: None,
            message: "no\n2026 INFO all is well\u{1b}[2J\u{9b}31m".to_owned(),
        };
        let told = told.told();
        assert!(!told.contains(char::is_control), "{told:?}");
        assert!(told.contains("no 2026 INFO"), "{told}");
    }
}
