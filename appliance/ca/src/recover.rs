//! Orphans: what may have been signed before a crash without being recorded.

use jiff::Timestamp;
use pki::Serial;
use pki::crl::RevocationReason;
use serde_json::json;
use store::crls::NewChange;
use store::intents::{End, IntentRow};
use store::revocations::RevocationRow;
use uuid::Uuid;

use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::crl_shard::Listing;
use crate::error::{Error, Result};
use crate::issuer::IssuerState;
use crate::permit::{self, Permit, action};
use crate::status_index::State;

/// A serial under which something may have been signed that was never recorded. It is revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Orphan {
    /// Whose signature it would be.
    pub issuer_id: Uuid,
    /// The serial.
    pub serial: Serial,
    /// The order it was for.
    pub order_id: Uuid,
    /// When the intent was recorded.
    pub intended_at: Timestamp,
}

/// What was settled.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recovery {
    /// The orphans, now revoked.
    pub orphans: Vec<Orphan>,
}

impl Authority {
    /// Revokes and reports every intent that nothing in this process and no other living server is working on. Runs when the
    /// authority is opened, and from time to time.
    pub async fn recover(&self) -> Result<Recovery> {
        let mut recovery = Recovery::default();
        for intent in self.intents_of_the_dead().await? {
            let serial = serial_of(&intent)?;
            // A serial enters the set before its intent is recorded and leaves it after it is settled.
            if self.inner().in_flight.contains(intent.issuer_id, serial) {
                continue;
            }
            let (order_id, issuer_id) = (intent.order_id, intent.issuer_id);
            let intended_at = from_millis(intent.at);
            let message = "the process ended between the intent and the certificate";
            if self.revoke_orphan(intent, "orphaned", message).await? {
                recovery.orphans.push(Orphan {
                    issuer_id,
                    serial,
                    order_id,
                    intended_at,
                });
            }
        }
        Ok(recovery)
    }

    /// Revokes what may have been signed for an intent; whether the intent was still there.
    pub(crate) async fn revoke_orphan(
        &self,
        intent: IntentRow,
        code: &'static str,
        message: &str,
    ) -> Result<bool> {
        let permit: Permit<action::Revoke> = permit::of_duty("recovery");
        let (serial, issuer_id, order_id) = (serial_of(&intent)?, intent.issuer_id, intent.order_id);
        let at = self.inner().clock.now();
        let details = json!({
            "serial": serial.to_string(), "issuer_id": issuer_id, "order_id": order_id, "cause": code,
            "message": message, "intended_at": from_millis(intent.at).to_string(),
            // The book of the signing process has it when it was signed, under a CA whose scheme hashes by SHA-256 (docs/audit.md).
            "tbs_sha256": audit::hexadecimal(&intent.tbs_hash),
        });
        let entry = audit::entry(
            at,
            permit.actor(),
            "certificate.orphan",
            serial,
            audit::OK,
            &details,
        );
        let order = intent.order(End::Failed { code, message });
        let revocation = RevocationRow {
            issuer_id,
            serial: intent.serial.clone(),
            revoked_at: at.as_millisecond(),
            reason: RevocationReason::Unspecified.code().into(),
            invalidity_date: None,
            not_after: intent.not_after,
            is_orphan: true,
        };
        let listing = Listing::of(&revocation)?;
        let issuer = self.inner().registry.find(issuer_id);
        let issuer = issuer.ok_or_else(|| Error::internal("an intent of no issuer"))?;
        let shard = issuer.shards.of(&serial).index;
        let keeps = issuer.entry().crl.deltas;
        let _turn = issuer.turns.of(&serial).await;
        let change = self.change(entry, move |tx| {
            if !store::intents::remove(tx, intent.issuer_id, &intent.serial)? {
                return Err(store::Error::Absent {
                    what: "the intent".to_owned(),
                });
            }
            store::revocations::put(tx, &revocation)?;
            let noted = NewChange {
                issuer_id,
                shard,
                serial: &revocation.serial,
                released_at: None,
                not_after: revocation.not_after,
            };
            // Revoking matters more than the order's last word.
            store::orders::insert_unless_there(tx, &order)?;
            store::crls::note_change(tx, &noted, keeps)
        });
        let (number, seq) = match change.await {
            Ok(numbers) => numbers,
            // It was settled in the meantime.
            Err(Error::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        tracing::warn!(%serial, %issuer_id, %order_id, code, "an orphan was revoked");
        self.inner().metrics.orphaned();
        let state = State::Revoked {
            at: at.as_millisecond(),
            reason: RevocationReason::Unspecified,
        };
        issuer.statuses.apply(serial, state, seq);
        issuer.shards.of(&serial).apply(listing, number, keeps);
        self.inner().crl_nudge.notify_one();
        Ok(true)
    }

    /// Issuers whose making broke off: a key, and neither a certificate nor a request for one. They are switched off, and
    /// their names are free again.
    pub(crate) async fn disable_unfinished_issuers(&self) -> Result<()> {
        // Another server may be making one right now.
        if self.is_another_alive().await? {
            return Ok(());
        }
        for issuer in self.inner().registry.all() {
            let entry = issuer.entry();
            if entry.state == IssuerState::Pending && entry.csr.is_none() {
                self.disable_unfinished(entry.id).await?;
            }
        }
        Ok(())
    }

    /// Switches off an issuer that did not get its certificate.
    pub(crate) async fn disable_unfinished(&self, issuer_id: Uuid) -> Result<()> {
        let permit: Permit<action::ManageIssuers> = permit::of_duty("recovery");
        let at = self.inner().clock.now();
        let details = json!({ "why": "its making broke off" });
        let entry = audit::entry(
            at,
            permit.actor(),
            "issuer.disable",
            issuer_id,
            audit::OK,
            &details,
        );
        self.change(entry, move |tx| store::issuers::disable_pending(tx, issuer_id))
            .await?;
        if let Some(issuer) = self.inner().registry.find(issuer_id) {
            issuer.update(|entry| entry.state = IssuerState::Disabled);
        }
        tracing::warn!(%issuer_id, "an issuer whose making broke off was switched off");
        Ok(())
    }
}

fn serial_of(intent: &IntentRow) -> Result<Serial> {
    Serial::from_unsigned(&intent.serial)
        .map_err(|_| Error::internal("a stored intent has an unreadable serial"))
}
