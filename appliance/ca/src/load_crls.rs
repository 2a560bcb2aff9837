//! CRLs at the start: what is published, what they will say next, and whether they are due.

use std::collections::{HashMap, HashSet};

use pki::Serial;
use store::Reader;
use store::crls::{ChangeRow, CrlRow};
use store::revocations::RevocationRow;

use crate::authority::Authority;
use crate::clock::from_millis;
use crate::crl_shard::Listing;
use crate::error::{Error, Result};
use crate::published_crl::{CrlBody, PublishedCrl, row_file_name};

impl Authority {
    /// Takes up the published CRLs and every revocation, by one streaming read.
    pub(crate) async fn load_crls(&self) -> Result<()> {
        let rows = self.inner().store.read(store::crls::newest).await?;
        let mut changes = HashMap::new();
        let mut files = HashSet::new();
        for row in rows {
            let Some(issuer) = self.inner().registry.find(row.issuer_id) else {
                continue;
            };
            let Some(shard) = issuer.shards.get(row.shard) else {
                continue;
            };
            // A list without its file counts as none: another is made, with the next number.
            if let Some(body) = self.body_of(&row).await? {
                files.insert(row_file_name(&row));
                let published = Some(PublishedCrl::new(&row, body).into());
                if row.base.is_some() {
                    shard.delta.store(published);
                } else {
                    shard.crl.store(published);
                    changes.insert((row.issuer_id, row.shard), row.changes);
                }
            }
        }
        self.inner().store.crl_files().keep_only(&files)?;
        // Before the revocations: one that another server makes meanwhile is heard of, and counts then.
        let mut states = HashMap::new();
        for issuer in self.inner().registry.all() {
            for index in issuer.shards.iter().map(|shard| shard.index) {
                let id = issuer.id;
                let read = self
                    .inner()
                    .store
                    .read(move |reader| store::crls::state(reader, id, index));
                states.insert((id, index), read.await?);
            }
        }
        let authority = self.clone();
        // One snapshot for both: a change that is kept stands beside its revocation.
        let read = self.inner().store.read_long(move |reader| {
            store::revocations::for_each(reader, |row| authority.take_revocation(&row))?;
            let rows = store::crls::changes(reader)?;
            rows.iter().try_for_each(|row| authority.take_change(reader, row))
        });
        read.await?;
        for issuer in self.inner().registry.all() {
            for shard in issuer.shards.iter() {
                let key = (issuer.id, shard.index);
                let state = states.get(&key).copied().unwrap_or_default();
                shard.loaded(state, changes.get(&key).copied());
            }
        }
        Ok(())
    }

    async fn body_of(&self, row: &CrlRow) -> Result<Option<CrlBody>> {
        if let Some(der) = &row.der {
            return Ok(Some(CrlBody::Memory(der.clone().into())));
        }
        let Some(file) = self.fetch_crl(row).await? else {
            let name = row_file_name(row);
            let issuer = self.inner().registry.find(row.issuer_id);
            if let Some(issuer) = issuer.filter(|issuer| issuer.entry().is_elsewhere()) {
                let (issuer, number) = (&issuer.entry().name, row.number);
                tracing::warn!(
                    name,
                    issuer,
                    number,
                    "the file of an imported CRL is gone: import it again, or a newer one"
                );
                return Ok(None);
            }
            tracing::warn!(name, "the file of a published CRL is gone; another CRL is made");
            return Ok(None);
        };
        Ok(Some(CrlBody::of_file(file).map_err(Error::internal)?))
    }

    /// Takes up a change that was kept for the deltas of a shard.
    fn take_change(&self, reader: &Reader<'_>, row: &ChangeRow) -> store::Result<()> {
        if let Some(issuer) = self.known_issuer(row.issuer_id, "a change")?
            && let Some(shard) = issuer.shards.get(row.shard)
        {
            shard.load_change(listing_of_change(reader, row)?, row.change);
        }
        Ok(())
    }

    fn take_revocation(&self, row: &RevocationRow) -> store::Result<()> {
        let Some(issuer) = self.known_issuer(row.issuer_id, "a revocation")? else {
            return Ok(());
        };
        let listing = Listing::of(row)
            .map_err(|error| store::Error::Corrupt(format!("a revocation of {}: {error}", row.issuer_id)))?;
        let Listing::Listed(entry, end) = &listing else {
            return Ok(());
        };
        let shard = issuer.shards.of(&entry.serial());
        let kept_from = self.oldest_end(shard.crl.load().as_deref(), self.inner().clock.now());
        if *end >= kept_from {
            shard.load(&listing);
        }
        Ok(())
    }
}

/// How the serial of a change stands on deltas that was kept for them.
pub(crate) fn listing_of_change(reader: &Reader<'_>, row: &ChangeRow) -> store::Result<Listing> {
    let corrupt = |what: &str| store::Error::Corrupt(format!("a change of {}: {what}", row.issuer_id));
    let listing = match row.released_at {
        Some(at) => Serial::from_unsigned(&row.serial)
            .map_err(Error::internal)
            .and_then(|serial| Listing::released(serial, from_millis(at), row.not_after)),
        None => match store::revocations::find(reader, row.issuer_id, &row.serial)? {
            Some(revocation) => Listing::of(&revocation),
            None => return Err(corrupt("its revocation is gone")),
        },
    };
    listing.map_err(|error| corrupt(&error.to_string()))
}
