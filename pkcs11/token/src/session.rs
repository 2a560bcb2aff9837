//! One open session, and the session copies of keys that live in it.

use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;

use cryptoki::error::Error as CkError;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use signer_wire::KeyRef;

use crate::module::Module;

/// A session that is closed when it is dropped, unless the module has been initialised anew since it was opened:
/// then its handle means nothing, or means somebody else's session.
#[derive(Debug)]
pub(crate) struct OpenSession {
    session: ManuallyDrop<Session>,
    generation: u64,
    module: Arc<Module>,
}

impl OpenSession {
    /// Opens a session for reading, which suffices to sign.
    pub(crate) fn read_only(module: &Arc<Module>, slot: Slot) -> Result<Self, CkError> {
        Self::open(module, || module.pkcs11().open_ro_session_no_drop(slot))
    }

    /// Opens a session in which token objects can be made.
    pub(crate) fn read_write(module: &Arc<Module>, slot: Slot) -> Result<Self, CkError> {
        Self::open(module, || module.pkcs11().open_rw_session_no_drop(slot))
    }

    fn open(module: &Arc<Module>, open: impl FnOnce() -> Result<Session, CkError>) -> Result<Self, CkError> {
        let _inside = module.enter_within();
        let generation = module.generation();
        let session = ManuallyDrop::new(open()?);
        Ok(Self {
            session,
            generation,
            module: Arc::clone(module),
        })
    }

    /// The initialisation of the module under which it was opened.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}

impl Deref for OpenSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        // SAFETY: `session` is taken once, here, and `self` is not used afterwards.
        let session = unsafe { ManuallyDrop::take(&mut self.session) };
        let _inside = self.module.enter_within();
        if self.module.generation() == self.generation {
            // A session that is already gone cannot be closed, and need not be.
            let _ = session.close();
        }
    }
}

/// A session of the pool, with its copies of keys.
#[derive(Debug)]
pub(crate) struct SigningSession {
    session: OpenSession,
    copies: HashMap<KeyRef, ObjectHandle>,
}

impl SigningSession {
    pub(crate) fn new(session: OpenSession) -> Self {
        Self {
            session,
            copies: HashMap::new(),
        }
    }

    /// The session.
    pub(crate) fn session(&self) -> &OpenSession {
        &self.session
    }

    /// This session's copy of a token key (`C_CopyObject` with `CKA_TOKEN` false), made when it is first wanted. It
    /// keeps the attributes of the key, sensitive and not extractable, and ends with the session.
    pub(crate) fn copy_of(&mut self, key: KeyRef, token_key: ObjectHandle) -> Result<ObjectHandle, CkError> {
        if let Some(copy) = self.copies.get(&key) {
            return Ok(*copy);
        }
        let copy = self.session.copy_object(token_key, &[Attribute::Token(false)])?;
        self.copies.insert(key, copy);
        Ok(copy)
    }
}
