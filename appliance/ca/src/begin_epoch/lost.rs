//! What happened after the backup, done again entry by entry.

use std::collections::HashMap;

use jiff::Timestamp;
use pki::{Certificate, PublicKey, RevocationReason, Serial};
use serde::Deserialize;
use serde_json::json;
use store::Tx;
use store::audit::LoggedEntry;
use store::issuers::IssuerRow;
use store::revocations::{self, RevocationRow};
use uuid::Uuid;

use super::rows::{end_of, order_of, row_of};
use super::{ExportedLog, NewEpoch, Restored};
use crate::audit;
use crate::clock::from_millis;

/// Actions that change nothing which a restore would have to bring back.
const WITHOUT_EFFECT: &[&str] = &["store.restore", "clock.accept", "profile.seed"];

/// What [`Again::note`] says of a certificate that was taken in again, and of one that is nowhere.
const TAKEN_IN: &str = "taken in again";
const NOWHERE: &str = "nowhere: its serial is revoked";

/// What an entry may tell of a certificate.
#[derive(Debug, Deserialize)]
pub(super) struct Details {
    pub(super) certificate_id: Option<Uuid>,
    pub(super) serial: Option<Serial>,
    pub(super) issuer_id: Option<Uuid>,
    pub(super) subject: Option<String>,
    pub(super) names: Option<Vec<String>>,
    pub(super) profile: Option<String>,
    pub(super) not_after: Option<Timestamp>,
    pub(super) requester: Option<String>,
    pub(super) order_id: Option<Uuid>,
    pub(super) replaces: Option<Uuid>,
    pub(super) reason: Option<RevocationReason>,
    pub(super) invalidity_date: Option<Timestamp>,
    pub(super) number: Option<i64>,
    pub(super) shard: Option<u32>,
    pub(super) what: Option<serde_json::Value>,
}

/// What an earlier restore said that it did again: where the log did not go on with the entries it had that from, this is all that
/// is left of them.
// stored: in entries of the audit log
#[derive(Debug, Default, Deserialize)]
struct Reconciled {
    revoked: Option<RevocationReason>,
    revoked_at: Option<Timestamp>,
    invalidity_date: Option<Timestamp>,
    #[serde(default)]
    released: bool,
    certificate: Option<String>,
}

/// A revocation as an entry tells of it.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: i64,
    reason: RevocationReason,
    invalidity_date: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

/// Does it again.
pub(super) struct Again<'a, 'tx> {
    tx: &'a Tx<'tx>,
    restored: &'a Restored,
    actor: &'a str,
    done: &'a mut NewEpoch,
    certificates: HashMap<Serial, Vec<&'a Certificate>>,
    numbers: HashMap<(Uuid, u32), i64>,
    continues: bool,
}

impl<'a, 'tx> Again<'a, 'tx> {
    pub(super) fn new(
        tx: &'a Tx<'tx>,
        restored: &'a Restored,
        actor: &'a str,
        done: &'a mut NewEpoch,
    ) -> Self {
        let mut certificates: HashMap<Serial, Vec<&Certificate>> = HashMap::new();
        for one in &restored.certificates {
            certificates.entry(one.serial()).or_default().push(one);
        }
        Self {
            tx,
            restored,
            actor,
            done,
            certificates,
            numbers: HashMap::new(),
            continues: false,
        }
    }

    /// The highest number of a list of each shard that the log tells of.
    pub(super) fn crl_numbers(self) -> HashMap<(Uuid, u32), i64> {
        self.numbers
    }

    /// Does all that a log tells of the time after the backup. Its entries become those of this log where their hashes follow on.
    pub(super) fn follow(&mut self, log: &ExportedLog) -> store::Result<()> {
        let last = store::audit::last(self.tx)?;
        let before = store::audit::after(self.tx, last - 1, 1)?;
        let head = before.first().map(|one| one.hash.clone()).unwrap_or_default();
        let first = log.after(last).next();
        self.continues = log.is_proven() && first.is_some_and(|one| store::audit::follows(&head, one));
        // First the log as it was, so that what is said of it below stands behind it.
        if self.continues {
            for one in log.after(last) {
                store::audit::append(self.tx, &one.entry)?;
                self.done.log_continued += 1;
            }
        }
        log.after(last)
            .filter(|one| one.entry.outcome == audit::OK)
            .try_for_each(|one| self.apply(one))
    }

