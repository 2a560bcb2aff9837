//! The functions whose answers may be changed, or that this module has to follow: where sessions are, which slots have a device.

use std::ffi::c_void;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_ATTRIBUTE_PTR, CK_ATTRIBUTE_TYPE, CK_BBOOL, CK_BYTE_PTR, CK_FALSE, CK_FLAGS,
    CK_MECHANISM_PTR, CK_NOTIFY, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE_PTR, CK_RV, CK_SESSION_HANDLE,
    CK_SESSION_HANDLE_PTR, CK_SLOT_ID, CK_SLOT_ID_PTR, CK_ULONG, CK_ULONG_PTR, CK_VOID_PTR,
    CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL, CKR_FUNCTION_FAILED, CKR_OK,
};

use crate::behind::behind;
use crate::calls::{Verdict, before};
use crate::rule::Action;

/// The module behind and the function wanted of it, or the answer when there is none.
macro_rules! behind_or_fail {
    ($name:ident) => {{
        let Some(behind) = behind() else {
            return CKR_FUNCTION_FAILED;
        };
        let Some(real) = behind.real.$name else {
            return CKR_FUNCTION_FAILED;
        };
        (behind, real)
    }};
}

/// What is to be done with the answer of the call, or the answer in its place.
macro_rules! go_or_answer {
    ($verdict:expr) => {
        match $verdict {
            Verdict::Answer(code) => return code,
            Verdict::Go(action) => action,
        }
    };
}

pub(crate) unsafe extern "C" fn initialize(arguments: CK_VOID_PTR) -> CK_RV {
    let (behind, real) = behind_or_fail!(C_Initialize);
    go_or_answer!(before(behind, "C_Initialize", None));
    behind.forget();
    let _alone = behind.alone();
    // SAFETY: the argument is the caller's, who owes the function what its standard asks.
    unsafe { real(arguments) }
}

pub(crate) unsafe extern "C" fn finalize(reserved: CK_VOID_PTR) -> CK_RV {
    let (behind, real) = behind_or_fail!(C_Finalize);
    go_or_answer!(before(behind, "C_Finalize", None));
    behind.forget();
    let _alone = behind.alone();
    // SAFETY: the argument is the caller's, who owes the function what its standard asks.
    unsafe { real(reserved) }
}

/// Without the slots whose device is away, where tokens are asked for.
pub(crate) unsafe extern "C" fn get_slot_list(
    token_present: CK_BBOOL,
    slots: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    let (behind, real) = behind_or_fail!(C_GetSlotList);
    go_or_answer!(before(behind, "C_GetSlotList", None));
    let mut all = [0; 256];
    let mut length = all.len() as CK_ULONG;
    let calling = behind.calling();
    // SAFETY: the list has the length that it is said to have.
    let code = unsafe { real(token_present, all.as_mut_ptr(), &raw mut length) };
    drop(calling);
    if code != CKR_OK {
        return code;
    }
    let shown: Vec<CK_SLOT_ID> = all
        .into_iter()
        .take(usize::try_from(length).unwrap_or(0))
        .filter(|slot| {
            let label = behind.label(*slot);
            token_present == CK_FALSE || !behind.control.is_removed(*slot, label.as_deref())
        })
        .collect();
    // SAFETY: the caller owes a pointer to a count.
    let Some(count) = (unsafe { count.as_mut() }) else {
        return CKR_ARGUMENTS_BAD;
    };
    let room = std::mem::replace(count, shown.len() as CK_ULONG);
    if slots.is_null() {
        return CKR_OK;
    }
    if room < *count {
        return CKR_BUFFER_TOO_SMALL;
    }
    // SAFETY: the caller's list has room for as many as he said, which is enough.
    unsafe { std::ptr::copy_nonoverlapping(shown.as_ptr(), slots, shown.len()) };
    CKR_OK
}

pub(crate) unsafe extern "C" fn open_session(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: *mut c_void,
    notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    let (behind, real) = behind_or_fail!(C_OpenSession);
    go_or_answer!(before(behind, "C_OpenSession", Some(slot)));
    let _calling = behind.calling();
    // SAFETY: the arguments are the caller's, who owes the function what its standard asks.
    let code = unsafe { real(slot, flags, application, notify, session) };
    if code == CKR_OK {
        // SAFETY: the caller's pointer is one to a session, to which the module behind has written.
        behind.opened(unsafe { *session }, slot);
    }
    code
}

