//! Kryoptic, an independent PKCS#11 soft token with the ML-DSA mechanisms of PKCS#11 3.2, as a loadable module.
//!
//! The published library leaves the three entry points of a module to whoever builds one; they are all this file
//! holds. A test counterpart only: the product neither links nor ships it.

use kryoptic_lib::fns::general;
use kryoptic_lib::pkcs11::{
    CK_FLAGS, CK_FUNCTION_LIST_PTR_PTR, CK_INTERFACE_PTR, CK_INTERFACE_PTR_PTR, CK_RV, CK_ULONG_PTR, CK_UTF8CHAR_PTR,
    CK_VERSION_PTR,
};

/// PKCS#11 3.2 §5.4.4: the function table of version 2.40.
// SAFETY: the name is the one the standard gives, and no other object of this library exports it.
#[unsafe(no_mangle)]
pub extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    general::fn_get_function_list(list)
}

/// PKCS#11 3.2 §5.4.5: the interfaces this module has.
// SAFETY: the name is the one the standard gives, and no other object of this library exports it.
#[unsafe(no_mangle)]
pub extern "C" fn C_GetInterfaceList(interfaces: CK_INTERFACE_PTR, count: CK_ULONG_PTR) -> CK_RV {
    general::fn_get_interface_list(interfaces, count)
}

/// PKCS#11 3.2 §5.4.6: one interface, by name and version.
// SAFETY: the name is the one the standard gives, and no other object of this library exports it.
#[unsafe(no_mangle)]
pub extern "C" fn C_GetInterface(
    name: CK_UTF8CHAR_PTR,
    version: CK_VERSION_PTR,
    interface: CK_INTERFACE_PTR_PTR,
    flags: CK_FLAGS,
) -> CK_RV {
    general::fn_get_interface(name, version, interface, flags)
}
