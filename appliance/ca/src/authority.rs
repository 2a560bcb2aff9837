//! The authority: what all use cases share.

use std::sync::Arc;

use store::Store;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Clock;
use crate::error::Result;
use crate::issuer::IssuerEntry;
use crate::metrics::Metrics;
use crate::recover::Recovery;
use crate::settings::Settings;
use crate::signer::Signer;

/// The use cases, over one store and one signer. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Authority {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) signer: Signer,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) settings: Settings,
}

impl Authority {
    /// Loads everything from the store, seeds the ready-made profiles, and settles what a crash left behind, so that
    /// whoever holds an authority holds one without orphans; [`Authority::recovered`] says what was found.
    pub async fn open(store: Store, signer: Signer, clock: Clock, settings: Settings) -> Result<Self> {
        todo!()
    }

    /// What was settled when the authority was opened.
    pub fn recovered(&self) -> &Recovery {
        todo!()
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Its metrics; edges register theirs in the same registry.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Told when a CRL is due before its time, because something was revoked.
    pub fn crl_nudge(&self) -> Arc<Notify> {
        todo!()
    }

    /// All issuers, oldest first.
    pub fn issuers(&self) -> Vec<Arc<IssuerEntry>> {
        todo!()
    }

    /// An issuer by its identifier, or by its name: then the active generation, or the pending one when none is active.
    pub fn issuer(&self, id_or_name: &str) -> Result<Arc<IssuerEntry>> {
        todo!()
    }

    /// An issuer with a certificate, for the public addresses. From memory.
    pub fn ca_certificate(&self, issuer_id: Uuid) -> Option<Arc<IssuerEntry>> {
        todo!()
    }
}
