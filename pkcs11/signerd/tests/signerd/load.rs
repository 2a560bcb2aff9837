//! A steady load of clients that ask for one signature after the other, and what became of each.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "test support")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signer_wire::{Fault, KeyRecord, Scheme};
use token::verify;

use crate::client::Client;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    pub(crate) fault: Option<Fault>,
}

/// Clients at work.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Asked>>>,
}

impl Load {
    /// So many clients, each with a connection of its own and a deadline of five seconds, which verify what they get.
    pub(crate) fn start(socket: &Path, record: &KeyRecord, clients: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let clients = (0..clients).map(|_| {
            let (client, record, is_over) = (Client::connect(socket), record.clone(), Arc::clone(&is_over));
            std::thread::spawn(move || ask(client, &record, &is_over))
        });
        Self {
            clients: clients.collect(),
            is_over,
        }
    }

    /// Ends it, and gives all requests.
    pub(crate) fn end(self) -> Vec<Asked> {
        self.is_over.store(true, Ordering::Relaxed);
        let all = self.clients.into_iter().map(|client| client.join().unwrap());
        all.flatten().collect()
    }
}

fn ask(mut client: Client, record: &KeyRecord, is_over: &AtomicBool) -> Vec<Asked> {
    let mut all = Vec::new();
    let mut number = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        let (at, message) = (Instant::now(), number.to_be_bytes());
        let outcome = client.sign(record, &message, 5000);
        let took = at.elapsed();
        if let Ok(signature) = &outcome {
            assert!(verify(
                &record.spki,
                Scheme::default_for(record.kind),
                &message,
                signature
            ));
        }
        let fault = outcome.err();
        all.push(Asked { at, took, fault });
        std::thread::park_timeout(Duration::from_millis(1));
    }
    all
}
