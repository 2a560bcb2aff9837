//! The issuers in memory: found by identifier or name, loaded from the store at the start.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use jiff::Timestamp;
use pki::{Certificate, KeyFingerprint, PublicKey, RevocationReason};
use serde::{Deserialize, Serialize};
use store::issuers::IssuerRow;
use store::keys::KeyRow;
use uuid::Uuid;

use crate::authority::Authority;
use crate::clock::from_millis;
use crate::crl_plan::CrlPlan;
use crate::error::{Error, Result};
use crate::issuer::{Issuer, IssuerEntry, IssuerOrigin, IssuerState};
use crate::key_lost::KeyLost;
use crate::offline::Offline;
use crate::status_index::State;

/// What the store keeps of an issuer beyond its columns.
// stored: as JSON in issuers.settings
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct StoredSettings {
    pub(crate) origin: IssuerOrigin,
    pub(crate) token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    #[serde(default)]
    pub(crate) crl: CrlPlan,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offline: Option<Offline>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_lost: Option<KeyLost>,
}

/// All issuers.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    issuers: ArcSwap<HashMap<Uuid, Arc<Issuer>, RandomState>>,
}

impl Registry {
    /// Adds an issuer, unless it is there already: whoever follows the changes may have been faster. Gives the one that is there.
    pub(crate) fn add(&self, issuer: Issuer) -> Arc<Issuer> {
        let issuer = Arc::new(issuer);
        let id = issuer.id;
        self.issuers.rcu(|issuers| {
            let mut issuers = HashMap::clone(issuers);
            issuers.entry(id).or_insert_with(|| Arc::clone(&issuer));
            issuers
        });
        self.find(id).unwrap_or(issuer)
    }

    pub(crate) fn find(&self, id: Uuid) -> Option<Arc<Issuer>> {
        self.issuers.load().get(&id).map(Arc::clone)
    }

    /// Looks at one without taking hold of it.
    pub(crate) fn with<T>(&self, id: Uuid, look: impl FnOnce(&Issuer) -> T) -> Option<T> {
        self.issuers.load().get(&id).map(|issuer| look(issuer))
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Issuer>> {
        let mut issuers: Vec<Arc<Issuer>> = self.issuers.load().values().map(Arc::clone).collect();
        issuers.sort_by_key(|issuer| {
            let entry = issuer.entry();
            (entry.created_at, entry.id)
        });
        issuers
    }

    /// By identifier; or by name, then the active generation, or the newest that is not switched off.
    pub(crate) fn resolve(&self, id_or_name: &str) -> Result<Arc<Issuer>> {
        if let Some(issuer) = Uuid::try_parse(id_or_name).ok().and_then(|id| self.find(id)) {
            return Ok(issuer);
        }
        let mut named: Vec<(Arc<IssuerEntry>, Arc<Issuer>)> = self
            .issuers
            .load()
            .values()
            .map(|issuer| (issuer.entry(), Arc::clone(issuer)))
            .filter(|(entry, _)| entry.name == id_or_name && entry.state != IssuerState::Disabled)
            .collect();
        named.sort_by_key(|(entry, _)| (entry.state == IssuerState::Active, entry.generation));
        named
            .pop()
            .map(|(_, issuer)| issuer)
            .ok_or_else(|| Error::not_found("issuer", id_or_name))
    }

    /// The number of the next generation under a name.
    pub(crate) fn next_generation(&self, name: &str) -> u32 {
        let generations = self.issuers.load();
        let used = generations
            .values()
            .map(|issuer| issuer.entry())
            .filter(|entry| entry.name == name);
        used.map(|entry| entry.generation).max().unwrap_or(0) + 1
    }

    /// Whether a name is taken by an issuer that was not switched off.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        let issuers = self.issuers.load();
        issuers
            .values()
            .map(|issuer| issuer.entry())
            .any(|entry| entry.name == name && entry.state != IssuerState::Disabled)
    }
}

impl Authority {
    /// All issuers, oldest first.
    pub fn issuers(&self) -> Vec<Arc<IssuerEntry>> {
        self.inner()
            .registry
            .all()
            .iter()
            .map(|issuer| issuer.entry())
            .collect()
    }

    /// Those that somebody may trust: with a certificate that is valid, not revoked, and not switched off.
    pub fn trusted_issuers(&self) -> Vec<Arc<IssuerEntry>> {
        let now = self.inner().clock.now();
        let mut issuers = self.issuers();
        issuers.retain(|issuer| {
            let certificate = issuer.certificate.as_ref();
            issuer.state != IssuerState::Disabled
                && certificate.is_some_and(|own| own.is_valid_at(now))
                && self.revocation_of(issuer).is_none()
        });
        issuers
    }

    /// An issuer by its identifier, or by its name: then the active generation, or the newest when none is active.
    pub fn issuer(&self, id_or_name: &str) -> Result<Arc<IssuerEntry>> {
        Ok(self.inner().registry.resolve(id_or_name)?.entry())
    }

