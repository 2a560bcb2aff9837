//! The functions that can fail: each asks the control file first, and then calls the one behind.

#![allow(non_snake_case, reason = "the functions have the names of the standard")]

use std::time::Duration;

use cryptoki_sys::{
    CK_ATTRIBUTE_PTR, CK_FUNCTION_LIST, CK_MECHANISM_PTR, CK_MECHANISM_TYPE_PTR, CK_OBJECT_HANDLE,
    CK_OBJECT_HANDLE_PTR, CK_RV, CK_SESSION_HANDLE, CK_SESSION_INFO_PTR, CK_SLOT_ID, CK_SLOT_INFO_PTR,
    CK_TOKEN_INFO_PTR, CK_ULONG, CK_ULONG_PTR, CK_USER_TYPE, CK_UTF8CHAR_PTR, CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_DEVICE_REMOVED, CKR_FUNCTION_FAILED, CKR_FUNCTION_NOT_SUPPORTED, CKR_TOKEN_NOT_PRESENT,
};

use crate::answers;
use crate::behind::{Behind, behind};
use crate::rule::Action;

/// The function list with what can fail in front of the module behind.
pub(crate) fn in_front_of(real: CK_FUNCTION_LIST) -> CK_FUNCTION_LIST {
    let mut list = real;
    list.C_Initialize = Some(answers::initialize);
    list.C_Finalize = Some(answers::finalize);
    list.C_GetSlotList = Some(answers::get_slot_list);
    list.C_OpenSession = Some(answers::open_session);
    list.C_GetAttributeValue = Some(answers::get_attribute_value);
    list.C_Sign = Some(answers::sign);
    list.C_GetSlotInfo = Some(C_GetSlotInfo);
    list.C_GetTokenInfo = Some(C_GetTokenInfo);
    list.C_GetMechanismList = Some(C_GetMechanismList);
    list.C_CloseSession = Some(C_CloseSession);
    list.C_GetSessionInfo = Some(C_GetSessionInfo);
    list.C_Login = Some(C_Login);
    list.C_Logout = Some(C_Logout);
    list.C_CopyObject = Some(C_CopyObject);
    list.C_FindObjectsInit = Some(C_FindObjectsInit);
    list.C_FindObjects = Some(C_FindObjects);
    list.C_FindObjectsFinal = Some(C_FindObjectsFinal);
    list.C_SignInit = Some(C_SignInit);
    list.C_DestroyObject = Some(C_DestroyObject);
    list.C_GenerateKeyPair = Some(answers::generate_key_pair);
    list
}

/// What comes of asking before a call.
pub(crate) enum Verdict {
    /// The call is answered with this.
    Answer(CK_RV),
    /// The call is made; what it answers may be changed.
    Go(Option<Action>),
}

/// Asks the control file about a call in a slot, and does what need not wait for the call.
pub(crate) fn before(behind: &Behind, function: &str, slot: Option<CK_SLOT_ID>) -> Verdict {
    let token = slot.and_then(|slot| behind.label(slot));
    if let Some(slot) = slot
        && behind.control.is_removed(slot, token.as_deref())
    {
        behind.take_out(slot);
        return match function {
            "C_GetSlotInfo" => Verdict::Go(None),
            "C_OpenSession" | "C_GetTokenInfo" | "C_GetMechanismList" => {
                Verdict::Answer(CKR_TOKEN_NOT_PRESENT)
            }
            _ => Verdict::Answer(CKR_DEVICE_REMOVED),
        };
    }
    let Some((rule, action)) = behind.control.meet(function, slot, token.as_deref()) else {
        return Verdict::Go(None);
    };
    match action {
        Action::Answer(code) => {
            if code == CKR_CRYPTOKI_NOT_INITIALIZED {
                finalize_behind(behind);
            }
            return Verdict::Answer(code);
        }
        Action::Hang => {
            while behind.control.holds(&rule) {
                pause(Duration::from_millis(5));
            }
        }
        Action::Delay(milliseconds) => pause(Duration::from_millis(milliseconds)),
        Action::Exit(status) => std::process::exit(status),
        Action::Abort => std::process::abort(),
        Action::Removed | Action::Wrong | Action::Made(_) | Action::Half(_) | Action::Attribute(..) => {
            return Verdict::Go(Some(action));
        }
    }
    Verdict::Go(None)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a call that hangs holds up the thread that makes it"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A library that says it is not initialised is not: whoever believes it may initialise it.
fn finalize_behind(behind: &Behind) {
    let _alone = behind.alone();
    behind.forget();
    if let Some(finalize) = behind.real.C_Finalize {
        // SAFETY: the standard wants a null pointer.
        let _ = unsafe { finalize(std::ptr::null_mut()) };
    }
}

/// The slot of a session.
fn session(behind: &Behind, session: CK_SESSION_HANDLE) -> Option<CK_SLOT_ID> {
    behind.slot_of(session)
}

/// A slot itself.
#[expect(clippy::unnecessary_wraps, reason = "one shape with `session`")]
fn slot(_: &Behind, slot: CK_SLOT_ID) -> Option<CK_SLOT_ID> {
    Some(slot)
}

/// Functions whose answer is never changed. The word before the first argument says what it is.
macro_rules! asked_first {
    ($($name:ident($place:ident $first:ident: $first_type:ty $(, $argument:ident: $type:ty)*);)*) => {
        $(
            unsafe extern "C" fn $name($first: $first_type $(, $argument: $type)*) -> CK_RV {
                let Some(behind) = behind() else {
                    return CKR_FUNCTION_FAILED;
                };
                let Some(real) = behind.real.$name else {
                    return CKR_FUNCTION_NOT_SUPPORTED;
                };
                match before(behind, stringify!($name), $place(behind, $first)) {
                    Verdict::Answer(code) => code,
                    Verdict::Go(_) => {
                        let _calling = behind.calling();
                        // SAFETY: the arguments are the caller's, who owes the function exactly what its standard asks.
                        unsafe { real($first $(, $argument)*) }
                    }
                }
            }
        )*
    };
}

asked_first! {
    C_GetSlotInfo(slot id: CK_SLOT_ID, info: CK_SLOT_INFO_PTR);
    C_GetTokenInfo(slot id: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR);
    C_GetMechanismList(slot id: CK_SLOT_ID, mechanisms: CK_MECHANISM_TYPE_PTR, count: CK_ULONG_PTR);
    C_CloseSession(session handle: CK_SESSION_HANDLE);
    C_GetSessionInfo(session handle: CK_SESSION_HANDLE, info: CK_SESSION_INFO_PTR);
    C_Login(session handle: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: CK_UTF8CHAR_PTR, length: CK_ULONG);
    C_Logout(session handle: CK_SESSION_HANDLE);
    C_CopyObject(session handle: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, template: CK_ATTRIBUTE_PTR,
        count: CK_ULONG, copy: CK_OBJECT_HANDLE_PTR);
    C_FindObjectsInit(session handle: CK_SESSION_HANDLE, template: CK_ATTRIBUTE_PTR, count: CK_ULONG);
    C_FindObjects(session handle: CK_SESSION_HANDLE, objects: CK_OBJECT_HANDLE_PTR, most: CK_ULONG, count: CK_ULONG_PTR);
    C_FindObjectsFinal(session handle: CK_SESSION_HANDLE);
    C_SignInit(session handle: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE);
    C_DestroyObject(session handle: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE);
}
