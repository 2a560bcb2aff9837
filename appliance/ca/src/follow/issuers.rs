//! An issuer that another server has made, with everything that is stored of it.

use std::sync::Arc;

use store::Reader;
use uuid::Uuid;

use super::Heard;
use super::lanes::Matter;
use crate::authority::Authority;
use crate::crl_shard::Listing;
use crate::error::{Error, Result};
use crate::issuer::Issuer;
use crate::load_crls::listing_of_change;
use crate::registry::entry_from_rows;

impl Authority {
    /// The issuer that a word is about. One that is not known yet is taken up first: what was told of it before, and could not be
    /// heeded, is in the store. Nothing when there is no such issuer.
    pub(super) async fn issuer_told_of(&self, id: Uuid, heard: &mut Heard) -> Result<Option<Arc<Issuer>>> {
        if let Some(known) = self.inner().registry.find(id) {
            return Ok(Some(known));
        }
        let authority = self.clone();
        let read = self
            .inner()
            .store
            .read_following(move |reader| authority.read_issuer(reader, id));
        let Some(issuer) = read.await? else {
            return Ok(None);
        };
        let issuer = self.inner().registry.add(issuer?);
        self.inner().following.lanes.put(Matter::Responders(id));
        heard
            .lists
            .extend(issuer.shards.iter().map(|shard| (id, shard.index)));
        Ok(Some(issuer))
    }

    fn read_issuer(&self, reader: &Reader<'_>, id: Uuid) -> store::Result<Option<Result<Issuer>>> {
        let Some(row) = store::issuers::find(reader, id)? else {
            return Ok(None);
        };
        let Some(key) = store::keys::find(reader, &row.key_fingerprint)? else {
            return Ok(None);
        };
        let issuer = match entry_from_rows(&row, &key, &self.inner().settings.base_url) {
            Ok(entry) => Issuer::new(entry),
            Err(error) => return Ok(Some(Err(error))),
        };
        Ok(Some(fill(reader, &issuer)?.map(|()| issuer)))
    }
}

/// What is known of its serials, and what its lists will say.
fn fill(reader: &Reader<'_>, issuer: &Issuer) -> store::Result<Result<()>> {
    store::statuses::for_each_of_issuer(reader, issuer.id, |row| issuer.take_status(&row))?;
    for revocation in store::revocations::of_issuer(reader, issuer.id, i64::MIN)? {
        match Listing::of(&revocation) {
            Ok(listing) => issuer.shards.of(&listing.serial()).load(&listing),
            Err(error) => return Ok(Err(error)),
        }
    }
    for change in store::crls::changes(reader)? {
        if change.issuer_id != issuer.id {
            continue;
        }
        let Some(shard) = issuer.shards.get(change.shard) else {
            return Ok(Err(Error::internal("a change in a shard that is not there")));
        };
        shard.load_change(listing_of_change(reader, &change)?, change.change);
    }
    for shard in issuer.shards.iter() {
        let listed = store::crls::newest_of(reader, issuer.id, shard.index)?;
        let listed = listed
            .iter()
            .find(|row| row.base.is_none())
            .map(|row| row.changes);
        shard.loaded(store::crls::state(reader, issuer.id, shard.index)?, listed);
    }
    Ok(Ok(()))
}