    /// Since when and why the certificate of an issuer is revoked by the issuer above it, as far as that one is here, or its list.
    pub fn revocation_of(&self, issuer: &IssuerEntry) -> Option<(Timestamp, RevocationReason)> {
        let Some(parent) = issuer.parent else {
            let above = self
                .inner()
                .registry
                .with(issuer.id, |known| known.revoked_above.load_full())?;
            return above.as_deref().copied();
        };
        let parent = self.inner().registry.find(parent)?;
        let own = issuer.certificate.as_ref()?.serial();
        match parent.statuses.find(&own)? {
            State::Revoked { at, reason } => Some((from_millis(at), reason)),
            State::Good => None,
        }
    }

    /// An issuer with a certificate, for the public addresses. From memory.
    pub fn ca_certificate(&self, issuer_id: Uuid) -> Option<Arc<IssuerEntry>> {
        let entry = self.inner().registry.find(issuer_id)?.entry();
        entry.certificate.is_some().then_some(entry)
    }
}

/// The public addresses of an issuer, from the base address: its certificate, its OCSP responder, its CRL.
pub(crate) fn public_urls(base_url: &str, id: Uuid) -> [String; 3] {
    ["ca", "ocsp", "crl"].map(|service| format!("{base_url}/.well-known/pki/{service}/{id}"))
}

/// An issuer as the store has it.
pub(crate) fn entry_from_rows(issuer: &IssuerRow, key: &KeyRow, base_url: &str) -> Result<IssuerEntry> {
    let corrupt = |what: &str| {
        Error::Internal(format!(
            "the stored issuer {} has an unreadable {what}",
            issuer.id
        ))
    };
    let settings: StoredSettings = serde_json::from_str(&issuer.settings).map_err(|_| corrupt("settings"))?;
    let public_key = PublicKey::from_spki_der(&key.spki).map_err(|_| corrupt("key"))?;
    let fingerprint: [u8; 32] = issuer
        .key_fingerprint
        .as_slice()
        .try_into()
        .map_err(|_| corrupt("key fingerprint"))?;
    let certificate = issuer
        .certificate
        .as_deref()
        .map(Certificate::from_der)
        .transpose();
    let [ca_url, ocsp_url, crl_url] = match &settings.offline {
        Some(offline) => offline.urls(base_url, issuer.id),
        None => public_urls(base_url, issuer.id),
    };
    Ok(IssuerEntry {
        id: issuer.id,
        name: issuer.name.clone(),
        generation: u32::try_from(issuer.generation).map_err(|_| corrupt("generation"))?,
        state: issuer.state.parse().map_err(|()| corrupt("state"))?,
        origin: settings.origin,
        subject: issuer.subject.clone(),
        key: KeyFingerprint(fingerprint),
        key_algorithm: public_key.algorithm(),
        signature_algorithm: issuer
            .signature_algorithm
            .parse()
            .map_err(|_| corrupt("signature algorithm"))?,
        token: settings.token,
        certificate: certificate.map_err(|_| corrupt("certificate"))?,
        csr: issuer.csr.clone(),
        chain: bundle_from_stored(&issuer.chain).map_err(|_| corrupt("chain"))?,
        links: bundle_from_stored(&issuer.links).map_err(|_| corrupt("link certificates"))?,
        parent: settings.parent,
        ca_url,
        ocsp_url,
        crl_url,
        created_at: from_millis(issuer.created_at),
        public_key,
        profile: settings.profile,
        crl: settings.crl,
        offline: settings.offline,
        key_lost: settings.key_lost,
        certified: None,
    })
}

/// Certificates as the store keeps them: PEM blocks, so that whoever looks at the store can read them.
// stored: issuers.chain and issuers.links
pub(crate) fn bundle_to_stored(certificates: &[Vec<u8>]) -> Vec<u8> {
    certificates
        .iter()
        .flat_map(|der| pki::pem::encode("CERTIFICATE", der).into_bytes())
        .collect()
}

fn bundle_from_stored(stored: &[u8]) -> Result<Vec<Vec<u8>>> {
    if stored.is_empty() {
        return Ok(Vec::new());
    }
    let certificates = Certificate::parse_all(stored).map_err(Error::internal)?;
    Ok(certificates
        .iter()
        .map(|certificate| certificate.der().to_vec())
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn the_oldest_settings_are_read() {
        let settings: StoredSettings =
            serde_json::from_str(r#"{"origin":"from-disk","token":"software"}"#).unwrap();
        assert_eq!((settings.origin, settings.parent), (IssuerOrigin::FromDisk, None));
        assert_eq!(settings.crl, CrlPlan::default());
        assert_eq!((settings.offline, settings.key_lost), (None, None));
    }

    #[test]
    fn an_empty_bundle_stays_empty() {
        assert_eq!(
            bundle_from_stored(&bundle_to_stored(&[])).unwrap(),
            Vec::<Vec<u8>>::new()
        );
    }
}
