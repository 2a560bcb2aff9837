//! A PKCS#11 token: a pool of sessions, handles of keys found once, and the mending of what breaks.
//!
//! Every use of the token runs through [`Hsm::with_mending`]: the operation is tried, its error is classed by
//! [`crate::recovery`], and the class decides what is done before the next attempt. A signature costs one lease of a
//! session, one look-up of the key, and the module's single-part `C_SignInit` and `C_Sign`.

mod attach;
mod generate;
mod lease;
mod leftovers;
mod mend;
mod missing;
mod own;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cryptoki::error::Error as CkError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::ObjectHandle;
use parking_lot::{Mutex, RwLock};
use signer_wire::{Input, KeyKind, KeyRecord, KeyRef, Scheme};

use crate::config::TokenConfig;
use crate::error::Error;
use crate::find::TokenKey;
use crate::keys::{BackendStatus, Keys};
use crate::mechanism;
use crate::module::{Change, Module};
use crate::module_error::{ModuleError, describe};
use crate::pin::PinSource;
use crate::pin_memory::PinMemory;
use crate::pool::Pool;
use crate::protection::{self, Protection};
use crate::recovery::{Recovery, recovery_of};
use crate::session::{OpenSession, SigningSession};
use crate::{ecdsa, find};

use attach::Attachment;
pub(crate) use attach::{Selector, find_slot};
use mend::Trouble;

/// How long a caller without a deadline waits for a session.
const PATIENCE: Duration = Duration::from_secs(30);
/// Sessions of a token whose configuration does not say how many: twice what the largest network HSMs want.
const MOST: usize = 64;

/// A PKCS#11 token.
#[derive(Debug)]
pub struct Hsm {
    name: String,
    selector: Selector,
    pin: PinSource,
    memory: PinMemory,
    module: Arc<Module>,
    pool: Pool<SigningSession>,
    width: usize,
    /// Whether to sign with session copies; cleared for good when the token refuses one.
    copies: AtomicBool,
    state: RwLock<State>,
    /// What attempts to make keys may have left in the token and could not be destroyed yet.
    leftovers: Mutex<Vec<leftovers::KeyId>>,
    /// Keys that were there, to be looked for when they are not.
    missing: Mutex<missing::Missing>,
    /// Held by the one thread that attaches, logs in or initialises anew.
    attaching: Mutex<()>,
}

#[derive(Debug, Clone)]
enum State {
    Attached(Arc<Attachment>),
    Away(String),
}

impl Hsm {
    /// Opens one configured token. A token that is not there now leaves the backend away, and [`Keys::tend`] brings
    /// it back; a module that cannot be loaded, a PIN that cannot be read and a PIN the token rejects are errors.
    pub fn open(config: &TokenConfig, state_directory: Option<&Path>) -> Result<Self, Error> {
        let hsm = Self::configured(Module::load(&config.module)?, config, state_directory)?;
        match hsm.tend() {
            Ok(()) => Ok(hsm),
            Err(error @ (Error::TokenAbsent { .. } | Error::Module { .. })) => {
                tracing::warn!(token = hsm.name, %error, "the token is away; it is looked for again from time to time");
                Ok(hsm)
            }
            Err(error) => Err(error),
        }
    }

    /// A configured token in a module that is loaded already; it is away until it is tended.
    pub(crate) fn configured(
        module: Arc<Module>,
        config: &TokenConfig,
        state_directory: Option<&Path>,
    ) -> Result<Self, Error> {
        Self::away(module, config, PinSource::of(config)?, state_directory)
    }

    /// Opens one token with a PIN from elsewhere than its configuration. A token that is not there is an error. That it
    /// rejected a PIN is remembered in `state_directory`, without one only by what this returns.
    pub fn connect(
        config: &TokenConfig,
        pin: PinSource,
        state_directory: Option<&Path>,
    ) -> Result<Self, Error> {
        let hsm = Self::away(Module::load(&config.module)?, config, pin, state_directory)?;
        hsm.tend().map(|()| hsm)
    }

