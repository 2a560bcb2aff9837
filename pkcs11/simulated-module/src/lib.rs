//! A simulated HSM: SoftHSM2 whose `C_Sign` takes as long, and is answered as many at a time, as a network HSM's.
//!
//! Everything else goes to SoftHSM2 unchanged: its function list is copied and one entry replaced. Set by the environment:
//! `SIMULATED_HSM_LATENCY_US` (2000), `SIMULATED_HSM_CONCURRENCY` (32) and `SIMULATED_HSM_MODULE` (where Debian puts
//! SoftHSM2). A question for a signature's length is answered at once, as the client libraries of such HSMs do. For
//! measurements only: the latency is simulated, the signatures and the CPU they cost are SoftHSM2's.

mod places;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cryptoki_sys::{
    CK_BYTE_PTR, CK_C_GetFunctionList, CK_FUNCTION_LIST, CK_FUNCTION_LIST_PTR_PTR, CK_RV, CK_SESSION_HANDLE,
    CK_ULONG, CK_ULONG_PTR, CKR_ARGUMENTS_BAD, CKR_FUNCTION_FAILED, CKR_FUNCTION_NOT_SUPPORTED, CKR_OK,
};
use libloading::Library;

use places::Places;

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// The module behind, and what is simulated in front of it.
struct Simulation {
    list: CK_FUNCTION_LIST,
    behind: CK_FUNCTION_LIST,
    latency: Duration,
    places: Places,
    _library: Library,
}

static SIMULATION: OnceLock<Option<Simulation>> = OnceLock::new();

fn simulation() -> Option<&'static Simulation> {
    SIMULATION.get_or_init(open).as_ref()
}

fn open() -> Option<Simulation> {
    let module = std::env::var_os("SIMULATED_HSM_MODULE").unwrap_or_else(|| SOFTHSM.into());
    // SAFETY: loading runs the library's constructors; the library is the PKCS#11 module that the operator named.
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
    let behind = *unsafe { list.as_ref() }?;
    let mut list = behind;
    list.C_Sign = Some(sign);
    Some(Simulation {
        list,
        behind,
        latency: Duration::from_micros(number("SIMULATED_HSM_LATENCY_US", 2000)),
        places: Places::new(
            usize::try_from(number("SIMULATED_HSM_CONCURRENCY", 32))
                .unwrap_or(32)
                .max(1),
        ),
        _library: library,
    })
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// `C_Sign` of the module behind, answered when the simulated latency is over. The work is part of the latency.
unsafe extern "C" fn sign(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_length: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_length: CK_ULONG_PTR,
) -> CK_RV {
    let Some(simulation) = simulation() else {
        return CKR_FUNCTION_FAILED;
    };
    let Some(behind) = simulation.behind.C_Sign else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    let place = (!signature.is_null()).then(|| simulation.places.take());
    let until = Instant::now() + simulation.latency;
    // SAFETY: the arguments are the caller's, who owes `C_Sign` exactly what its standard asks.
    let verdict = unsafe { behind(session, data, data_length, signature, signature_length) };
    if place.is_some() {
        places::wait_until(until);
    }
    verdict
}

/// PKCS#11 2.40 §5.4: the function list, with the simulated `C_Sign`.
///
/// # Safety
/// `list` is null or points to where a pointer can be written.
// SAFETY: the name is the one the standard gives, and no other object of this library exports it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    let Some(simulation) = simulation() else {
        return CKR_FUNCTION_FAILED;
    };
    // SAFETY: the caller answers for it, as the contract of this function says.
    let Some(list) = (unsafe { list.as_mut() }) else {
        return CKR_ARGUMENTS_BAD;
    };
    *list = (&raw const simulation.list).cast_mut();
    CKR_OK
}
