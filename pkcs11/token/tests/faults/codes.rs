//! The return values of PKCS#11 3.0 §5.1 and what mends each.

#![allow(dead_code, reason = "each test uses some of it")]

use cryptoki::error::RvError;
use token::Recovery;

/// A return value and its class.
pub(crate) struct Code(pub(crate) RvError, pub(crate) Recovery);

/// Every return value with a name, not only those that the standard lists for one function: modules do not keep to its lists.
pub(crate) const EVERY: &[Code] = &[
    Code(RvError::Cancel, Recovery::Retry),
    Code(RvError::NoEvent, Recovery::Retry),
    Code(RvError::FunctionCanceled, Recovery::Retry),
    Code(RvError::BufferTooSmall, Recovery::Retry),
    Code(RvError::FunctionRejected, Recovery::Retry),
    Code(RvError::GeneralError, Recovery::NewSession),
    Code(RvError::FunctionFailed, Recovery::NewSession),
    Code(RvError::KeyHandleInvalid, Recovery::NewSession),
    Code(RvError::ObjectHandleInvalid, Recovery::NewSession),
    Code(RvError::OperationActive, Recovery::NewSession),
    Code(RvError::OperationNotInitialized, Recovery::NewSession),
    Code(RvError::SessionClosed, Recovery::NewSession),
    Code(RvError::SessionHandleInvalid, Recovery::NewSession),
    Code(RvError::SessionReadOnly, Recovery::NewSession),
    Code(RvError::SavedStateInvalid, Recovery::NewSession),
    Code(RvError::UserNotLoggedIn, Recovery::LogInAgain),
    Code(RvError::DeviceError, Recovery::Reinitialise),
    Code(RvError::CryptokiNotInitialized, Recovery::Reinitialise),
    Code(RvError::MutexBad, Recovery::Reinitialise),
    Code(RvError::MutexNotLocked, Recovery::Reinitialise),
    Code(RvError::HostMemory, Recovery::OtherToken),
    Code(RvError::SlotIdInvalid, Recovery::OtherToken),
    Code(RvError::DeviceMemory, Recovery::OtherToken),
    Code(RvError::DeviceRemoved, Recovery::OtherToken),
    Code(RvError::PinIncorrect, Recovery::OtherToken),
    Code(RvError::PinInvalid, Recovery::OtherToken),
    Code(RvError::PinLenRange, Recovery::OtherToken),
    Code(RvError::PinExpired, Recovery::OtherToken),
    Code(RvError::PinLocked, Recovery::OtherToken),
    Code(RvError::SessionCount, Recovery::OtherToken),
    Code(RvError::SessionReadWriteSoExists, Recovery::OtherToken),
    Code(RvError::TokenNotPresent, Recovery::OtherToken),
    Code(RvError::TokenNotRecognized, Recovery::OtherToken),
    Code(RvError::UserPinNotInitialized, Recovery::OtherToken),
    Code(RvError::UserAnotherAlreadyLoggedIn, Recovery::OtherToken),
    Code(RvError::UserTooManyTypes, Recovery::OtherToken),
    Code(RvError::FipsSelfTestFailed, Recovery::OtherToken),
    Code(RvError::LibraryLoadFailed, Recovery::OtherToken),
    Code(RvError::ArgumentsBad, Recovery::Fatal),
    Code(RvError::NeedToCreateThreads, Recovery::Fatal),
    Code(RvError::CantLock, Recovery::Fatal),
    Code(RvError::AttributeReadOnly, Recovery::Fatal),
    Code(RvError::AttributeSensitive, Recovery::Fatal),
    Code(RvError::AttributeTypeInvalid, Recovery::Fatal),
    Code(RvError::AttributeValueInvalid, Recovery::Fatal),
    Code(RvError::ActionProhibited, Recovery::Fatal),
    Code(RvError::DataInvalid, Recovery::Fatal),
    Code(RvError::DataLenRange, Recovery::Fatal),
    Code(RvError::EncryptedDataInvalid, Recovery::Fatal),
    Code(RvError::EncryptedDataLenRange, Recovery::Fatal),
    Code(RvError::FunctionNotParallel, Recovery::Fatal),
    Code(RvError::FunctionNotSupported, Recovery::Fatal),
    Code(RvError::CurveNotSupported, Recovery::Fatal),
    Code(RvError::KeySizeRange, Recovery::Fatal),
    Code(RvError::KeyTypeInconsistent, Recovery::Fatal),
    Code(RvError::KeyNotNeeded, Recovery::Fatal),
    Code(RvError::KeyChanged, Recovery::Fatal),
    Code(RvError::KeyNeeded, Recovery::Fatal),
    Code(RvError::KeyIndigestible, Recovery::Fatal),
    Code(RvError::KeyFunctionNotPermitted, Recovery::Fatal),
    Code(RvError::KeyNotWrappable, Recovery::Fatal),
    Code(RvError::KeyUnextractable, Recovery::Fatal),
    Code(RvError::MechanismInvalid, Recovery::Fatal),
    Code(RvError::MechanismParamInvalid, Recovery::Fatal),
    Code(RvError::SessionParallelNotSupported, Recovery::Fatal),
    Code(RvError::SessionExists, Recovery::Fatal),
    Code(RvError::SessionReadOnlyExists, Recovery::Fatal),
    Code(RvError::SignatureInvalid, Recovery::Fatal),
    Code(RvError::SignatureLenRange, Recovery::Fatal),
    Code(RvError::TemplateIncomplete, Recovery::Fatal),
    Code(RvError::TemplateInconsistent, Recovery::Fatal),
    Code(RvError::TokenWriteProtected, Recovery::Fatal),
    Code(RvError::UnwrappingKeyHandleInvalid, Recovery::Fatal),
    Code(RvError::UnwrappingKeySizeRange, Recovery::Fatal),
    Code(RvError::UnwrappingKeyTypeInconsistent, Recovery::Fatal),
    Code(RvError::UserAlreadyLoggedIn, Recovery::Fatal),
    Code(RvError::UserTypeInvalid, Recovery::Fatal),
    Code(RvError::WrappedKeyInvalid, Recovery::Fatal),
    Code(RvError::WrappedKeyLenRange, Recovery::Fatal),
    Code(RvError::WrappingKeyHandleInvalid, Recovery::Fatal),
    Code(RvError::WrappingKeySizeRange, Recovery::Fatal),
    Code(RvError::WrappingKeyTypeInconsistent, Recovery::Fatal),
    Code(RvError::RandomSeedNotSupported, Recovery::Fatal),
    Code(RvError::RandomNoRng, Recovery::Fatal),
    Code(RvError::DomainParamsInvalid, Recovery::Fatal),
    Code(RvError::InformationSensitive, Recovery::Fatal),
    Code(RvError::StateUnsaveable, Recovery::Fatal),
    Code(RvError::CryptokiAlreadyInitialized, Recovery::Fatal),
    Code(RvError::NewPinMode, Recovery::Fatal),
    Code(RvError::NextOtp, Recovery::Fatal),
    Code(RvError::ExceededMaxIterations, Recovery::Fatal),
    Code(RvError::PinTooWeak, Recovery::Fatal),
    Code(RvError::PublicKeyInvalid, Recovery::Fatal),
    Code(RvError::VendorDefined(0x8000_0001), Recovery::NewSession),
];

/// The name the standard gives it, as the control file of the faulty module wants it.
pub(crate) fn name(code: RvError) -> String {
    if let RvError::VendorDefined(number) | RvError::UnknownErrorCode(number) = code {
        return format!("{number:#x}");
    }
    let mut name = "CKR".to_owned();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// Whether a login that is answered so says something of the PIN, which is then never sent again.
pub(crate) fn is_about_the_pin(code: RvError) -> bool {
    matches!(
        code,
        RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
    )
}

/// Whether an attribute that is answered so is taken as one that the object does not have, or does not tell (PKCS#11 3.0 §5.7.5).
pub(crate) fn is_taken_as_left_out(code: RvError) -> bool {
    matches!(code, RvError::AttributeSensitive | RvError::AttributeTypeInvalid)
}

/// Whether it says that what was to be signed is wrong.
pub(crate) fn is_about_the_request(code: RvError) -> bool {
    matches!(code, RvError::DataInvalid | RvError::DataLenRange)
}
