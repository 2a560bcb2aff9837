//! A faulty HSM: another PKCS#11 module (SoftHSM2), with faults in front of it.
//!
//! Every call goes to the module behind unchanged, unless a line of the control file says what is to happen with it (`rule.rs` has
//! the form of a line). Set by the environment: `FAULTY_PKCS11_MODULE` (where Debian puts SoftHSM2), `FAULTY_PKCS11_CONTROL` (the
//! file of faults; there are none when it is not there) and `FAULTY_PKCS11_JOURNAL` (a file that gets a line for each login and
//! each fault). A test counterpart only: the product neither links nor ships it.

mod answers;
mod behind;
mod calls;
mod codes;
mod control;
mod rule;

use cryptoki_sys::{CK_FUNCTION_LIST_PTR_PTR, CK_RV, CKR_ARGUMENTS_BAD, CKR_FUNCTION_FAILED, CKR_OK};

/// PKCS#11 2.40 §5.4: the function list, with the faults.
///
/// # Safety
/// `list` is null or points to where a pointer can be written.
// SAFETY: the name is the one the standard gives, and no other object of this library exports it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    let Some(behind) = behind::behind() else {
        return CKR_FUNCTION_FAILED;
    };
    // SAFETY: the caller answers for it, as the contract of this function says.
    let Some(list) = (unsafe { list.as_mut() }) else {
        return CKR_ARGUMENTS_BAD;
    };
    *list = (&raw const behind.list).cast_mut();
    CKR_OK
}
