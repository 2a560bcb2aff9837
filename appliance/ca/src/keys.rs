//! The keys that the signer holds, and what they are used for.

use pki::KeyFingerprint;
use signer_wire::KeyRecord;

use crate::audit_log::AuditLog;
use crate::authority::Authority;
use crate::error::Result;
use crate::issuer::Issuer;
use crate::permit;
use crate::principal::Principal;

/// A key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyEntry {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fingerprint: KeyFingerprint,
    /// Its label in the token.
    pub label: String,
    /// The kind of key, as text.
    pub algorithm: String,
    /// The tokens that hold it.
    pub tokens: Vec<String>,
    /// Whether it can be taken out of the token.
    pub extractable: bool,
    /// Whether its value can be read.
    pub sensitive: bool,
    /// Whether it was made in the token.
    pub local: bool,
    /// What uses it: `issuer NAME GENERATION`, `responder of NAME GENERATION` or `audit log`.
    pub used_by: Vec<String>,
}

impl Authority {
    /// All keys of the signer.
    pub async fn keys(&self, principal: &Principal) -> Result<Vec<KeyEntry>> {
        permit::check_reads_system(principal)?;
        let records = self.inner().signer.list().await?;
        let issuers = self.inner().registry.all();
        let audit = self.inner().store.read(AuditLog::read).await?;
        let entry = |record: KeyRecord| {
            let fingerprint = KeyFingerprint(*record.key.as_bytes());
            KeyEntry {
                used_by: issuers
                    .iter()
                    .flat_map(|issuer| uses(issuer, fingerprint))
                    .chain(
                        audit
                            .iter()
                            .filter(|log| log.fingerprint == fingerprint)
                            .map(|_| "audit log".to_owned()),
                    )
                    .collect(),
                fingerprint,
                label: record.label,
                algorithm: record.kind.to_string(),
                tokens: record.tokens,
                extractable: record.attributes.extractable,
                sensitive: record.attributes.sensitive,
                local: record.attributes.local,
            }
        };
        Ok(records.into_iter().map(entry).collect())
    }
}

fn uses(issuer: &Issuer, key: KeyFingerprint) -> Vec<String> {
    let entry = issuer.entry();
    let name = format!("{} {}", entry.name, entry.generation);
    let responder = issuer.responder.load();
    let as_issuer = (entry.key == key).then(|| format!("issuer {name}"));
    let as_responder = responder
        .as_ref()
        .filter(|one| one.signing.key == key)
        .map(|_| format!("responder of {name}"));
    as_issuer.into_iter().chain(as_responder).collect()
}
