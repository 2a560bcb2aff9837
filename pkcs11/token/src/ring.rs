//! Several backends behind one door.
//!
//! A key is found wherever it is: one key on several tokens is one key, and its signatures go round between them. A
//! token that fails is left out for a while by its circuit breaker, and the request goes to the next.

mod open;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use signer_wire::{Backend, Circuit, Input, KeyKind, KeyRecord, KeyRef, Scheme};

use crate::breaker::{Admission, Breaker};
use crate::error::Error;
use crate::keys::{BackendStatus, Keys};
use crate::software::{self, Software};

/// The place of a backend in [`KeyRing::backends`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Candidate(pub usize);

/// The backends that hold a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// Those that work.
    pub ready: Vec<Candidate>,
    /// One that failed, and may be tried with one request.
    pub trial: Option<Candidate>,
    /// Those that failed and are left alone for a while.
    pub resting: Vec<Candidate>,
}

impl Holders {
    /// All of them, in the order in which one request tries them.
    pub fn in_order(self) -> impl Iterator<Item = Candidate> {
        self.trial.into_iter().chain(self.ready).chain(self.resting)
    }

    /// Whether nobody holds the key.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.trial.is_none() && self.resting.is_empty()
    }
}

/// Several backends behind one door. All calls block, as those of [`Keys`] do.
pub struct KeyRing {
    backends: Vec<Arc<dyn Keys>>,
    breakers: Vec<Breaker>,
    software: Option<Arc<Software>>,
    turn: AtomicUsize,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.backends.iter().map(|backend| backend.name()).collect();
        f.debug_struct("KeyRing")
            .field("backends", &names)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// A ring with nothing but software keys that end with the process.
    pub fn in_memory() -> Self {
        Self::new(Vec::new(), Some(Arc::new(Software::in_memory())))
    }

    /// A ring of these backends; the software backend comes last.
    pub fn new(mut backends: Vec<Arc<dyn Keys>>, software: Option<Arc<Software>>) -> Self {
        if let Some(software) = &software {
            backends.push(Arc::clone(software) as Arc<dyn Keys>);
        }
        let breakers = backends.iter().map(|_| Breaker::new()).collect();
        Self {
            backends,
            breakers,
            software,
            turn: AtomicUsize::new(0),
        }
    }

    /// The backends, in the order of the configuration.
    pub fn backends(&self) -> &[Arc<dyn Keys>] {
        &self.backends
    }

    /// All keys, each once, with the names of all tokens that hold it, sorted by label.
    pub fn list(&self) -> Vec<KeyRecord> {
        let mut keys: HashMap<KeyRef, KeyRecord> = HashMap::new();
        for record in self.backends.iter().flat_map(|backend| backend.list()) {
            keys.entry(record.key)
                .and_modify(|known| known.tokens.extend_from_slice(&record.tokens))
                .or_insert(record);
        }
        let mut keys: Vec<KeyRecord> = keys.into_values().collect();
        keys.sort_by(|one, other| (&one.label, one.key).cmp(&(&other.label, other.key)));
        keys
    }

    /// One key, with the names of all tokens that hold it.
    pub fn find(&self, key: &KeyRef) -> Option<KeyRecord> {
        let mut records = self.backends.iter().filter_map(|backend| backend.find(key));
        let mut first = records.next()?;
        for other in records {
            first.tokens.extend(other.tokens);
        }
        Some(first)
    }

    /// The kind of a key. Cheap.
    pub fn kind(&self, key: &KeyRef) -> Option<KeyKind> {
        self.backends.iter().find_map(|backend| backend.kind(key))
    }

    /// Makes a key pair in the named backend.
    pub fn generate(&self, backend: &Backend, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
        let name = match backend {
            Backend::Token(name) => name.as_str(),
            Backend::Software => software::NAME,
        };
        let found = self.backends.iter().find(|backend| backend.name() == name);
        found
            .ok_or_else(|| Error::NoSuchToken(name.to_owned()))?
            .generate(label, kind)
    }

    /// Takes over a private key (DER PKCS#8, not encrypted) into the software backend.
    pub fn import(&self, label: &str, pkcs8: &[u8]) -> Result<KeyRecord, Error> {
        let software = self
            .software
            .as_ref()
            .ok_or_else(|| Error::NoSuchToken(software::NAME.to_owned()))?;
        software.import(label, pkcs8)
    }

