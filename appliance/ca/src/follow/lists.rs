//! Lists that other servers have published.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use store::crl_files::CrlFile;
use store::crls::CrlRow;
use uuid::Uuid;

use crate::authority::Authority;
use crate::crl_shard::CrlShard;
use crate::error::Result;
use crate::issuer::Issuer;
use crate::published_crl::row_file_name;

/// How often, and after how long, a list is tried again. After that the next one is waited for.
const ATTEMPTS: usize = 60;
const AGAIN: Duration = Duration::from_secs(1);

impl Authority {
    /// Takes lists over beside everything else; tries again when the database is away.
    pub(super) fn take_over_crls_soon(&self, lists: HashSet<(Uuid, u32)>) {
        for (issuer, shard) in lists {
            let authority = self.clone();
            // Nobody waits for it at the end: what is recorded is there at the next start.
            tokio::spawn(async move {
                for attempt in 0..ATTEMPTS {
                    match authority.take_over_crl(issuer, shard).await {
                        Ok(()) => return,
                        Err(error) if attempt == 0 => {
                            tracing::warn!(%error, %issuer, shard, "a list of another server cannot be taken over yet");
                        }
                        Err(_) => {}
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            });
        }
    }

    /// Whether a list of this server's own may be recorded that it has not published.
    pub(super) fn is_unsure_of_list(&self, issuer: Uuid, index: u32) -> bool {
        let is_unsure = self.inner().registry.with(issuer, |issuer| {
            let shard = issuer.shards.get(index);
            shard.is_some_and(|shard| shard.is_unsure.load(Ordering::SeqCst))
        });
        is_unsure == Some(true)
    }

    pub(super) async fn take_over_crl(&self, issuer: Uuid, index: u32) -> Result<()> {
        let issuer = self.inner().registry.find(issuer);
        let Some((issuer, shard)) = issuer
            .as_ref()
            .and_then(|issuer| Some((issuer, issuer.shards.get(index)?)))
        else {
            return Ok(());
        };
        let _one_at_a_time = shard.publishing.lock().await;
        let id = issuer.id;
        let read = self
            .inner()
            .store
            .read(move |reader| store::crls::newest_of(reader, id, index));
        for row in read.await? {
            let place = if row.base.is_some() {
                &shard.delta
            } else {
                &shard.crl
            };
            if place
                .load()
                .as_ref()
                .is_some_and(|known| known.number >= row.number)
            {
                continue;
            }
            let Some(file) = self.fetch_crl(&row).await? else {
                tracing::warn!(
                    number = row.number,
                    "the parts of a published CRL are gone; another one is waited for"
                );
                return Ok(());
            };
            if row.base.is_none() {
                shard.lists(row.changes);
            }
            self.put_up(place, &row, file)?;
        }
        shard.is_unsure.store(false, Ordering::SeqCst);
        if issuer.entry().is_elsewhere() {
            self.take_up_lists_above().await?;
        }
        self.stand_on_stored_base(issuer, shard).await
    }

    /// Lets the deltas of a shard stand on the list that the store says. Whoever calls this has the turn of its lists.
    pub(crate) async fn stand_on_stored_base(&self, issuer: &Issuer, shard: &CrlShard) -> Result<()> {
        let (id, index) = (issuer.id, shard.index);
        let read = self.inner().store.read(move |reader| {
            let changes = store::crls::changes(reader)?;
            let changes = changes
                .into_iter()
                .filter(|row| row.issuer_id == id && row.shard == index)
                .map(|row| (row.serial, row.change))
                .collect::<HashSet<_>>();
            Ok((store::crls::state(reader, id, index)?, changes))
        });
        let (state, changes) = read.await?;
        shard.stand_on_stored(&state, &changes);
        Ok(())
    }

    /// The file of a list, which another server may have made.
    pub(crate) async fn fetch_crl(&self, row: &CrlRow) -> Result<Option<CrlFile>> {
        let (files, name, octets) = (self.inner().store.crl_files(), row_file_name(row), row.octets);
        if let Some(file) = files.open(&name, octets)? {
            return Ok(Some(file));
        }
        if !self.inner().store.is_shared() {
            return Ok(None);
        }
        let wanted = row.clone();
        let read = self.inner().store.read(move |reader| {
            let mut writing = files.begin(&name, 0, [])?;
            store::crls::for_each_part(reader, &wanted, |octets| writing.append(octets))?;
            writing.finish(&[], &[])
        });
        let file = read.await?;
        Ok((file.octets() == octets).then_some(file))
    }
}
