//! The signer: the signing service behind its socket, or the same keys in this process.
//!
//! Only this crate can have something signed, and only what was linted (`seal.rs`), is a request for a CA of its own, or a checkpoint
//! of the audit log, for which no other key is used.
//! To look at keys and at the health of the tokens is open to programs.

mod connection;
mod daemon;
mod fault;
mod in_process;
mod line;
pub(crate) mod words;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pki::{KeyAlgorithm, KeyFingerprint, MessageDigest, SignatureAlgorithm};
use signer_wire::{
    Backend, Digest, Generate, Import, Input, KeyRecord, Priority, SealedKey, SecretBytes, ServiceStatus,
    Sign, SubjectKeyRequest,
};
use store::crash_point;
use token::KeyRing;
use uuid::Uuid;
use zeroize::Zeroizing;

use daemon::Daemon;
pub use fault::SignFault;
use in_process::InProcess;
pub(crate) use words::key_ref;

/// The name of the software backend.
pub(crate) const SOFTWARE: &str = "software";

/// Where the keys are. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Signer {
    place: Place,
    waiting: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Place {
    /// The signing service.
    Daemon(Daemon),
    /// In this process.
    InProcess(InProcess),
}

impl Signer {
    /// A client of the signing service at this socket. It connects when it is needed, and again when the service was
    /// away. Must be called within a tokio runtime.
    pub fn daemon(socket: &Path) -> Self {
        Self::at(Place::Daemon(Daemon::new(socket)))
    }

    /// The keys of this ring, in this process.
    pub fn in_process(ring: Arc<KeyRing>) -> Self {
        Self::at(Place::InProcess(InProcess::new(ring)))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            waiting: Arc::default(),
        }
    }

    /// Signs a message with a key.
    pub(crate) async fn sign(
        &self,
        key: KeyFingerprint,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        priority: Priority,
        deadline: Duration,
    ) -> Result<Vec<u8>, SignFault> {
        let input = words::input(algorithm, message).ok_or_else(|| {
            SignFault::unexpected(format!("{} octets are too many for {algorithm}", message.len()))
        })?;
        self.sign_input(key, algorithm, input, priority, deadline).await
    }

    /// Signs the message that has this digest, by an algorithm that signs one.
    pub(crate) async fn sign_digest(
        &self,
        key: KeyFingerprint,
        algorithm: SignatureAlgorithm,
        digest: &MessageDigest,
        priority: Priority,
        deadline: Duration,
    ) -> Result<Vec<u8>, SignFault> {
        let input = Digest::new(digest.as_bytes()).map(Input::Digest);
        let input = input.ok_or_else(|| SignFault::unexpected("a digest of an unknown length"))?;
        self.sign_input(key, algorithm, input, priority, deadline).await
    }

    async fn sign_input(
        &self,
        key: KeyFingerprint,
        algorithm: SignatureAlgorithm,
        input: Input,
        priority: Priority,
        deadline: Duration,
    ) -> Result<Vec<u8>, SignFault> {
        let item = Sign {
            key: key_ref(key),
            scheme: words::scheme(algorithm),
            input,
        };
        let _counted = Counted::one(&self.waiting);
        crash_point::pass(|| format!("before signature: {priority}"));
        let outcome = match &self.place {
            Place::Daemon(daemon) => daemon.sign(item, priority, deadline).await,
            Place::InProcess(here) => here.sign(item, priority, deadline).await,
        };
        crash_point::pass(|| format!("after signature: {priority}"));
        outcome
    }

    /// Makes a key in a token; `software` names the software backend.
    pub(crate) async fn generate(
        &self,
        token: &str,
        label: &str,
        algorithm: KeyAlgorithm,
    ) -> Result<KeyRecord, SignFault> {
        let backend = if token == SOFTWARE {
            Backend::Software
        } else {
            Backend::Token(token.to_owned())
        };
        let (label, kind) = (label.to_owned(), words::key_kind(algorithm));
        crash_point::pass(|| "before a key is made".to_owned());
        let outcome = match &self.place {
            Place::Daemon(daemon) => daemon.generate(Generate { label, kind, backend }).await,
            Place::InProcess(here) => here.generate(backend, label, kind).await,
        };
        crash_point::pass(|| "after a key is made".to_owned());
        outcome
    }

    /// Takes a private key (DER PKCS#8) over into the software backend.
    pub(crate) async fn import(
        &self,
        label: &str,
        pkcs8: Zeroizing<Vec<u8>>,
    ) -> Result<KeyRecord, SignFault> {
        let label = label.to_owned();
        match &self.place {
            Place::Daemon(daemon) => {
                daemon
                    .import(Import {
                        label,
                        pkcs8: SecretBytes::new(pkcs8.to_vec()),
                    })
                    .await
            }
            Place::InProcess(here) => here.import(label, pkcs8).await,
        }
    }

    /// Makes a key for a courier, encrypted to this recipient. The private half is known to the signing process alone, and only while
    /// it makes it.
    pub(crate) async fn subject_key(
        &self,
        algorithm: KeyAlgorithm,
        recipient: &jose::Jwk,
        sender: &str,
        courier: Uuid,
        order: Uuid,
    ) -> Result<SealedKey, SignFault> {
        let request = SubjectKeyRequest {
            kind: words::key_kind(algorithm),
            recipient: recipient.to_json().into_bytes(),
            sender: sender.to_owned(),
            party: courier.to_string(),
            order: order.to_string(),
        };
        crash_point::pass(|| "before a key is made for a courier".to_owned());
        let outcome = match &self.place {
            Place::Daemon(daemon) => daemon.subject_key(request).await,
            Place::InProcess(here) => here.subject_key(request).await,
        };
        crash_point::pass(|| "after a key is made for a courier".to_owned());
        outcome
    }

    /// All keys.
    pub async fn list(&self) -> Result<Vec<KeyRecord>, SignFault> {
        match &self.place {
            Place::Daemon(daemon) => daemon.list().await,
            Place::InProcess(here) => here.list().await,
        }
    }

    /// How the tokens are.
    pub async fn status(&self) -> Result<ServiceStatus, SignFault> {
        match &self.place {
            Place::Daemon(daemon) => daemon.status().await,
            Place::InProcess(here) => here.status().await,
        }
    }

    /// Brings back tokens that were away; the signing service does this by itself.
    pub async fn tend(&self) {
        if let Place::InProcess(here) = &self.place {
            here.tend().await;
        }
    }

    /// Signatures that somebody waits for now.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Counts one for as long as it lives.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn one(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
