//! A vendor's PKCS#11 library, loaded and initialised once.
//!
//! `C_Initialize` is a matter of the whole process, so the module counts how often it was done: whatever was opened
//! under an earlier count (sessions, object handles, logins) is void, and is not even closed, since its number may
//! belong to something else by now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as CkError, RvError};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use crate::error::Error;
use crate::module_error::ModuleError;

/// How long a re-initialisation waits for calls into the library to end, during which nobody begins another.
const QUIET: Duration = Duration::from_secs(2);
/// The same while other tokens of the library are at work: one that hangs must not hold them up for the sake of another.
const QUIET_AMONG_OTHERS: Duration = Duration::from_millis(100);
/// How often the tokens of a library are disturbed for the sake of one that is away.
const BETWEEN_LOOKS: Duration = Duration::from_mins(1);
/// How often a library without attached tokens is initialised anew.
const BETWEEN_LONE_LOOKS: Duration = Duration::from_secs(4);

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
    /// How many tokens are attached through it.
    attached: AtomicUsize,
    /// When it was last initialised anew to look for a token.
    looked: Mutex<Option<Instant>>,
}

/// What became of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Came,
    Went,
}

impl Module {
    /// Loads the library. It is initialised by the first [`Module::ensure_initialised`], so that an HSM that is away
    /// does not keep the service from starting.
    pub(crate) fn load(path: &Path) -> Result<Arc<Self>, Error> {
        let pkcs11 = Pkcs11::new(path).map_err(|source| Error::ModuleLoad {
            path: path.to_owned(),
            source: ModuleError(source),
        })?;
        Ok(Arc::new(Self {
            pkcs11,
            path: path.to_owned(),
            gate: RwLock::new(()),
            generation: AtomicU64::new(0),
            ours: AtomicBool::new(false),
            attached: AtomicUsize::new(0),
            looked: Mutex::new(None),
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

    /// Whether the library itself says that it is not initialised.
    pub(crate) fn is_void(&self) -> bool {
        matches!(
            self.pkcs11.get_library_info(),
            Err(CkError::Pkcs11(RvError::CryptokiNotInitialized, _))
        )
    }

    /// Keeps re-initialisation away while calls are made, and waits when it has asked for its turn.
    pub(crate) fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read()
    }

    /// The same for what may happen inside [`Module::enter`], such as the closing of a session: does not wait for
    /// somebody who waits for us.
    pub(crate) fn enter_within(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read_recursive()
    }

    /// Counts the tokens of this module that are attached.
    pub(crate) fn count_attached(&self, change: Change) {
        match change {
            Change::Came => self.attached.fetch_add(1, Ordering::AcqRel),
            Change::Went => self.attached.fetch_sub(1, Ordering::AcqRel),
        };
    }

    /// Initialises the library anew for the sake of a token that it does not show: some libraries (SoftHSM) look for
    /// tokens only then. That breaks off what the other tokens of the module have open, so for their sake it is done
    /// at most once a minute while there are any. Says whether it was done.
    pub(crate) fn look_again(&self, now: Instant) -> Result<bool, CkError> {
        let others = self.attached.load(Ordering::Acquire);
        let pause = if others == 0 {
            BETWEEN_LONE_LOOKS
        } else {
            BETWEEN_LOOKS
        };
        let generation = self.generation();
        if generation == 0 || !self.is_due(now, pause) {
            return Ok(false);
        }
        self.reinitialise(generation, others).map(|_| true)
    }

    /// Initialises the library anew for the sake of an attached token whose device fails, unless somebody has done it since
    /// `seen`: at once when it is the only one, and as seldom as for a token that is away when there are others. Says whether it
    /// was done.
    pub(crate) fn start_over(&self, seen: u64, now: Instant) -> Result<bool, CkError> {
        let others = self.attached.load(Ordering::Acquire).saturating_sub(1);
        if others > 0 && self.generation() == seen && !self.is_due(now, BETWEEN_LOOKS) {
            return Ok(false);
        }
        self.reinitialise(seen, others).map(|_| true)
    }

    /// Whether the other tokens of the library were left in peace for so long; if so, they are disturbed now.
    fn is_due(&self, now: Instant, pause: Duration) -> bool {
        let mut looked = self.looked.lock();
        let is_due = looked.is_none_or(|last| now.saturating_duration_since(last) >= pause);
        if is_due {
            *looked = Some(now);
        }
        is_due
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

    /// `C_Finalize` and `C_Initialize`, unless somebody has done it since `seen`. So many other tokens are at work.
    pub(crate) fn reinitialise(&self, seen: u64, others: usize) -> Result<u64, CkError> {
        let quiet = if others == 0 { QUIET } else { QUIET_AMONG_OTHERS };
        let Some(_alone) = self.gate.try_write_for(quiet) else {
            return Err(CkError::Pkcs11(
                RvError::FunctionFailed,
                cryptoki::context::Function::Finalize,
            ));
        };
        if self.generation() == seen {
            // A library that has lost its footing may refuse this; what counts is whether it can be initialised.
            let _ = self.pkcs11.clone().finalize();
            tracing::debug!(module = %self.path.display(), "initialising the PKCS#11 module anew");
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
