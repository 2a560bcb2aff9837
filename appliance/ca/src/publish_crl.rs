//! CRLs: one for each shard of an issuer, on schedule and after revocations (RFC 5280 §5).
//!
//! The entries stand in memory, encoded and linted; making a CRL hashes, signs and writes them, and neither reads, sorts nor
//! copies them. Its number is taken durably before anything is signed; it is published when its file and its record are
//! durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use pki::Linted;
use pki::crl::{CrlInput, CrlParts, IssuingDistributionPoint, SortedEntries};
use pki::lint::CrlContext;
use pki::profile::IssuerView;
use serde_json::json;
use store::crl_files::{CrlFile, UnfinishedFile};
use store::crls::CrlRow;
use store::leases::{self, Lease};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::audit;
use crate::authority::Authority;
use crate::background;
use crate::clock::from_millis;
use crate::crl_duty::is_for_later;
use crate::crl_shard::{CrlFault, CrlShard, LastTry};
use crate::error::{Error, Result};
use crate::issuer::{Issuer, IssuerEntry};
use crate::permit::{self, Permit, action};
use crate::principal::Principal;
use crate::published_crl::{CrlBody, PublishedCrl, file_name, row_file_name};
use crate::seal::Purpose;

/// Most CRLs that are made at once.
const AT_ONCE: usize = 2;
/// How long a signing process may take to say whether it has a key.
const LOOKING_FOR_KEY: Duration = Duration::from_secs(2);

impl Authority {
    /// The CRL of an issuer as it is published; of one with several, the first.
    pub fn current_crl(&self, issuer_id: Uuid) -> Option<Arc<PublishedCrl>> {
        self.current_crls(issuer_id).into_iter().next()
    }

    /// The CRLs of an issuer as they are published, by their shards.
    pub fn current_crls(&self, issuer_id: Uuid) -> Vec<Arc<PublishedCrl>> {
        let issuer = self.inner().registry.find(issuer_id);
        let published = |issuer: Arc<Issuer>| {
            issuer
                .shards
                .iter()
                .filter_map(|shard| shard.crl.load_full())
                .collect()
        };
        issuer.map(published).unwrap_or_default()
    }

    /// The CRL of a shard of an issuer, which is named exactly when there are several.
    pub fn crl_of_shard(&self, issuer_id: Uuid, shard: Option<u32>) -> Option<Arc<PublishedCrl>> {
        self.list_of_shard(issuer_id, shard, |shard| shard.crl.load_full())
    }

    /// The delta of a shard, likewise.
    pub fn delta_of_shard(&self, issuer_id: Uuid, shard: Option<u32>) -> Option<Arc<PublishedCrl>> {
        self.list_of_shard(issuer_id, shard, |shard| shard.delta.load_full())
    }

    fn list_of_shard(
        &self,
        issuer_id: Uuid,
        shard: Option<u32>,
        list: impl FnOnce(&CrlShard) -> Option<Arc<PublishedCrl>>,
    ) -> Option<Arc<PublishedCrl>> {
        let issuer = self.inner().registry.find(issuer_id)?;
        let is_cut = issuer.entry().crl.shards > 1;
        let shard = match (is_cut, shard) {
            (true, Some(shard)) => shard,
            (false, None) => 0,
            _ => return None,
        };
        list(issuer.shards.get(shard)?)
    }

    /// Publishes a new CRL of an issuer (by identifier or name) now.
    pub async fn publish_crl(&self, principal: &Principal, issuer: &str) -> Result<Arc<PublishedCrl>> {
        let lifetime = self.inner().settings.crl_lifetime;
        self.publish_crl_for(principal, issuer, lifetime).await
    }

    /// The same, of a CRL that is good for this long.
    pub async fn publish_crl_for(
        &self,
        principal: &Principal,
        issuer: &str,
        lifetime: Duration,
    ) -> Result<Arc<PublishedCrl>> {
        let issuer = self.inner().registry.resolve(issuer)?;
        let permit = permit::to_publish(principal, &issuer.entry())?;
        self.to_the_end(|authority| async move {
            let mut published = Vec::new();
            for shard in issuer.shards.iter() {
                published.push(authority.publish(&permit, &issuer, shard, lifetime).await?);
            }
            published
                .into_iter()
                .next()
                .ok_or_else(|| Error::internal("an issuer without shards"))
        })
        .await
    }

