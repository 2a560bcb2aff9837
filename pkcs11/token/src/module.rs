//! A vendor's PKCS#11 library, loaded and initialised once.
//!
//! `C_Initialize` is a matter of the whole process, so the module counts how often it was done: whatever was opened
//! under an earlier count (sessions, object handles, logins) is void, and is not even closed, since its number may
//! belong to something else by now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as CkError, RvError};
use parking_lot::{RwLock, RwLockReadGuard};

use crate::error::Error;

/// How long a re-initialisation waits for calls into the library to end.
const QUIET: Duration = Duration::from_secs(2);

/// A loaded PKCS#11 library.
#[derive(Debug)]
pub(crate) struct Module {
    pkcs11: Pkcs11,
    path: PathBuf,
    /// Held for reading during calls into the library, for writing while it is initialised anew.
    gate: RwLock<()>,
    generation: AtomicU64,
    /// Whether `C_Initialize` was ours, so that `C_Finalize` is.
    ours: AtomicBool,
}

impl Module {
    /// Loads the library. It is initialised by the first [`Module::ensure_initialised`], so that an HSM that is away
    /// does not keep the service from starting.
    pub(crate) fn load(path: &Path) -> Result<Arc<Self>, Error> {
        let pkcs11 = Pkcs11::new(path).map_err(|source| Error::ModuleLoad {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Arc::new(Self {
            pkcs11,
            path: path.to_owned(),
            gate: RwLock::new(()),
            generation: AtomicU64::new(0),
            ours: AtomicBool::new(false),
        }))
    }

    /// The library's functions.
    pub(crate) fn pkcs11(&self) -> &Pkcs11 {
        &self.pkcs11
    }

    /// Where it was loaded from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How often it was initialised; zero when it never was.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps re-initialisation away while calls are made. Recursive, because closing a session inside a call enters
    /// again.
    pub(crate) fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read_recursive()
    }

    /// Initialises the library when that has not been done, and gives the generation.
    pub(crate) fn ensure_initialised(&self) -> Result<u64, CkError> {
        if self.generation() == 0 {
            let _alone = self.gate.write();
            if self.generation() == 0 {
                self.initialise()?;
            }
        }
        Ok(self.generation())
    }

    /// `C_Finalize` and `C_Initialize`, unless somebody has done it since `seen`.
    pub(crate) fn reinitialise(&self, seen: u64) -> Result<u64, CkError> {
        let Some(_alone) = self.gate.try_write_for(QUIET) else {
            return Err(CkError::Pkcs11(
                RvError::FunctionFailed,
                cryptoki::context::Function::Finalize,
            ));
        };
        if self.generation() == seen {
            // A library that has lost its footing may refuse this; what counts is whether it can be initialised.
            let _ = self.pkcs11.clone().finalize();
            tracing::warn!(module = %self.path.display(), "initialising the PKCS#11 module anew");
            self.initialise()?;
        }
        Ok(self.generation())
    }

    fn initialise(&self) -> Result<(), CkError> {
        match self
            .pkcs11
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        {
            Ok(()) => self.ours.store(true, Ordering::Release),
            Err(CkError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(error),
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.ours.load(Ordering::Acquire) {
            let _ = self.pkcs11.clone().finalize();
        }
    }
}