    fn apply(&mut self, one: &LoggedEntry) -> store::Result<()> {
        let entry = &one.entry;
        let details: Details = match serde_json::from_str(&entry.details) {
            Ok(details) => details,
            Err(error) if entry.action.starts_with("certificate.") => {
                let what = format!("entry {} of the export: {error}", one.seq);
                return Err(store::Error::Corrupt(what));
            }
            // Of something else, and told in words of its own.
            Err(_) => {
                self.not_brought_back(&entry.action);
                return Ok(());
            }
        };
        let named = details.issuer_id.zip(details.serial);
        match (entry.action.as_str(), named) {
            ("certificate.revoke", Some((issuer, serial))) => {
                let told = Told {
                    at: entry.at,
                    reason: details.reason.unwrap_or(RevocationReason::Unspecified),
                    invalidity_date: details.invalidity_date,
                    not_after: details.not_after,
                };
                self.revoke(one, issuer, serial, told)
            }
            ("certificate.release", Some((issuer, serial))) => self.release(one, issuer, serial),
            ("certificate.orphan", Some((issuer, serial))) => self.orphan(one, issuer, serial, None),
            ("certificate.reconcile", Some((issuer, serial))) => {
                self.reconciled(one, issuer, serial, &details)
            }
            ("token.revoke", _) => self.end_token(one),
            ("crl.publish", _) => {
                if let (Some(issuer), Some(number)) = (details.issuer_id, details.number) {
                    let highest = self
                        .numbers
                        .entry((issuer, details.shard.unwrap_or(0)))
                        .or_default();
                    *highest = number.max(*highest);
                }
                Ok(())
            }
            (action, Some((issuer, serial))) if details.certificate_id.is_some() => {
                if action.starts_with("issuer.") {
                    self.not_brought_back(action);
                }
                self.issued(one, issuer, serial, &details)
            }
            (action, _) => {
                self.not_brought_back(action);
                Ok(())
            }
        }
    }

    fn not_brought_back(&mut self, action: &str) {
        if !WITHOUT_EFFECT.contains(&action) {
            *self.done.not_brought_back.entry(action.to_owned()).or_default() += 1;
        }
    }

    /// What an earlier restore of a backup did again. The last word of a serial is what holds.
    fn reconciled(
        &mut self,
        one: &LoggedEntry,
        issuer_id: Uuid,
        serial: Serial,
        details: &Details,
    ) -> store::Result<()> {
        let what = details.what.clone().unwrap_or_default();
        let what: Reconciled = serde_json::from_value(what).unwrap_or_default();
        if let Some(reason) = what.revoked {
            let told = Told {
                at: what.revoked_at.map_or(one.entry.at, Timestamp::as_millisecond),
                reason,
                invalidity_date: what.invalidity_date,
                not_after: details.not_after,
            };
            return self.revoke(one, issuer_id, serial, told);
        }
        if what.released {
            return self.release(one, issuer_id, serial);
        }
        match what.certificate.as_deref() {
            Some(TAKEN_IN) => self.issued(one, issuer_id, serial, details),
            // Also of what a later program may say: nothing becomes good by what is not understood.
            _ => self.orphan(one, issuer_id, serial, details.not_after),
        }
    }

    /// The end of an API token. Where the log does not go on with the entry, it gets one of its own.
    fn end_token(&mut self, one: &LoggedEntry) -> store::Result<()> {
        if !store::tokens::revoke(self.tx, &one.entry.object, one.entry.at)? {
            return Ok(());
        }
        self.done.tokens_ended += 1;
        if self.continues {
            return Ok(());
        }
        let details = json!({ "was": one.seq, "backup": self.restored.backup });
        let entry = audit::entry(
            self.restored.now,
            self.actor,
            "token.revoke",
            &one.entry.object,
            audit::OK,
            &details,
        );
        store::audit::append(self.tx, &entry).map(drop)
    }

    /// A certificate that was issued: taken in again when it is there, its serial revoked otherwise.
    fn issued(
        &mut self,
        one: &LoggedEntry,
        issuer_id: Uuid,
        serial: Serial,
        details: &Details,
    ) -> store::Result<()> {
        if self.is_known(issuer_id, serial)? {
            return Ok(());
        }
        let Some(issuer) = store::issuers::find(self.tx, issuer_id)? else {
            self.not_brought_back("certificates of a CA that was made after the backup");
            return Ok(());
        };
        let Some(certificate) = self.certificate_of(&issuer, serial)? else {
            return self.orphan(one, issuer_id, serial, details.not_after);
        };
        let row = row_of(one, issuer_id, certificate, details);
        let names = details.names.clone().unwrap_or_default();
        store::intents::remove(self.tx, issuer_id, &row.serial)?;
        store::certificates::insert(self.tx, &row, &names)?;
        store::orders::insert_unless_there(self.tx, &order_of(&row, &names))?;
        self.done.certificates_taken_in += 1;
        // With all that it was taken in by: where the log does not go on, nothing else has that.
        let details = json!({
            "certificate_id": row.id, "subject": row.subject, "names": names, "profile": row.profile, "requester": row.requester,
            "order_id": row.order_id, "replaces": row.replaces, "not_after": from_millis(row.not_after),
            "what": { "was": one.seq, "certificate": TAKEN_IN },
        });
        self.note(issuer_id, serial, details)
    }

    fn is_known(&self, issuer_id: Uuid, serial: Serial) -> store::Result<bool> {
        let serial = serial.as_bytes();
        Ok(
            store::certificates::of_issuer(self.tx, issuer_id, serial)?.is_some()
                || revocations::find(self.tx, issuer_id, serial)?.is_some(),
        )
    }