    /// Publishes the CRLs that are due, by the schedule or because something was revoked; gives how many. Tries all of
    /// them and gives the last error.
    pub async fn publish_due_crls(&self) -> Result<usize> {
        let (mut published, mut failure, mut under_way) = (0, None, JoinSet::new());
        let mut settle = |ended: Option<std::result::Result<Result<bool>, _>>| match ended {
            None => {}
            Some(Ok(Ok(was_due))) => published += usize::from(was_due),
            Some(Ok(Err(error))) => failure = Some(error),
            Some(Err(error)) => failure = Some(Error::internal(error)),
        };
        for issuer in self.inner().registry.all() {
            for index in issuer.shards.iter().map(|shard| shard.index) {
                if under_way.len() >= AT_ONCE {
                    settle(under_way.join_next().await);
                }
                let (authority, issuer) = (self.clone(), Arc::clone(&issuer));
                under_way.spawn(async move { authority.publish_shard_if_due(&issuer, index).await });
            }
        }
        while !under_way.is_empty() {
            settle(under_way.join_next().await);
        }
        failure.map_or(Ok(published), Err)
    }

    /// Publishes what is due of one issuer; whether something was.
    pub(crate) async fn publish_if_due(&self, issuer: &Arc<Issuer>) -> Result<bool> {
        let mut was_due = false;
        for index in issuer.shards.iter().map(|shard| shard.index) {
            was_due |= self.publish_shard_if_due(issuer, index).await?;
        }
        Ok(was_due)
    }

    async fn publish_shard_if_due(&self, issuer: &Arc<Issuer>, index: u32) -> Result<bool> {
        if !issuer
            .shards
            .get(index)
            .is_some_and(|shard| self.is_due(issuer, shard))
        {
            return Ok(false);
        }
        let permit = permit::of_duty("CRL schedule");
        let issuer = Arc::clone(issuer);
        let publish = self.to_the_end(|authority| async move {
            match issuer.shards.get(index) {
                Some(shard) => {
                    let lifetime = authority.inner().settings.crl_lifetime;
                    let published = authority.publish(&permit, &issuer, shard, lifetime);
                    published.await.map(|_| ())
                }
                None => Ok(()),
            }
            .inspect_err(|error| {
                if !is_for_later(error) {
                    let issuer = issuer.entry();
                    tracing::warn!(%error, issuer = issuer.name, index, "the CRL could not be published");
                }
            })
        });
        match publish.await {
            Err(error) if is_for_later(&error) => {
                self.look_for_list_again();
                Ok(false)
            }
            outcome => outcome.map(|()| true),
        }
    }

    /// Why a CRL of an issuer that is due cannot be made here; nothing of one that another server has made since.
    pub(crate) fn crl_fault(&self, issuer: &Issuer) -> Option<CrlFault> {
        issuer
            .shards
            .iter()
            .find_map(|shard| match &*shard.last_try.lock() {
                LastTry::Failed(fault) if self.is_due(issuer, shard) => Some(fault.clone()),
                _ => None,
            })
    }

    fn is_due(&self, issuer: &Issuer, shard: &CrlShard) -> bool {
        let (entry, now) = (issuer.entry(), self.inner().clock.now());
        let has_ended = entry
            .certificate
            .as_ref()
            .is_none_or(|certificate| certificate.not_after() <= now);
        if !entry.acts_by_itself() || has_ended {
            return false;
        }
        let interval = self.inner().settings.crl_interval;
        let is_scheduled = shard.crl.load().as_ref().is_none_or(|crl| {
            crl.this_update
                .saturating_add(interval)
                .is_ok_and(|due| due <= now)
        });
        is_scheduled || shard.is_due.load(Ordering::SeqCst)
    }

