//! CRLs: full, one per issuer, on schedule and after revocations (RFC 5280 §5).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use pki::crl::{CrlInput, RevokedEntry};
use pki::lint::CrlContext;
use pki::{DigestAlgorithm, RevocationReason, Serial};
use serde_json::json;
use store::crls::CrlRow;
use store::revocations::RevocationRow;
use uuid::Uuid;

use crate::audit::{self, hexadecimal};
use crate::authority::Authority;
use crate::certificates::reason_of;
use crate::clock::from_millis;
use crate::error::{Error, Result};
use crate::issuer::Issuer;
use crate::permit::{self, Permit, action};
use crate::principal::Principal;
use crate::seal::Purpose;

/// A CRL, ready to be sent.
#[derive(Clone, Debug)]
pub struct PublishedCrl {
    /// DER of the CRL.
    pub der: Bytes,
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next one comes at the latest.
    pub next_update: Timestamp,
    /// How many entries it has.
    pub entries: usize,
    /// A strong entity tag, with its quotes.
    pub etag: String,
}

impl PublishedCrl {
    fn from_row(row: CrlRow) -> Self {
        let etag = hexadecimal(&DigestAlgorithm::Sha256.digest(&row.der));
        Self {
            number: row.number,
            this_update: from_millis(row.this_update),
            next_update: from_millis(row.next_update),
            entries: usize::try_from(row.entries).unwrap_or(0),
            etag: format!("\"{}-{}\"", row.number, etag.get(..16).unwrap_or_default()),
            der: Bytes::from(row.der),
        }
    }
}

impl Authority {
    /// The CRL of an issuer as it is published. From memory.
    pub fn current_crl(&self, issuer_id: Uuid) -> Option<Arc<PublishedCrl>> {
        self.inner().registry.find(issuer_id)?.crl.load_full()
    }

    /// Publishes a new CRL of an issuer (by identifier or name) now.
    pub async fn publish_crl(&self, principal: &Principal, issuer: &str) -> Result<Arc<PublishedCrl>> {
        let issuer = self.inner().registry.resolve(issuer)?;
        let permit = permit::to_publish(principal, &issuer.entry())?;
        self.to_the_end(|authority| async move { authority.publish(&permit, &issuer).await })
            .await
    }

    /// Publishes the CRLs that are due, by the schedule or because something was revoked; gives how many. Tries all of
    /// them and gives the last error.
    pub async fn publish_due_crls(&self) -> Result<usize> {
        let (mut published, mut failure) = (0, None);
        for issuer in self.inner().registry.all() {
            match self.publish_if_due(&issuer).await {
                Ok(was_due) => published += usize::from(was_due),
                Err(error) => {
                    tracing::warn!(%error, issuer = issuer.entry().name, "the CRL could not be published");
                    failure = Some(error);
                }
            }
        }
        failure.map_or(Ok(published), Err)
    }

    pub(crate) async fn publish_if_due(&self, issuer: &Arc<Issuer>) -> Result<bool> {
        let (entry, now) = (issuer.entry(), self.inner().clock.now());
        let has_ended = entry
            .certificate
            .as_ref()
            .is_none_or(|certificate| certificate.not_after() <= now);
        if !entry.answers() || has_ended {
            return Ok(false);
        }
        let interval = self.inner().settings.crl_interval;
        let is_scheduled = issuer.crl.load().as_ref().is_none_or(|crl| {
            crl.this_update
                .saturating_add(interval)
                .is_ok_and(|due| due <= now)
        });
        if !is_scheduled && !issuer.is_crl_due.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let permit = permit::of_duty("CRL schedule");
        let issuer = Arc::clone(issuer);
        self.to_the_end(|authority| async move { authority.publish(&permit, &issuer).await })
            .await?;
        Ok(true)
    }

    async fn publish(&self, permit: &Permit<action::Publish>, issuer: &Issuer) -> Result<Arc<PublishedCrl>> {
        let _one_at_a_time = issuer.publishing.lock().await;
        // What is revoked from here on makes the next CRL due; what was revoked before is in the store already.
        let was_due = issuer.is_crl_due.swap(false, Ordering::SeqCst);
        let outcome = self.make_crl(permit, issuer).await;
        if outcome.is_err() && was_due {
            issuer.is_crl_due.store(true, Ordering::SeqCst);
        }
        outcome
    }