    /// Signs with whichever token holds the key, trying the next when one fails. See [`Keys::sign`].
    pub fn sign(
        &self,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        let mut told: Option<Error> = None;
        for candidate in self.holders(key).in_order() {
            match self.sign_on(candidate, key, scheme, input, deadline) {
                Err(error) if error.concerns_one_token() => {
                    // That one did not sign is no news while another may have.
                    let may_have_signed = |error: &Error| error.fault_class().may_have_signed();
                    if !told.as_ref().is_some_and(may_have_signed) {
                        told = Some(error);
                    }
                }
                outcome => return outcome,
            }
        }
        Err(told.unwrap_or_else(|| self.no_holder(key)))
    }

    /// The backends that hold a key, sorted by what may be asked of them now; each call begins with the next one.
    pub fn holders(&self, key: &KeyRef) -> Holders {
        let holds = |candidate: &Candidate| self.backend(*candidate).is_some_and(|b| b.kind(key).is_some());
        let mut all: Vec<Candidate> = (0..self.backends.len()).map(Candidate).filter(holds).collect();
        if all.len() < 2 {
            return Holders {
                ready: all,
                ..Holders::default()
            };
        }
        let start = self.turn.fetch_add(1, Ordering::Relaxed) % all.len();
        all.rotate_left(start);
        let now = Instant::now();
        let mut holders = Holders::default();
        for candidate in all {
            match self
                .breakers
                .get(candidate.0)
                .map_or(Admission::Ready, |breaker| breaker.admit(now))
            {
                Admission::Ready => holders.ready.push(candidate),
                Admission::Trial if holders.trial.is_none() => holders.trial = Some(candidate),
                Admission::Trial | Admission::Resting => holders.resting.push(candidate),
            }
        }
        holders
    }

    /// Whether a backend besides this one holds a key.
    pub fn has_other_holder(&self, candidate: Candidate, key: &KeyRef) -> bool {
        let mut others = self
            .backends
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != candidate.0);
        others.any(|(_, backend)| backend.kind(key).is_some())
    }

    /// A call into this backend has outlasted its deadline: others are preferred from now on.
    pub fn stalled(&self, candidate: Candidate) {
        if let Some(breaker) = self.breakers.get(candidate.0) {
            breaker.stalled(Instant::now());
        }
    }

    /// A test signature of this backend was wrong or failed: others are preferred until it is released.
    pub fn hold(&self, candidate: Candidate) {
        if let Some(breaker) = self.breakers.get(candidate.0) {
            breaker.hold();
        }
    }

    /// A test signature of this backend was right.
    pub fn release(&self, candidate: Candidate) {
        if let Some(breaker) = self.breakers.get(candidate.0) {
            breaker.release();
        }
    }

    /// Whether this backend is signed with: its circuit is neither open nor on trial.
    pub fn is_closed(&self, candidate: Candidate) -> bool {
        self.circuit(candidate).0.is_closed()
    }

    /// How the circuit of this backend is, and how often it was opened.
    pub fn circuit(&self, candidate: Candidate) -> (Circuit, u64) {
        let breaker = self.breakers.get(candidate.0);
        breaker.map_or((Circuit::Closed, 0), |breaker| {
            (breaker.circuit(), breaker.openings())
        })
    }

    /// Signs with one backend, and tells its circuit breaker how it went.
    pub fn sign_on(
        &self,
        candidate: Candidate,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        let backend = self.backend(candidate).ok_or(Error::KeyNotFound(*key))?;
        let outcome = backend.sign(key, scheme, input, deadline);
        if let Some(breaker) = self.breakers.get(candidate.0) {
            match &outcome {
                Err(error) if error.concerns_one_token() => breaker.failed(Instant::now()),
                _ => breaker.succeeded(),
            }
        }
        outcome
    }

    /// Why nobody holds a key: because a token is away, when one is, since it may be the one.
    pub fn no_holder(&self, key: &KeyRef) -> Error {
        let away = self.status().into_iter().find(|status| !status.available);
        away.map_or(Error::KeyNotFound(*key), |status| Error::TokenAbsent {
            token: status.name,
            detail: format!("{}; no other token holds the key {key}", status.detail),
        })
    }

    /// How each backend is doing, in the order of [`KeyRing::backends`].
    pub fn status(&self) -> Vec<BackendStatus> {
        self.backends.iter().map(|backend| backend.status()).collect()
    }

    /// Brings back what is away. Call it every few seconds; it blocks while a token is attached.
    pub fn tend(&self) {
        for backend in &self.backends {
            if let Err(error) = backend.tend() {
                tracing::debug!(token = backend.name(), %error, "still away");
            }
        }
    }

    fn backend(&self, candidate: Candidate) -> Option<&Arc<dyn Keys>> {
        self.backends.get(candidate.0)
    }
}