    /// The certificate of a serial that this issuer signed.
    fn certificate_of(&self, issuer: &IssuerRow, serial: Serial) -> store::Result<Option<&'a Certificate>> {
        let Some(found) = self.certificates.get(&serial) else {
            return Ok(None);
        };
        let keys = store::keys::all(self.tx)?;
        let key = keys.iter().find(|key| key.fingerprint == issuer.key_fingerprint);
        let key = key.and_then(|key| PublicKey::from_spki_der(&key.spki).ok());
        let Some(key) = key else {
            return Ok(None);
        };
        Ok(found
            .iter()
            .find(|one| one.verify_signed_by(&key).is_ok())
            .copied())
    }

    /// Revokes a serial under which something was signed that is nowhere. If it is there after all, it is revoked like others: who
    /// brings a certificate along does not take back what the log says.
    fn orphan(
        &mut self,
        one: &LoggedEntry,
        issuer_id: Uuid,
        serial: Serial,
        not_after: Option<Timestamp>,
    ) -> store::Result<()> {
        if revocations::find(self.tx, issuer_id, serial.as_bytes())?.is_some() {
            return Ok(());
        }
        if store::certificates::of_issuer(self.tx, issuer_id, serial.as_bytes())?.is_some() {
            let told = Told {
                at: one.entry.at,
                reason: RevocationReason::Unspecified,
                invalidity_date: None,
                not_after,
            };
            return self.revoke(one, issuer_id, serial, told);
        }
        let Some(issuer) = store::issuers::find(self.tx, issuer_id)? else {
            self.not_brought_back("certificates of a CA that was made after the backup");
            return Ok(());
        };
        let not_after =
            not_after.map_or_else(|| end_of(&issuer, self.restored.now), Timestamp::as_millisecond);
        store::intents::remove(self.tx, issuer_id, serial.as_bytes())?;
        let revocation = RevocationRow {
            issuer_id,
            serial: serial.as_bytes().to_vec(),
            revoked_at: self.restored.now.as_millisecond(),
            reason: RevocationReason::Unspecified.code().into(),
            invalidity_date: None,
            not_after,
            is_orphan: true,
        };
        revocations::put(self.tx, &revocation)?;
        self.done.serials_revoked += 1;
        let details = json!({
            "not_after": from_millis(not_after), "what": { "was": one.seq, "certificate": NOWHERE },
        });
        self.note(issuer_id, serial, details)
    }

    fn revoke(
        &mut self,
        one: &LoggedEntry,
        issuer_id: Uuid,
        serial: Serial,
        told: Told,
    ) -> store::Result<()> {
        let octets = serial.as_bytes();
        let known = revocations::find(self.tx, issuer_id, octets)?;
        let Some(row) = store::certificates::of_issuer(self.tx, issuer_id, octets)? else {
            // Of a certificate that is nowhere: revoked already, or revoked now.
            return self.orphan(one, issuer_id, serial, told.not_after);
        };
        let revocation = RevocationRow {
            issuer_id,
            serial: octets.to_vec(),
            revoked_at: known.as_ref().map_or(told.at, |known| known.revoked_at),
            reason: told.reason.code().into(),
            invalidity_date: told
                .invalidity_date
                .map(Timestamp::as_millisecond)
                .or(known.and_then(|known| known.invalidity_date)),
            not_after: row.not_after,
            is_orphan: false,
        };
        revocations::put(self.tx, &revocation)?;
        self.done.revocations += 1;
        if self.continues {
            return Ok(());
        }
        let revoked = json!({
            "was": one.seq, "revoked": told.reason, "revoked_at": from_millis(revocation.revoked_at),
            "invalidity_date": revocation.invalidity_date.map(from_millis),
        });
        let details = json!({ "not_after": from_millis(row.not_after), "what": revoked });
        self.note(issuer_id, serial, details)
    }

    fn release(&mut self, one: &LoggedEntry, issuer_id: Uuid, serial: Serial) -> store::Result<()> {
        // What is nowhere stays revoked.
        if store::certificates::of_issuer(self.tx, issuer_id, serial.as_bytes())?.is_none() {
            return Ok(());
        }
        let was_held = revocations::remove(self.tx, issuer_id, serial.as_bytes())?;
        self.done.releases += u64::from(was_held);
        if self.continues || !was_held {
            return Ok(());
        }
        self.note(
            issuer_id,
            serial,
            json!({ "what": { "was": one.seq, "released": true } }),
        )
    }

    /// Says in the log what was done: a later restore of the same backup may have nothing else to know it by.
    fn note(&self, issuer_id: Uuid, serial: Serial, mut details: serde_json::Value) -> store::Result<()> {
        let of = json!({ "issuer_id": issuer_id, "serial": serial, "backup": self.restored.backup });
        if let (Some(details), serde_json::Value::Object(of)) = (details.as_object_mut(), of) {
            details.extend(of);
        }
        let now = self.restored.now;
        let entry = audit::entry(
            now,
            self.actor,
            "certificate.reconcile",
            serial,
            audit::OK,
            &details,
        );
        store::audit::append(self.tx, &entry).map(drop)
    }
}