    async fn make_crl(&self, permit: &Permit<action::Publish>, issuer: &Issuer) -> Result<Arc<PublishedCrl>> {
        let entry = issuer.entry();
        let view = entry.view().filter(|_| entry.answers()).ok_or_else(|| {
            Error::conflict(
                "issuer_not_active",
                format!("the issuer {} is {} and signs no CRL", entry.name, entry.state),
            )
        })?;
        let now = self.inner().clock.now();
        self.inner().guard.admit(now)?;
        let this_update = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let lifetime = self.inner().settings.crl_lifetime;
        let next_update = this_update.saturating_add(lifetime).map_err(Error::internal)?;
        let previous = issuer.crl.load_full();
        let kept_from = self.oldest_end(previous.as_deref(), now).as_millisecond();
        let id = entry.id;
        let read = self.inner().store.read(move |reader| {
            Ok((
                store::crls::last_number(reader, id)?,
                store::revocations::of_issuer(reader, id, kept_from)?,
            ))
        });
        let (last_number, revocations) = read.await?;
        let mut entries = revocations
            .iter()
            .map(revoked_entry)
            .collect::<Result<Vec<_>>>()?;
        // RFC 5280 leaves the order open; by number it can be searched.
        entries.sort_by(|one, other| {
            let key = |entry: &RevokedEntry| (entry.serial.as_bytes().len(), entry.serial);
            key(one).cmp(&key(other))
        });
        let number = last_number + 1;
        let tbs = pki::crl::build(&CrlInput {
            issuer: &view.subject,
            authority_key_id: &view.key_id,
            algorithm: view.algorithm,
            number,
            this_update,
            next_update,
            entries: &entries,
            distribution_point: None,
            delta_base: None,
        });
        let previous_number = (last_number > 0).then_some(last_number);
        let context = CrlContext {
            issuer: &view,
            previous_number,
            distribution_point: None,
            now,
        };
        let linted = pki::lint::crl(tbs, &context)?;
        let signature = self.seal(&entry.signing(), &linted, Purpose::Crl).await?;
        let row = CrlRow {
            issuer_id: id,
            number,
            this_update: this_update.as_millisecond(),
            next_update: next_update.as_millisecond(),
            entries: i64::try_from(entries.len()).unwrap_or(i64::MAX),
            der: linted.assemble(&signature),
        };
        self.keep_crl(permit, issuer, row).await
    }

    async fn keep_crl(
        &self,
        permit: &Permit<action::Publish>,
        issuer: &Issuer,
        row: CrlRow,
    ) -> Result<Arc<PublishedCrl>> {
        let now = self.inner().clock.now();
        let details = json!({
            "issuer_id": row.issuer_id, "number": row.number, "entries": row.entries,
            "next_update": from_millis(row.next_update).to_string(),
        });
        let entry = audit::entry(
            now,
            permit.actor(),
            "crl.publish",
            row.issuer_id,
            audit::OK,
            &details,
        );
        let stored = row.clone();
        self.change(entry, move |tx| store::crls::insert(tx, &stored))
            .await?;
        tracing::info!(
            issuer = issuer.entry().name,
            number = row.number,
            entries = row.entries,
            "CRL published"
        );
        let published = Arc::new(PublishedCrl::from_row(row));
        issuer.crl.store(Some(Arc::clone(&published)));
        Ok(published)
    }

    /// The end of validity from which on an entry is still listed. An entry stays until it was on one scheduled CRL made
    /// after its certificate had ended (RFC 5280 §3.3).
    fn oldest_end(&self, previous: Option<&PublishedCrl>, now: Timestamp) -> Timestamp {
        let interval = SignedDuration::try_from(self.inner().settings.crl_interval).unwrap_or_default();
        let scheduled = now.saturating_sub(interval).unwrap_or(Timestamp::UNIX_EPOCH);
        previous.map_or(Timestamp::UNIX_EPOCH, |previous| {
            previous.this_update.min(scheduled)
        })
    }

    pub(crate) async fn load_crls(&self) -> Result<()> {
        for row in self.inner().store.read(store::crls::newest).await? {
            let Some(issuer) = self.inner().registry.find(row.issuer_id) else {
                continue;
            };
            let (id, this_update, entries) = (row.issuer_id, row.this_update, row.entries);
            issuer.crl.store(Some(Arc::new(PublishedCrl::from_row(row))));
            // Something was revoked or released before the stop, and its CRL was not made any more.
            let read = self.inner().store.read(move |reader| {
                let (mut is_due, mut listed) = (false, 0);
                store::revocations::for_each_of_issuer(reader, id, this_update, |row| {
                    is_due |= row.revoked_at >= this_update;
                    listed += 1;
                    Ok(())
                })?;
                Ok(is_due || listed != entries)
            });
            issuer.is_crl_due.store(read.await?, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn revoked_entry(row: &RevocationRow) -> Result<RevokedEntry> {
    let reason = reason_of(row.reason);
    Ok(RevokedEntry {
        serial: Serial::from_unsigned(&row.serial).map_err(Error::internal)?,
        revoked_at: from_millis(row.revoked_at),
        reason: (reason != RevocationReason::Unspecified).then_some(reason),
        invalidity_date: row.invalidity_date.map(from_millis),
    })
}