    async fn publish(
        &self,
        permit: &Permit<action::Publish>,
        issuer: &Issuer,
        shard: &CrlShard,
        lifetime: Duration,
    ) -> Result<Arc<PublishedCrl>> {
        let _one_at_a_time = shard.publishing.lock().await;
        // What is revoked from here on makes the next CRL due; what was revoked before is in the entries already.
        let was_due = shard.is_due.swap(false, Ordering::SeqCst);
        let outcome = self.publish_under_duty(permit, issuer, shard, lifetime).await;
        match &outcome {
            Ok(_) => shard.last_try.lock().note(None),
            Err(error) if is_for_later(error) => {}
            Err(error) => shard.last_try.lock().note(Some(CrlFault {
                since: self.inner().clock.now(),
                why: error.to_string(),
            })),
        }
        if outcome.is_err() && was_due {
            shard.is_due.store(true, Ordering::SeqCst);
        }
        outcome
    }

    async fn publish_under_duty(
        &self,
        permit: &Permit<action::Publish>,
        issuer: &Issuer,
        shard: &CrlShard,
        lifetime: Duration,
    ) -> Result<Arc<PublishedCrl>> {
        let entry = issuer.entry();
        // Numbers and files are not spent on what no token can sign. Where the last list was made its key is taken to be there; and a
        // signing process that has too much to do to say so is waited for in the line of those that want signatures.
        let is_proven = matches!(*shard.last_try.lock(), LastTry::Made);
        if !is_proven && entry.answers() && !entry.is_elsewhere() && entry.key_lost.is_none() {
            let looked = tokio::time::timeout(LOOKING_FOR_KEY, self.require_key(&entry)).await;
            looked.unwrap_or(Ok(()))?;
        }
        let (lease, number) = self.take_crl_duty(issuer, shard).await?;
        let making = self.make_crl(permit, issuer, shard, (&lease, number), lifetime);
        self.under(&lease, making).await
    }

    async fn make_crl(
        &self,
        permit: &Permit<action::Publish>,
        issuer: &Issuer,
        shard: &CrlShard,
        (lease, number): (&Lease, u64),
        lifetime: Duration,
    ) -> Result<Arc<PublishedCrl>> {
        let entry = issuer.entry();
        if entry.is_elsewhere() {
            let message = format!(
                "the key of the issuer {} is not here: import the CRL that it signed",
                entry.name
            );
            return Err(Error::conflict("issuer_offline", message));
        }
        if entry.key_lost.is_some() {
            let message = format!(
                "the key of the issuer {} is lost: no CRL of it can be made any more",
                entry.name
            );
            return Err(Error::conflict("issuer_key_lost", message));
        }
        let view = entry.view().filter(|_| entry.answers()).ok_or_else(|| {
            Error::conflict(
                "issuer_not_active",
                format!("the issuer {} is {} and signs no CRL", entry.name, entry.state),
            )
        })?;
        let now = self.inner().clock.now();
        self.inner().guard.admit(now)?;
        let (id, index) = (entry.id, shard.index);
        let interval = self.inner().settings.crl_interval;
        let previous = shard.crl.load_full();
        let snapshot = shard.snapshot(self.oldest_end(previous.as_deref(), now));
        let this_update = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let next_update = this_update.saturating_add(lifetime).map_err(Error::internal)?;
        let row = CrlRow {
            issuer_id: id,
            shard: index,
            number,
            base: None,
            this_update: this_update.as_millisecond(),
            next_update: next_update.as_millisecond(),
            entries: 0,
            changes: snapshot.changes,
            octets: 0,
            digest: Vec::new(),
            der: None,
        };
        let full = self
            .make_list(&entry, &view, row.clone(), snapshot.entries)
            .await?;
        // RFC 5280 §5.2.4: made at the same time, both have the same number and say the same.
        let delta = if entry.crl.deltas && snapshot.base > 0 {
            let row = CrlRow {
                base: Some(snapshot.base),
                ..row
            };
            Some(self.make_list(&entry, &view, row, snapshot.delta).await?)
        } else {
            None
        };
        // A delta grows until a full list is made on schedule, on which the next ones stand.
        let is_scheduled = shard.is_base_old(interval, now);
        let base = (entry.crl.deltas && is_scheduled).then_some(snapshot.within);
        self.share_list(&full.0, &full.1).await?;
        if let Some((row, file)) = &delta {
            self.share_list(row, file).await?;
        }
        self.keep_crl(permit, issuer, shard, (full, delta), base, lease)
            .await
    }