    fn away(
        module: Arc<Module>,
        config: &TokenConfig,
        pin: PinSource,
        state_directory: Option<&Path>,
    ) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let width = config.sessions.unwrap_or(cores).max(1);
        let most = config.sessions.map_or(width.max(MOST), |_| width);
        Ok(Self {
            name: config.name.clone(),
            selector: Selector::of(config)?,
            pin,
            memory: PinMemory::open(state_directory, &config.name)?,
            module,
            pool: Pool::new(most),
            width,
            copies: AtomicBool::new(config.session_copies),
            state: RwLock::new(State::Away("it has not answered yet".to_owned())),
            leftovers: Mutex::new(Vec::new()),
            missing: Mutex::new(missing::Missing::nothing()),
            attaching: Mutex::new(()),
        })
    }

    /// Attaches the token when it is away or the module was initialised anew, and gives what is known of it.
    fn attached(&self) -> Result<Arc<Attachment>, Error> {
        match &*self.state.read() {
            State::Attached(attachment) if attachment.generation == self.module.generation() => {
                return Ok(Arc::clone(attachment));
            }
            State::Attached(_) => {}
            State::Away(detail) => return Err(self.absent(detail.clone())),
        }
        self.attach()
    }

    /// Attaches unless somebody else has done it by the time it is our turn.
    fn attach(&self) -> Result<Arc<Attachment>, Error> {
        let _one = self.attaching.lock();
        if let State::Attached(attachment) = &*self.state.read()
            && attachment.generation == self.module.generation()
        {
            return Ok(Arc::clone(attachment));
        }
        self.pool.drain();
        match attach::attach(self) {
            Ok(attachment) => {
                let attachment = Arc::new(attachment);
                let before =
                    std::mem::replace(&mut *self.state.write(), State::Attached(Arc::clone(&attachment)));
                match before {
                    State::Attached(before) => self.remember_keys(&before),
                    State::Away(_) => self.module.count_attached(Change::Came),
                }
                Ok(attachment)
            }
            Err(error) => {
                match &error {
                    Error::TokenAbsent { detail, .. } => self.go_away(detail),
                    // Whoever wanted the token initialises the library anew, or gives it up.
                    other if other.is_of_void_module() => {}
                    other => self.go_away(&other.to_fault().message),
                }
                Err(error)
            }
        }
    }

    /// Gives up this attachment, unless another thread has, and makes a new one.
    fn attach_anew(&self, old: &Arc<Attachment>) -> Result<(), Error> {
        {
            let _one = self.attaching.lock();
            let is_current = matches!(&*self.state.read(), State::Attached(now) if Arc::ptr_eq(now, old));
            if is_current {
                self.go_away("its sessions were closed");
            }
        }
        self.attach().map(drop)
    }

    fn go_away(&self, detail: &str) {
        let before = std::mem::replace(&mut *self.state.write(), State::Away(detail.to_owned()));
        if let State::Attached(attachment) = &before {
            self.remember_keys(attachment);
            self.module.count_attached(Change::Went);
        }
        if !matches!(before, State::Away(known) if known == detail) {
            tracing::warn!(token = self.name, detail, "the token is away");
        }
        self.pool.drain();
    }

    fn absent(&self, detail: String) -> Error {
        Error::TokenAbsent {
            token: self.name.clone(),
            detail,
        }
    }

    fn failed(&self, source: CkError) -> Error {
        Error::Module {
            token: self.name.clone(),
            source: ModuleError(source),
        }
    }

    fn look_after(&self) -> Result<(), Error> {
        let is_current = match &*self.state.read() {
            State::Attached(attachment) => attachment.generation == self.module.generation(),
            State::Away(_) => false,
        };
        if is_current {
            return Ok(());
        }
        match self.attach() {
            Err(error @ Error::TokenAbsent { .. }) => {
                let _one = self.attaching.lock();
                match self.module.look_again(Instant::now()) {
                    Ok(true) => {}
                    Ok(false) => return Err(error),
                    Err(failed) => return Err(self.failed(failed)),
                }
            }
            Err(error) if error.is_of_void_module() => {
                let _one = self.attaching.lock();
                self.renew_void_module()?;
            }
            outcome => return outcome.map(drop),
        }
        self.attach().map(drop)
    }

    fn sign_once(
        &self,
        attachment: &Attachment,
        key: &KeyRef,
        mechanism: &Mechanism<'_>,
        octets: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Trouble> {
        let private = attachment.keys.read().get(key).map(|known| known.private);
        let private = private.ok_or(Trouble::Final(Error::KeyNotFound(*key)))?;
        self.with_session(attachment, deadline, |session| {
            let handle = self.handle(session, *key, private);
            session.session().sign(mechanism, handle, octets)
        })
    }

    fn protection_once(
        &self,
        attachment: &Attachment,
        deadline: Instant,
    ) -> Result<Vec<Protection>, Trouble> {
        let keys: Vec<TokenKey> = attachment.keys.read().values().cloned().collect();
        self.with_session(attachment, deadline, |session| {
            let told = keys.iter().map(|key| protection::of(session.session(), key));
            told.collect()
        })
    }

    /// The handle to sign with: the session's copy of the key where copies are wanted and the token makes them.
    fn handle(&self, session: &mut SigningSession, key: KeyRef, private: ObjectHandle) -> ObjectHandle {
        if !self.copies.load(Ordering::Relaxed) {
            return private;
        }
        session.copy_of(key, private).unwrap_or_else(|error| {
            if recovery_of(&error) == Recovery::Fatal && self.copies.swap(false, Ordering::Relaxed) {
                tracing::info!(token = self.name, error = %describe(error), "the token makes no session copies; its own keys are used");
            }
            private
        })
    }
}

