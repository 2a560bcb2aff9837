//! A desk where keys are made and taken over, one at a time, on a thread of its own: that takes seconds in some
//! tokens, and must not hold up signatures. Keys for others are made at a desk of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use signer_wire::{Fault, FaultClass, Generate, Import, KeyRecord, Reply, SubjectKeyRequest};
use token::KeyRing;

use crate::audit::Audit;
use crate::connection::Connection;
use crate::subject_key;

/// Errands that may wait.
const ROOM: usize = 16;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Errand {
    Generate(Generate),
    Import(Import),
    SubjectKey(SubjectKeyRequest),
}

#[derive(Debug)]
struct Ticket {
    connection: Arc<Connection>,
    id: u64,
    errand: Errand,
}

#[derive(Debug, Default)]
struct Pile {
    waiting: VecDeque<Ticket>,
    /// Since when an errand is being done.
    working: Option<Instant>,
    is_closed: bool,
}

/// A desk.
#[derive(Debug)]
pub(crate) struct Desk {
    pile: Mutex<Pile>,
    arrived: Condvar,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            pile: Mutex::new(Pile::default()),
            arrived: Condvar::new(),
        }
    }

    /// Leaves an errand, to be answered when it is done.
    pub(crate) fn hand_in(&self, connection: Arc<Connection>, id: u64, errand: Errand) -> Result<(), Fault> {
        let mut pile = self.pile.lock();
        if pile.waiting.len() >= ROOM || pile.is_closed {
            return Err(Fault::new(FaultClass::Overloaded, "too many keys are being made").retry_after(1000));
        }
        pile.waiting.push_back(Ticket {
            connection,
            id,
            errand,
        });
        drop(pile);
        self.arrived.notify_one();
        Ok(())
    }

    /// The life of its thread.
    pub(crate) fn work(&self, ring: &KeyRing, audit: &Audit) {
        while let Some(ticket) = self.take() {
            ticket.run(ring, audit);
            self.pile.lock().working = None;
        }
    }

    fn take(&self) -> Option<Ticket> {
        let mut pile = self.pile.lock();
        loop {
            if let Some(ticket) = pile.waiting.pop_front() {
                pile.working = Some(Instant::now());
                return Some(ticket);
            }
            if pile.is_closed {
                return None;
            }
            self.arrived.wait(&mut pile);
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        let pile = self.pile.lock();
        pile.waiting.is_empty() && pile.working.is_none()
    }

    /// How long the errand that is being done has taken.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        let since = self.pile.lock().working;
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    pub(crate) fn close(&self) {
        self.pile.lock().is_closed = true;
        self.arrived.notify_all();
    }
}

impl Ticket {
    /// Does the errand, records it, answers it. A key whose making cannot be recorded exists all the same, and the
    /// answer says so: it is in the list.
    fn run(self, ring: &KeyRing, audit: &Audit) {
        let started = Instant::now();
        let kept = |record: Result<KeyRecord, token::Error>| {
            record
                .map(|record| (Reply::Key(record.clone()), record))
                .map_err(|error| error.to_fault())
        };
        let (what, label, outcome) = match &self.errand {
            Errand::Generate(Generate { label, kind, backend }) => {
                ("generate", label, kept(ring.generate(backend, label, *kind)))
            }
            Errand::Import(Import { label, pkcs8 }) => {
                ("import", label, kept(ring.import(label, pkcs8.expose())))
            }
            Errand::SubjectKey(request) => {
                let made = subject_key::make(request);
                let made = made.map(|(sealed, record)| (Reply::SealedKey(sealed), record));
                ("subject_key", &request.order, made)
            }
        };
        let peer = self.connection.peer();
        let record = outcome.as_ref().map(|(_, record)| record);
        let recorded = audit.key(what, peer, self.id, label, record, started.elapsed());
        let reply = match (outcome, recorded) {
            (_, Err(error)) => Reply::Fault(Fault::new(
                FaultClass::Internal,
                format!("the audit line cannot be written; the key may exist, see the list of keys: {error}"),
            )),
            (Ok((reply, _)), Ok(())) => reply,
            (Err(fault), Ok(())) => Reply::Fault(fault),
        };
        self.connection.send(self.id, &reply);
    }
}
