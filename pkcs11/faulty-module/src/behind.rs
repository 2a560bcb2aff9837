//! The module behind: loaded once, with what is known of its slots and sessions.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cryptoki_sys::{
    CK_C_GetFunctionList, CK_FUNCTION_LIST, CK_SESSION_HANDLE, CK_SLOT_ID, CK_TOKEN_INFO, CKR_OK,
};
use libloading::Library;

use crate::calls;
use crate::control::Control;

/// Names the module behind.
const MODULE: &str = "FAULTY_PKCS11_MODULE";
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// The module behind, and the faults in front of it.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) list: CK_FUNCTION_LIST,
    pub(crate) real: CK_FUNCTION_LIST,
    pub(crate) control: Control,
    places: Mutex<Places>,
    /// Held for reading during calls, for writing while sessions are ended under their users: SoftHSM does not bear that.
    calls: RwLock<()>,
    _library: Library,
}

/// Where things are.
#[derive(Debug, Default)]
struct Places {
    sessions: HashMap<CK_SESSION_HANDLE, CK_SLOT_ID>,
    labels: HashMap<CK_SLOT_ID, String>,
    /// Slots whose device is away and whose sessions were ended for it.
    taken_out: HashSet<CK_SLOT_ID>,
}

static BEHIND: OnceLock<Option<Behind>> = OnceLock::new();

/// The module behind; `None` when it cannot be loaded.
pub(crate) fn behind() -> Option<&'static Behind> {
    BEHIND.get_or_init(open).as_ref()
}

fn open() -> Option<Behind> {
    let module = std::env::var_os(MODULE).unwrap_or_else(|| OsString::from(SOFTHSM));
    // SAFETY: loading runs the library's constructors; the library is the PKCS#11 module that the tester named.
    let library = unsafe { Library::new(module) }.ok()?;
    // SAFETY: PKCS#11 2.40 §5.4 gives the symbol this type, up to the wrapping of a function pointer in an Option.
    let entry: CK_C_GetFunctionList = unsafe { library.get(b"C_GetFunctionList\0") }
        .ok()
        .map(|symbol| *symbol)?;
    let mut list = std::ptr::null_mut();
    // SAFETY: the function writes one pointer to where its argument points.
    if unsafe { entry?(&raw mut list) } != CKR_OK {
        return None;
    }
    // SAFETY: after CKR_OK it points to a function list that lives as long as the library, which is kept below.
    let real = *unsafe { list.as_ref() }?;
    Some(Behind {
        list: calls::in_front_of(real),
        real,
        control: Control::from_environment(),
        places: Mutex::default(),
        calls: RwLock::default(),
        _library: library,
    })
}

impl Behind {
    /// Keeps sessions from being ended while a call is made.
    pub(crate) fn calling(&self) -> RwLockReadGuard<'_, ()> {
        self.calls.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for all calls to end, and keeps others away.
    pub(crate) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.calls.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of a session.
    pub(crate) fn slot_of(&self, session: CK_SESSION_HANDLE) -> Option<CK_SLOT_ID> {
        self.places().sessions.get(&session).copied()
    }

    /// A session was opened.
    pub(crate) fn opened(&self, session: CK_SESSION_HANDLE, slot: CK_SLOT_ID) {
        let mut places = self.places();
        places.sessions.insert(session, slot);
        places.taken_out.remove(&slot);
    }

    /// The library begins anew: slots may be others.
    pub(crate) fn forget(&self) {
        *self.places() = Places::default();
    }

    /// The label of the token in a slot, as the module behind says.
    pub(crate) fn label(&self, slot: CK_SLOT_ID) -> Option<String> {
        if let Some(label) = self.places().labels.get(&slot) {
            return Some(label.clone());
        }
        let mut info = CK_TOKEN_INFO::default();
        let calling = self.calling();
        // SAFETY: the second argument points to a structure of the type that the standard gives.
        if unsafe { self.real.C_GetTokenInfo?(slot, &raw mut info) } != CKR_OK {
            return None;
        }
        drop(calling);
        let label = String::from_utf8_lossy(&info.label).trim_end().to_owned();
        if !label.is_empty() {
            self.places().labels.insert(slot, label.clone());
        }
        Some(label)
    }

    /// Ends the sessions of a device that was taken out, as the standard says of it (PKCS#11 3.0 §5.6.1), so that they stay
    /// void when it is back.
    pub(crate) fn take_out(&self, slot: CK_SLOT_ID) {
        if !self.places().taken_out.insert(slot) {
            return;
        }
        let _alone = self.alone();
        if let Some(close) = self.real.C_CloseAllSessions {
            // SAFETY: the function takes a number alone.
            let _ = unsafe { close(slot) };
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