    /// Builds, lints, signs and writes one list.
    async fn make_list(
        &self,
        entry: &IssuerEntry,
        view: &IssuerView,
        mut row: CrlRow,
        entries: SortedEntries,
    ) -> Result<(CrlRow, CrlFile)> {
        row.entries = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        // RFC 5280 §5.2.5: a CRL of a part says of which, in the words of the certificates.
        let address = (entry.crl.shards > 1).then(|| entry.crl_url_of(row.shard));
        let has_delta = entry.crl.deltas && row.base.is_none();
        let input = CrlInput {
            issuer: &view.subject,
            authority_key_id: &view.key_id,
            algorithm: view.algorithm,
            number: row.number,
            this_update: from_millis(row.this_update),
            next_update: from_millis(row.next_update),
            distribution_point: address.clone().map(|address| IssuingDistributionPoint {
                urls: vec![address],
                ..IssuingDistributionPoint::default()
            }),
            delta_base: row.base,
            freshest: has_delta.then(|| format!("{}/delta", entry.crl_url_of(row.shard))),
        };
        let context = CrlContext {
            issuer: view,
            previous_number: (row.number > 1).then_some(row.number - 1),
            distribution_point: address.as_deref(),
            now: self.inner().clock.now(),
        };
        let parts = pki::crl::build_around(&input, entries);
        let linted = Arc::new(pki::lint::crl_parts(parts, &context)?);
        let signing = entry.signing();
        let (begun, sealed) = tokio::join!(
            self.begin_file(&row, &linted),
            self.seal_parts(&signing, &linted, Purpose::Crl),
        );
        let begun = begun?;
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(fault) => {
                // To take a large file away takes its time.
                background::run(move || drop(begun)).await?;
                return Err(fault.into());
            }
        };
        row.digest = sealed.digest;
        let file = self.finish_file(&row, linted, begun, sealed.signature).await?;
        row.octets = file.octets();
        Ok((row, file))
    }

    /// Has the list on its way to the disk while it is hashed and signed; only what stands around it comes later. How long
    /// that is depends on the signature, but for most lists all signatures take the same.
    async fn begin_file(&self, row: &CrlRow, linted: &Arc<Linted<CrlParts>>) -> Result<UnfinishedFile> {
        let (files, name) = (self.inner().store.crl_files(), row_file_name(row));
        let linted = Arc::clone(linted);
        let begin = move || {
            let [before, _] = linted.envelope(&[0; 64]);
            files.begin(&name, before.len() as u64, background::in_turns(linted.pieces()))
        };
        Ok(background::run(begin).await??)
    }

    /// Puts the signature to it.
    async fn finish_file(
        &self,
        row: &CrlRow,
        linted: Arc<Linted<CrlParts>>,
        begun: UnfinishedFile,
        signature: Vec<u8>,
    ) -> Result<CrlFile> {
        let (files, name) = (self.inner().store.crl_files(), row_file_name(row));
        let finish = move || {
            let [before, behind] = linted.envelope(&signature);
            let offset = before.len() as u64;
            let begun = if begun.offset() == offset {
                begun
            } else {
                drop(begun);
                files.begin(&name, offset, linted.pieces())?
            };
            begun.finish(&before, &behind)
        };
        Ok(background::run(finish).await??)
    }

    /// Records the lists and publishes them. `base` has the changes within, when the deltas to come stand on this full list.
    pub(crate) async fn keep_crl(
        &self,
        permit: &Permit<action::Publish>,
        issuer: &Issuer,
        shard: &CrlShard,
        ((full, full_file), delta): ((CrlRow, CrlFile), Option<(CrlRow, CrlFile)>),
        base: Option<Vec<(Vec<u8>, i64)>>,
        lease: &Lease,
    ) -> Result<Arc<PublishedCrl>> {
        let now = self.inner().clock.now();
        let details = json!({
            "issuer_id": full.issuer_id, "shard": full.shard, "number": full.number, "entries": full.entries,
            "delta_of": delta.as_ref().and_then(|(delta, _)| delta.base),
            "next_update": from_millis(full.next_update).to_string(),
        });
        let entry = audit::entry(
            now,
            permit.actor(),
            "crl.publish",
            full.issuer_id,
            audit::OK,
            &details,
        );
        let (stored, stored_delta) = (full.clone(), delta.as_ref().map(|(delta, _)| delta.clone()));
        let (within, lease) = (base.clone(), lease.clone());
        let record = move |tx: &store::Tx<'_>| {
            // A server that was paused finds here that another one has its duty.
            leases::require(tx, &lease)?;
            leases::release(tx, &lease)?;
            for row in [Some(&stored), stored_delta.as_ref()].into_iter().flatten() {
                store::crls::insert(tx, row)?;
                store::crls::drop_older_parts(tx, row)?;
            }
            match &within {
                Some(within) => store::crls::set_base(tx, &stored, within),
                None => Ok(()),
            }
        };
        // Until it is known whether it is recorded, word of it is heeded.
        shard.is_unsure.store(true, Ordering::SeqCst);
        self.change(entry, record).await?;
        shard.is_unsure.store(false, Ordering::SeqCst);
        shard.lists(full.changes);
        tracing::info!(
            issuer = issuer.entry().name,
            shard = full.shard,
            number = full.number,
            entries = full.entries,
            "CRL published"
        );
        if let Some(within) = base {
            shard.stand_on(full.number, &within);
            shard.base_made_at.store(full.this_update, Ordering::SeqCst);
        }
        if let Some((row, file)) = delta {
            self.put_up(&shard.delta, &row, file)?;
        }
        self.put_up(&shard.crl, &full, full_file)
    }

    /// Publishes a list that is recorded, and takes the file of the one before away.
    pub(crate) fn put_up(
        &self,
        place: &ArcSwapOption<PublishedCrl>,
        row: &CrlRow,
        file: CrlFile,
    ) -> Result<Arc<PublishedCrl>> {
        let body = CrlBody::of_file(file).map_err(Error::internal)?;
        let published = Arc::new(PublishedCrl::new(row, body));
        if matches!(published.body, CrlBody::Memory(_)) {
            self.compress(&published);
        }
        let previous = place.swap(Some(Arc::clone(&published)));
        let files = self.inner().store.crl_files();
        let (id, shard, is_delta) = (row.issuer_id, row.shard, row.base.is_some());
        // To free the blocks of a large file takes time that nobody has to wait for.
        if let Some(previous) = previous {
            let number = previous.number;
            let take_away = move || {
                let removed = files.remove(&file_name(id, shard, number, is_delta));
                drop(previous);
                removed.map_err(Error::from)
            };
            self.inner().tasks.spawn(async move {
                if let Err(error) = background::run(take_away).await.flatten() {
                    tracing::warn!(%error, number, "the file of an old CRL stays until the next start");
                }
            });
        }
        Ok(published)
    }

    /// The end of validity from which on an entry is still listed. An entry stays until it was on one scheduled CRL made
    /// after its certificate had ended (RFC 5280 §3.3).
    pub(crate) fn oldest_end(&self, previous: Option<&PublishedCrl>, now: Timestamp) -> Timestamp {
        let interval = SignedDuration::try_from(self.inner().settings.crl_interval).unwrap_or_default();
        let scheduled = now.saturating_sub(interval).unwrap_or(Timestamp::UNIX_EPOCH);
        previous.map_or(Timestamp::UNIX_EPOCH, |previous| {
            previous.this_update.min(scheduled)
        })
    }
}
