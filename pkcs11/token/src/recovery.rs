//! What to do about an error of a PKCS#11 module.
//!
//! The table names every code of the standard, so that a code added to the library does not compile until somebody
//! has thought about it. Codes that a vendor adds, or that should not come from the call that gave them, are taken
//! as a failure of the session: a new session is cheap, and when it does not help the next token is asked.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

/// What mends an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The same call on the same session can succeed.
    Retry,
    /// The session, or an object handle it knew, is gone: close it, open another, look for the keys again.
    NewSession,
    /// The token no longer knows that the user is logged in.
    LogInAgain,
    /// The library has lost its footing: `C_Finalize`, `C_Initialize`, and everything after it.
    Reinitialise,
    /// The token cannot do it now; another one that holds the key may.
    OtherToken,
    /// It will fail again in the same way: the request, the key or the PIN is wrong. Where the key is in another token, too,
    /// that one is asked unless the request itself is wrong.
    Fatal,
}

/// CKR_TOKEN_RESOURCE_EXCEEDED and CKR_KEY_EXHAUSTED of PKCS#11 3.0, which the binding has no names for.
const RESOURCE_EXCEEDED: u64 = 0x201;
const KEY_EXHAUSTED: u64 = 0x203;

/// What mends this return value of a PKCS#11 function.
#[rustfmt::skip]
pub const fn recovery(code: RvError) -> Recovery {
    use RvError as Ckr;
    match code {
        Ckr::FunctionCanceled | Ckr::Cancel | Ckr::FunctionRejected | Ckr::BufferTooSmall | Ckr::NoEvent
            => Recovery::Retry,

        Ckr::UserNotLoggedIn => Recovery::LogInAgain,

        Ckr::CryptokiNotInitialized | Ckr::DeviceError | Ckr::MutexBad | Ckr::MutexNotLocked
            => Recovery::Reinitialise,

        Ckr::TokenNotPresent | Ckr::TokenNotRecognized | Ckr::DeviceRemoved | Ckr::SlotIdInvalid
        | Ckr::DeviceMemory | Ckr::HostMemory | Ckr::SessionCount | Ckr::SessionReadWriteSoExists
        | Ckr::UserAnotherAlreadyLoggedIn | Ckr::UserTooManyTypes | Ckr::UserPinNotInitialized
        | Ckr::PinIncorrect | Ckr::PinLocked | Ckr::PinExpired | Ckr::PinInvalid | Ckr::PinLenRange
        | Ckr::FipsSelfTestFailed | Ckr::LibraryLoadFailed
        | Ckr::UnknownErrorCode(RESOURCE_EXCEEDED | KEY_EXHAUSTED)
            => Recovery::OtherToken,

        // A session in which an operation was left open cannot be told to forget it before PKCS#11 3.0.
        Ckr::SessionClosed | Ckr::SessionHandleInvalid | Ckr::KeyHandleInvalid | Ckr::ObjectHandleInvalid
        | Ckr::OperationActive | Ckr::OperationNotInitialized | Ckr::FunctionFailed | Ckr::GeneralError
        | Ckr::SavedStateInvalid | Ckr::SessionReadOnly | Ckr::VendorDefined(_) | Ckr::UnknownErrorCode(_)
            => Recovery::NewSession,

        Ckr::ArgumentsBad | Ckr::NeedToCreateThreads | Ckr::CantLock | Ckr::AttributeReadOnly
        | Ckr::AttributeSensitive | Ckr::AttributeTypeInvalid | Ckr::AttributeValueInvalid | Ckr::ActionProhibited
        | Ckr::DataInvalid | Ckr::DataLenRange | Ckr::EncryptedDataInvalid | Ckr::EncryptedDataLenRange
        | Ckr::FunctionNotParallel | Ckr::FunctionNotSupported | Ckr::CurveNotSupported | Ckr::KeySizeRange
        | Ckr::KeyTypeInconsistent | Ckr::KeyNotNeeded | Ckr::KeyChanged | Ckr::KeyNeeded | Ckr::KeyIndigestible
        | Ckr::KeyFunctionNotPermitted | Ckr::KeyNotWrappable | Ckr::KeyUnextractable | Ckr::MechanismInvalid
        | Ckr::MechanismParamInvalid | Ckr::SessionParallelNotSupported | Ckr::SessionExists
        | Ckr::SessionReadOnlyExists | Ckr::SignatureInvalid | Ckr::SignatureLenRange | Ckr::TemplateIncomplete
        | Ckr::TemplateInconsistent | Ckr::TokenWriteProtected | Ckr::UnwrappingKeyHandleInvalid
        | Ckr::UnwrappingKeySizeRange | Ckr::UnwrappingKeyTypeInconsistent | Ckr::UserAlreadyLoggedIn
        | Ckr::UserTypeInvalid | Ckr::WrappedKeyInvalid | Ckr::WrappedKeyLenRange | Ckr::WrappingKeyHandleInvalid
        | Ckr::WrappingKeySizeRange | Ckr::WrappingKeyTypeInconsistent | Ckr::RandomSeedNotSupported
        | Ckr::RandomNoRng | Ckr::DomainParamsInvalid | Ckr::InformationSensitive | Ckr::StateUnsaveable
        | Ckr::CryptokiAlreadyInitialized | Ckr::NewPinMode | Ckr::NextOtp | Ckr::ExceededMaxIterations
        | Ckr::PinTooWeak | Ckr::PublicKeyInvalid
            => Recovery::Fatal,
    }
}

/// What mends an error of the binding: a return value of the module, or something the binding itself did not like.
pub(crate) fn recovery_of(error: &Error) -> Recovery {
    match error {
        Error::Pkcs11(code, _) => recovery(*code),
        _ => Recovery::Fatal,
    }
}

/// Whether the module said that what was to be signed is wrong, which any token will say.
pub(crate) const fn is_about_the_request(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::DataInvalid | RvError::DataLenRange,
            Function::SignInit | Function::Sign
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_the_codes_it_is_for() {
        for (code, expected) in [
            (RvError::FunctionCanceled, Recovery::Retry),
            (RvError::SessionHandleInvalid, Recovery::NewSession),
            (RvError::KeyHandleInvalid, Recovery::NewSession),
            (RvError::OperationActive, Recovery::NewSession),
            (RvError::VendorDefined(0x8000_0001), Recovery::NewSession),
            (RvError::UserNotLoggedIn, Recovery::LogInAgain),
            (RvError::CryptokiNotInitialized, Recovery::Reinitialise),
            (RvError::DeviceError, Recovery::Reinitialise),
            (RvError::TokenNotPresent, Recovery::OtherToken),
            (RvError::DeviceRemoved, Recovery::OtherToken),
            (RvError::DeviceMemory, Recovery::OtherToken),
            (RvError::PinIncorrect, Recovery::OtherToken),
            (RvError::UnknownErrorCode(0x201), Recovery::OtherToken),
            (RvError::UnknownErrorCode(0x202), Recovery::NewSession),
            (RvError::MechanismInvalid, Recovery::Fatal),
            (RvError::KeyFunctionNotPermitted, Recovery::Fatal),
        ] {
            assert_eq!(recovery(code), expected, "{code:?}");
        }
    }
}
