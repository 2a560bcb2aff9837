//! What can go wrong between a caller and a key.

use std::path::PathBuf;

use cryptoki::error::{Error as CkError, RvError};
use signer_wire::{Fault, FaultClass, KeyKind, KeyRef, Scheme};

use crate::module_error::ModuleError;
use crate::recovery::{Recovery, is_about_the_request, recovery_of};

/// A failure of a key operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The PKCS#11 module is not a file that can be loaded.
    #[error("the PKCS#11 module {} cannot be loaded", path.display())]
    ModuleLoad {
        /// The configured path.
        path: PathBuf,
        /// What the loader says.
        source: ModuleError,
    },
    /// No slot holds the configured token.
    #[error("the token {token} is not there: {detail}")]
    TokenAbsent {
        /// The configured name of the token.
        token: String,
        /// What was found instead.
        detail: String,
    },
    /// The token said that the PIN is wrong, now or when it was last tried.
    #[error("the token {token} rejected its PIN: {detail}")]
    PinRejected {
        /// The configured name of the token.
        token: String,
        /// What to do about it.
        detail: String,
    },
    /// The PIN or the passphrase cannot be read.
    #[error("the secret in {origin} cannot be read: {detail}")]
    SecretUnreadable {
        /// Where it was to come from.
        origin: String,
        /// What went wrong.
        detail: String,
    },
    /// No backend holds the key.
    #[error("no token holds the key {0}")]
    KeyNotFound(KeyRef),
    /// No backend has this name.
    #[error("no token is configured under the name {0}")]
    NoSuchToken(String),
    /// The token has no room for another object.
    #[error("the token {token} has no room for another key")]
    TokenFull {
        /// The configured name of the token.
        token: String,
    },
    /// Every session was busy until the deadline.
    #[error("no session of the token {token} became free before the deadline")]
    NoSession {
        /// The configured name of the token.
        token: String,
    },
    /// The scheme does not go with the key.
    #[error("a key of kind {kind} cannot make {scheme} signatures")]
    SchemeMismatch {
        /// The key's kind.
        kind: KeyKind,
        /// The scheme that was asked for.
        scheme: Scheme,
    },
    /// What was asked may not or cannot be done.
    #[error("{0}")]
    Refused(String),
    /// The module answered with an error that the pool could not mend.
    #[error("the token {token} failed")]
    Module {
        /// The configured name of the token.
        token: String,
        /// What the module says.
        source: ModuleError,
    },
    /// A key file is not usable.
    #[error("the key file {} is not usable: {detail}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The cryptographic library failed where it must not.
    #[error("the software backend failed: {0}")]
    Software(&'static str),
}

impl Error {
    /// What a client of the signing service may do about it.
    pub fn fault_class(&self) -> FaultClass {
        match self {
            Self::TokenAbsent { .. } => FaultClass::TokenAbsent,
            Self::PinRejected { .. } => FaultClass::PinRejected,
            Self::KeyNotFound(_) => FaultClass::KeyNotFound,
            Self::TokenFull { .. } => FaultClass::TokenFull,
            Self::NoSession { .. } => FaultClass::Deadline,
            Self::NoSuchToken(_) | Self::SchemeMismatch { .. } | Self::Refused(_) | Self::KeyFile { .. } => {
                FaultClass::Refused
            }
            Self::Module { source, .. } => match recovery_of(&source.0) {
                Recovery::Fatal => FaultClass::Internal,
                _ => FaultClass::Retryable,
            },
            Self::ModuleLoad { .. } | Self::SecretUnreadable { .. } | Self::Software(_) => {
                FaultClass::Internal
            }
        }
    }

    /// Whether the library of the token said that it is not initialised.
    pub(crate) fn is_of_void_module(&self) -> bool {
        matches!(
            self,
            Self::Module {
                source: ModuleError(CkError::Pkcs11(RvError::CryptokiNotInitialized, _)),
                ..
            }
        )
    }

    /// Whether another token that holds the same key should be tried.
    pub fn concerns_one_token(&self) -> bool {
        match self {
            Self::TokenAbsent { .. }
            | Self::PinRejected { .. }
            | Self::NoSession { .. }
            | Self::ModuleLoad { .. }
            | Self::SecretUnreadable { .. } => true,
            Self::Module { source, .. } => !is_about_the_request(&source.0),
            _ => false,
        }
    }

    /// The failure as it travels to a client, with its causes in one line.
    pub fn to_fault(&self) -> Fault {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Fault::new(self.fault_class(), text)
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    fn of_module(code: RvError) -> Error {
        Error::Module {
            token: "t".into(),
            source: ModuleError(CkError::Pkcs11(code, Function::Sign)),
        }
    }

    #[test]
    fn a_client_is_told_whether_to_try_again() {
        let full = Error::TokenFull { token: "t".into() };
        let absent = Error::TokenAbsent {
            token: "t".into(),
            detail: String::new(),
        };
        let rejected = Error::PinRejected {
            token: "t".into(),
            detail: String::new(),
        };
        for (error, class, concerns_one_token) in [
            (full, FaultClass::TokenFull, false),
            (absent, FaultClass::TokenAbsent, true),
            (rejected, FaultClass::PinRejected, true),
            (
                Error::KeyNotFound(KeyRef::new([0; 32])),
                FaultClass::KeyNotFound,
                false,
            ),
            (Error::NoSession { token: "t".into() }, FaultClass::Deadline, true),
            (Error::Refused("no".into()), FaultClass::Refused, false),
            (of_module(RvError::DeviceRemoved), FaultClass::Retryable, true),
            (
                of_module(RvError::SessionHandleInvalid),
                FaultClass::Retryable,
                true,
            ),
            (of_module(RvError::MechanismInvalid), FaultClass::Internal, true),
            (of_module(RvError::DataLenRange), FaultClass::Internal, false),
        ] {
            assert_eq!(
                (error.fault_class(), error.concerns_one_token()),
                (class, concerns_one_token),
                "{error}"
            );
        }
    }

    #[test]
    fn a_fault_tells_its_causes_in_one_line() {
        let fault = of_module(RvError::DeviceError).to_fault();
        assert_eq!(fault.message, "the token t failed: CKR_DEVICE_ERROR from C_Sign");
    }
}
