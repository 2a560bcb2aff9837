//! The keys in this process: for small devices, for tests, and for measuring what isolation costs.
//!
//! A call into a key blocks, so it runs on a blocking thread; no more run at a time than the backends sign at a time. Who
//! waits stands in a line with the most urgent first, and no more wait than a bound, so that overload is answered at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use jose::Jwk;
use jose::jwe::{self, Envelope, KeyManagement};
use signer_wire::{
    Backend, KeyKind, KeyRecord, LaneStatus, Priority, SealedKey, ServiceStatus, Sign, SubjectKeyRequest,
};
use token::{Candidate, KeyRing, SubjectKey};

use crate::signer::fault::SignFault;
use crate::signer::line::Line;

/// Signatures of one priority that may wait.
const QUEUE: usize = 4096;

/// A ring of keys with bounded access.
#[derive(Clone, Debug)]
pub(super) struct InProcess {
    ring: Arc<KeyRing>,
    line: Line,
    started: Instant,
}

impl InProcess {
    pub(super) fn new(ring: Arc<KeyRing>) -> Self {
        let width: usize = ring.backends().iter().map(|backend| backend.width()).sum();
        Self {
            ring,
            line: Line::new(width.max(1), QUEUE),
            started: Instant::now(),
        }
    }

    pub(super) async fn sign(
        &self,
        item: Sign,
        priority: Priority,
        deadline: Duration,
    ) -> Result<Vec<u8>, SignFault> {
        let place = self.line.stand(priority).map_err(|_| SignFault::overloaded())?;
        let until = Instant::now() + deadline;
        let Ok(Ok(place)) = tokio::time::timeout(deadline, place).await else {
            return Err(SignFault::overloaded());
        };
        let ring = Arc::clone(&self.ring);
        let call = tokio::task::spawn_blocking(move || {
            let outcome = ring.sign(&item.key, item.scheme, &item.input, Some(until));
            drop(place);
            outcome
        });
        match tokio::time::timeout_at(until.into(), call).await {
            Ok(Ok(outcome)) => Ok(outcome?),
            Ok(Err(panic)) => Err(SignFault::unexpected(panic.to_string())),
            Err(_) => Err(SignFault::deadline()),
        }
    }

    pub(super) async fn generate(
        &self,
        backend: Backend,
        label: String,
        kind: KeyKind,
    ) -> Result<KeyRecord, SignFault> {
        self.blocking(move |ring| ring.generate(&backend, &label, kind))
            .await
    }

    pub(super) async fn import(
        &self,
        label: String,
        pkcs8: zeroize::Zeroizing<Vec<u8>>,
    ) -> Result<KeyRecord, SignFault> {
        self.blocking(move |ring| ring.import(&label, &pkcs8)).await
    }

    /// The same as the signing service does (`signerd/src/subject_key.rs`): here this process is the one that signs.
    pub(super) async fn subject_key(&self, request: SubjectKeyRequest) -> Result<SealedKey, SignFault> {
        self.blocking(move |_| {
            let refused = |why: String| token::Error::Refused(why);
            let recipient = Jwk::parse(&request.recipient).map_err(|fault| refused(fault.to_string()))?;
            let key = SubjectKey::generate(request.kind)?;
            let name = key.key();
            let envelope = Envelope {
                apu: request.sender.as_bytes(),
                apv: request.party.as_bytes(),
                order: &request.order,
                spki: name.as_bytes(),
            };
            let sealed = jwe::encrypt(
                &recipient,
                KeyManagement::EcdhEsA256Kw,
                &envelope,
                key.pkcs8(),
                &SystemRandom::new(),
            );
            Ok(SealedKey {
                spki: key.spki().to_vec(),
                envelope: sealed.map_err(|fault| refused(fault.to_string()))?,
            })
        })
        .await
    }

    pub(super) async fn list(&self) -> Result<Vec<KeyRecord>, SignFault> {
        self.blocking(|ring| Ok(ring.list())).await
    }

    pub(super) async fn status(&self) -> Result<ServiceStatus, SignFault> {
        let backends = self.blocking(|ring| Ok(ring.status())).await?;
        let circuits = (0..).map(|place| self.ring.circuit(Candidate(place)));
        let lanes = backends
            .into_iter()
            .zip(circuits)
            .map(|(backend, (circuit, openings))| LaneStatus {
                name: backend.name,
                available: backend.available,
                detail: backend.detail,
                width: u32::try_from(backend.width).unwrap_or(u32::MAX),
                circuit,
                circuit_openings: openings,
                ..LaneStatus::default()
            });
        Ok(ServiceStatus {
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: lanes.collect(),
        })
    }

    /// Brings back tokens that are away.
    pub(super) async fn tend(&self) {
        // A panic in there has been reported by the runtime; the next round tries again.
        let _ = self
            .blocking(|ring| {
                ring.tend();
                Ok(())
            })
            .await;
    }

    async fn blocking<T, F>(&self, call: F) -> Result<T, SignFault>
    where
        T: Send + 'static,
        F: FnOnce(&KeyRing) -> Result<T, token::Error> + Send + 'static,
    {
        let ring = Arc::clone(&self.ring);
        let call = tokio::task::spawn_blocking(move || call(&ring));
        let outcome = call
            .await
            .map_err(|panic| SignFault::unexpected(panic.to_string()))?;
        Ok(outcome?)
    }
}