/// With one bit of the signature turned over, where a fault says so.
pub(crate) unsafe extern "C" fn sign(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_length: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_length: CK_ULONG_PTR,
) -> CK_RV {
    let (behind, real) = behind_or_fail!(C_Sign);
    let action = go_or_answer!(before(behind, "C_Sign", behind.slot_of(session)));
    let _calling = behind.calling();
    // SAFETY: the arguments are the caller's, who owes the function what its standard asks.
    let code = unsafe { real(session, data, data_length, signature, signature_length) };
    if code == CKR_OK && action == Some(Action::Wrong) && !signature.is_null() {
        // SAFETY: after CKR_OK the signature is there, and no signature is empty. Its tenth octet is in the middle of a number.
        unsafe { *signature.add(9) ^= 1 };
    }
    code
}

/// With an answer that tells nothing of the keys it made, where a fault says so: as when a device loses its connection after the
/// work, or between the two objects of a pair.
pub(crate) unsafe extern "C" fn generate_key_pair(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    public: CK_ATTRIBUTE_PTR,
    public_count: CK_ULONG,
    private: CK_ATTRIBUTE_PTR,
    private_count: CK_ULONG,
    public_key: CK_OBJECT_HANDLE_PTR,
    private_key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    let (behind, real) = behind_or_fail!(C_GenerateKeyPair);
    let action = go_or_answer!(before(behind, "C_GenerateKeyPair", behind.slot_of(session)));
    let _calling = behind.calling();
    // SAFETY: the arguments are the caller's, who owes the function what its standard asks.
    let code = unsafe {
        real(
            session,
            mechanism,
            public,
            public_count,
            private,
            private_count,
            public_key,
            private_key,
        )
    };
    match action {
        Some(Action::Made(answer)) if code == CKR_OK => answer,
        Some(Action::Half(answer)) if code == CKR_OK => {
            if let Some(destroy) = behind.real.C_DestroyObject {
                // SAFETY: after CKR_OK the handle of the public key is where the caller wanted it.
                let _ = unsafe { destroy(session, *public_key) };
            }
            answer
        }
        _ => code,
    }
}

/// With another value of one attribute, where a fault says so.
pub(crate) unsafe extern "C" fn get_attribute_value(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    let (behind, real) = behind_or_fail!(C_GetAttributeValue);
    let action = go_or_answer!(before(behind, "C_GetAttributeValue", behind.slot_of(session)));
    let _calling = behind.calling();
    let Some(Action::Attribute(kind, value)) = action else {
        // SAFETY: the arguments are the caller's, who owes the function what its standard asks.
        return unsafe { real(session, object, template, count) };
    };
    let wanted = rooms(template, count);
    // SAFETY: likewise.
    let code = unsafe { real(session, object, template, count) };
    lie(template, &wanted, kind, &value);
    code
}

/// How much room each attribute of a template has.
fn rooms(template: CK_ATTRIBUTE_PTR, count: CK_ULONG) -> Vec<CK_ULONG> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: a template has as many attributes as its caller says.
    let attributes: &[CK_ATTRIBUTE] = unsafe { std::slice::from_raw_parts(template, count) };
    attributes.iter().map(|attribute| attribute.ulValueLen).collect()
}

/// Writes the value wherever the attribute is asked for.
fn lie(template: CK_ATTRIBUTE_PTR, rooms: &[CK_ULONG], kind: CK_ATTRIBUTE_TYPE, value: &[u8]) {
    // SAFETY: it is the template whose attributes were counted.
    let attributes = unsafe { std::slice::from_raw_parts_mut(template, rooms.len()) };
    for (attribute, room) in attributes.iter_mut().zip(rooms) {
        if attribute.type_ != kind {
            continue;
        }
        if !attribute.pValue.is_null() && *room >= value.len() as CK_ULONG {
            // SAFETY: its caller has given it this much room.
            unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), attribute.pValue.cast(), value.len()) };
        }
        attribute.ulValueLen = value.len() as CK_ULONG;
    }
}
