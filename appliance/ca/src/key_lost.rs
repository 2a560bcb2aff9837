//! A CA whose key no token has any more, because the HSM is lost: it is noted, so that nobody waits for its signatures.
//!
//! Nothing is signed for that: it could not be. The CA issues no more and is asked for no CRL and no responder; the lists and answers
//! that there are go on being handed out until they end by themselves, what is revoked is recorded, and a backup does not want its
//! key. Since a key that only seems to be gone would be given up, the key is asked for a signature first: where one comes, or where a
//! token that may have it is away, nothing is noted. A key that turns up again is taken up after a test signature.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::issuers::IssuerRow;

use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Refusal, Result};
use crate::issuer::{IssuerEntry, IssuerState};
use crate::permit::{self, Permit, action};
use crate::principal::Principal;
use crate::prove_key::prove_key;
use crate::registry::StoredSettings;

/// Longest reason, in octets.
const LONGEST_REASON: usize = 500;

/// What was noted of a lost key.
// stored: in the settings of an issuer
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyLost {
    /// Epoch milliseconds.
    at: i64,
    /// In the words of whoever noted it.
    reason: String,
}

impl KeyLost {
    /// When it was noted.
    pub fn at(&self) -> Timestamp {
        from_millis(self.at)
    }

    /// Why, in the words of whoever noted it.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Of an issuer as the store has it.
    pub fn of(issuer: &IssuerRow) -> Option<Self> {
        let settings: StoredSettings = serde_json::from_str(&issuer.settings).ok()?;
        settings.key_lost
    }
}

/// Whether the key of an issuer, as the store has it, is one that signs here.
pub fn has_key_here(issuer: &IssuerRow) -> bool {
    let settings: Option<StoredSettings> = serde_json::from_str(&issuer.settings).ok();
    settings.is_none_or(|settings| {
        settings.key_lost.is_none() && !settings.offline.is_some_and(|offline| offline.is_elsewhere)
    })
}

impl Authority {
    /// Notes that the key of a CA is lost.
    pub async fn note_lost_key(
        &self,
        principal: &Principal,
        issuer: &str,
        reason: &str,
    ) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > LONGEST_REASON {
            let message = format!("say in 1 to {LONGEST_REASON} octets how the key was lost");
            return Err(Error::from(Refusal::of_requester("reason_missing", message)));
        }
        let issuer = issuer.to_owned();
        self.to_the_end(|authority| async move { authority.give_up_key(&permit, &issuer, reason).await })
            .await
    }

    /// Takes up the key of a CA again that was noted as lost. The CA stays retired: it signs CRLs and OCSP answers.
    pub async fn take_up_found_key(&self, principal: &Principal, issuer: &str) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let issuer = issuer.to_owned();
        self.to_the_end(|authority| async move { authority.use_key_again(&permit, &issuer).await })
            .await
    }

    async fn give_up_key(
        &self,
        permit: &Permit<action::ManageIssuers>,
        name: &str,
        reason: String,
    ) -> Result<Arc<IssuerEntry>> {
        let _one_at_a_time = self.inner().issuer_changes.lock().await;
        let entry = self.inner().registry.resolve(name)?.entry();
        if entry.key_lost.is_some() {
            return Ok(entry);
        }
        if entry.is_elsewhere() || entry.state == IssuerState::Disabled {
            let message = format!(
                "the issuer {} signs nothing here, so no key is missed",
                entry.name
            );
            return Err(Error::conflict("issuer_not_active", message));
        }
        match prove_key(&self.inner().signer, &entry.public_key).await {
            Err(Error::Unavailable {
                code: "hsm_key_missing",
                ..
            }) => {}
            Ok(()) => {
                let message = format!("the key of the issuer {} is there and signs", entry.name);
                return Err(Error::conflict("issuer_key_there", message));
            }
            Err(error) => return Err(error),
        }
        let at = self.inner().clock.now();
        let lost = KeyLost {
            at: at.as_millisecond(),
            reason,
        };
        let details = json!({
            "name": entry.name, "generation": entry.generation, "key": entry.key.to_string(), "token": entry.token,
            "was": entry.state.to_string(), "reason": lost.reason,
        });
        // One without a certificate has signed nothing that anybody checks.
        let state = match entry.certificate {
            Some(_) => IssuerState::Retired,
            None => IssuerState::Disabled,
        };
        self.write_key_lost(permit, &entry, ("issuer.key_lost", details), (Some(lost), state))
            .await
    }

    async fn use_key_again(
        &self,
        permit: &Permit<action::ManageIssuers>,
        name: &str,
    ) -> Result<Arc<IssuerEntry>> {
        let _one_at_a_time = self.inner().issuer_changes.lock().await;
        let entry = self.inner().registry.resolve(name)?.entry();
        if entry.key_lost.is_none() {
            let message = format!("the key of the issuer {} was not noted as lost", entry.name);
            return Err(Error::conflict("issuer_key_there", message));
        }
        prove_key(&self.inner().signer, &entry.public_key).await?;
        let details = json!({
            "name": entry.name, "generation": entry.generation, "key": entry.key.to_string(),
        });
        let noted = self
            .write_key_lost(permit, &entry, ("issuer.key_found", details), (None, entry.state))
            .await?;
        self.inner().crl_nudge.notify_one();
        Ok(noted)
    }

    /// The settings are read where they are changed: another server may have changed them.
    async fn write_key_lost(
        &self,
        permit: &Permit<action::ManageIssuers>,
        issuer: &IssuerEntry,
        (action, details): (&'static str, serde_json::Value),
        (lost, state): (Option<KeyLost>, IssuerState),
    ) -> Result<Arc<IssuerEntry>> {
        let (id, at) = (issuer.id, self.inner().clock.now());
        let audited = audit::entry(at, permit.actor(), action, id, audit::OK, &details);
        self.change(audited, move |tx| {
            let absent = || store::Error::Corrupt(format!("the issuer {id} is gone"));
            let row = store::issuers::find(tx, id)?.ok_or_else(absent)?;
            let unreadable = |error: serde_json::Error| store::Error::Corrupt(error.to_string());
            let mut settings: StoredSettings = serde_json::from_str(&row.settings).map_err(unreadable)?;
            settings.key_lost.clone_from(&lost);
            let settings = serde_json::to_string(&settings).map_err(unreadable)?;
            store::issuers::set_settings(tx, id, &settings)?;
            store::issuers::set_state(tx, id, &state.to_string())
        })
        .await?;
        self.read_issuer_anew(id).await?;
        let entry = self.issuer(&id.to_string())?;
        tracing::warn!(%id, name = entry.name, action, "noted of the key of an issuer");
        Ok(entry)
    }
}
