//! The rate of a token itself: `C_SignInit` and `C_Sign` in a loop, with nothing of this crate's pool, recovery or
//! hashing around it. What the rest of the house adds is measured against it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::error::Error as CkError;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use signer_wire::{Digest, Input, KeyKind, KeyRef, Scheme};

use crate::config::TokenConfig;
use crate::error::Error;
use crate::find;
use crate::hsm::{Selector, find_slot};
use crate::mechanism;
use crate::module::Module;
use crate::module_error::ModuleError;
use crate::pin::PinSource;
use crate::session::OpenSession;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct RawRate {
    /// Signatures made by all threads.
    pub signatures: u64,
    /// From the first to the last.
    pub elapsed: Duration,
}

/// Signs with one key on `threads` sessions at once for about `duration`. With `session_copies` in the configuration
/// each session signs with a copy of the key. The PIN is that of the configuration.
pub fn rate(
    config: &TokenConfig,
    key: &KeyRef,
    threads: usize,
    duration: Duration,
) -> Result<RawRate, Error> {
    let module = Module::load(&config.module)?;
    let failed = |source| Error::Module {
        token: config.name.clone(),
        source: ModuleError(source),
    };
    module.ensure_initialised().map_err(failed)?;
    let absent = |detail| Error::TokenAbsent {
        token: config.name.clone(),
        detail,
    };
    let (slot, _) = find_slot(&module, &Selector::of(config)?).map_err(absent)?;
    let anchor = OpenSession::read_only(&module, slot).map_err(failed)?;
    let pin = PinSource::of(config)?.read()?;
    anchor.login(UserType::User, pin.as_ref()).map_err(failed)?;
    let known = find::keys(&anchor, &config.name).map_err(failed)?;
    let known = known
        .into_iter()
        .find(|known| known.record.key == *key)
        .ok_or(Error::KeyNotFound(*key))?;
    let run = Run {
        module,
        slot,
        key: known.private,
        kind: known.record.kind,
        copies: config.session_copies,
        until: Instant::now() + duration,
    };
    let start = Instant::now();
    let made: Result<Vec<u64>, CkError> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1))
            .map(|_| scope.spawn(|| run.sign_until()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(CkError::InvalidValue)))
            .collect()
    });
    Ok(RawRate {
        signatures: made.map_err(failed)?.iter().sum(),
        elapsed: start.elapsed(),
    })
}

/// What all threads of a measurement share.
struct Run {
    module: Arc<Module>,
    slot: Slot,
    key: ObjectHandle,
    kind: KeyKind,
    copies: bool,
    until: Instant,
}

impl Run {
    fn sign_until(&self) -> Result<u64, CkError> {
        let session = OpenSession::read_only(&self.module, self.slot)?;
        let key = if self.copies {
            session.copy_object(self.key, &[Attribute::Token(false)])?
        } else {
            self.key
        };
        let scheme = Scheme::default_for(self.kind);
        let length = scheme.hash().map_or(64, signer_wire::HashAlgorithm::octets);
        let digest = Digest::new([0x5a; 64].get(..length).unwrap_or_default());
        let input = match (digest, scheme.hash()) {
            (Some(digest), Some(_)) => Input::Digest(digest),
            _ => Input::Message(vec![0x5a; 64]),
        };
        let octets = mechanism::octets(scheme, &input).map_err(|_| CkError::InvalidValue)?;
        let mechanism = mechanism::mechanism(scheme);
        let mut made = 0;
        while Instant::now() < self.until {
            session.sign(&mechanism, key, octets.as_slice())?;
            made += 1;
        }
        Ok(made)
    }
}