impl Keys for Hsm {
    fn name(&self) -> &str {
        &self.name
    }

    fn width(&self) -> usize {
        self.width
    }

    fn most(&self) -> usize {
        self.pool.most()
    }

    fn give_back(&self, sessions: usize) {
        self.pool.give_back(sessions, Instant::now());
    }

    fn list(&self) -> Vec<KeyRecord> {
        match &*self.state.read() {
            State::Attached(attachment) => attachment
                .keys
                .read()
                .values()
                .map(|key| key.record.clone())
                .collect(),
            State::Away(_) => Vec::new(),
        }
    }

    fn find(&self, key: &KeyRef) -> Option<KeyRecord> {
        match &*self.state.read() {
            State::Attached(attachment) => attachment.keys.read().get(key).map(|key| key.record.clone()),
            State::Away(_) => None,
        }
    }

    fn kind(&self, key: &KeyRef) -> Option<KeyKind> {
        match &*self.state.read() {
            State::Attached(attachment) => attachment.keys.read().get(key).map(|key| key.record.kind),
            State::Away(_) => None,
        }
    }

    fn generate(&self, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
        generate::generate(self, label, kind)
    }

    fn sign(
        &self,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        let kind = self.kind(key).ok_or_else(|| match &*self.state.read() {
            State::Attached(_) => Error::KeyNotFound(*key),
            State::Away(detail) => self.absent(detail.clone()),
        })?;
        if !scheme.is_usable_with(kind) {
            return Err(Error::SchemeMismatch { kind, scheme });
        }
        let octets = mechanism::octets(scheme, input)?;
        let mechanism = mechanism::mechanism(scheme);
        let deadline = deadline.unwrap_or_else(|| Instant::now() + PATIENCE);
        let signature = self.with_mending(|attachment| {
            self.sign_once(attachment, key, &mechanism, octets.as_slice(), deadline)
        })?;
        match scheme {
            Scheme::EcdsaSha256 | Scheme::EcdsaSha384 | Scheme::EcdsaSha512 => ecdsa::to_der(&signature)
                .ok_or_else(|| Error::Refused(format!("the token {} gave no ECDSA signature", self.name))),
            _ => Ok(signature),
        }
    }

    fn protection(&self) -> Result<Vec<Protection>, Error> {
        let deadline = Instant::now() + PATIENCE;
        self.with_mending(|attachment| self.protection_once(attachment, deadline))
    }

    fn status(&self) -> BackendStatus {
        let (available, detail) = match &*self.state.read() {
            State::Attached(_) => (true, String::new()),
            State::Away(detail) => (false, detail.clone()),
        };
        BackendStatus {
            name: self.name.clone(),
            available,
            detail,
            width: self.width,
        }
    }

    fn tend(&self) -> Result<(), Error> {
        self.look_after()?;
        let state = self.state.read().clone();
        if let State::Attached(attachment) = state {
            self.look_for_missing(&attachment, Instant::now());
        }
        if !self.leftovers.lock().is_empty() {
            self.clear_leftovers();
        }
        Ok(())
    }
}

/// Keys by name, as the attachment keeps them.
fn by_name(keys: Vec<TokenKey>) -> std::collections::HashMap<KeyRef, TokenKey> {
    keys.into_iter().map(|key| (key.record.key, key)).collect()
}

/// Looks for the keys of the token through a session that is logged in.
fn keys_of(hsm: &Hsm, session: &OpenSession) -> Result<Vec<TokenKey>, CkError> {
    find::keys(session, &hsm.name)
}
