//! What other servers change in the store that this one shares: taken over as if it had been changed here.
//!
//! Word of a change says what it is about, not what became of it. That is read from the store, in the turn of the serial, so
//! that words may come late, twice, or after a change that was made here: what is taken over is always how things stand.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pki::Serial;
use pki::crl::RevocationReason;
use store::changes::{Change, ChangeRow, Told};
use store::crl_files::CrlFile;
use store::crls::CrlRow;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::authority::Authority;
use crate::clock::from_millis;
use crate::crl_shard::Listing;
use crate::error::{Error, Result};
use crate::issuer::Issuer;
use crate::published_crl::row_file_name;
use crate::registry::entry_from_rows;
use crate::status_index::State;

/// How often it looks without having been woken: the longest that a lost word may matter.
const LOOK: Duration = Duration::from_millis(500);
/// How often, and after how long, a list is tried again. After that the next one is waited for.
const ATTEMPTS: usize = 60;
const AGAIN: Duration = Duration::from_secs(1);
/// The code of what only a new start mends.
const AWAY: &str = "away_too_long";
/// Rows that are read at once.
const PAGE: u32 = 500;

/// What was heard.
#[derive(Debug, Default)]
struct Heard {
    /// How many changes of other servers.
    changes: usize,
    /// Of which issuers and shards others have published lists.
    lists: HashSet<(Uuid, u32)>,
}

impl Authority {
    /// Takes over what other servers change, until it is cancelled. Fails when this server was away for longer than changes are
    /// kept: what it has in memory must be read anew, by a new start.
    pub async fn follow(&self, cancel: CancellationToken) -> Result<()> {
        let wake = self.inner().store.listen()?;
        while !cancel.is_cancelled() {
            match self.read_on().await {
                Err(error) if error.code() == AWAY => return Err(error),
                Err(error) => tracing::warn!(%error, "changes of other servers cannot be read"),
                // A long list takes longer than anybody may wait for word of a revocation.
                Ok(heard) => heard
                    .lists
                    .into_iter()
                    .for_each(|list| self.take_over_crl_soon(list)),
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                () = wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        Ok(())
    }

    /// Takes over what was told since the last time; gives how many changes of other servers that were.
    pub async fn catch_up(&self) -> Result<usize> {
        let heard = self.read_on().await?;
        for (issuer, shard) in heard.lists {
            self.take_over_crl(issuer, shard).await?;
        }
        Ok(heard.changes)
    }

    /// Takes over everything but lists, which it gives.
    async fn read_on(&self) -> Result<Heard> {
        let _one_at_a_time = self.inner().following.lock().await;
        let mut heard = Heard::default();
        loop {
            let seen = self.inner().followed.load(Ordering::SeqCst);
            let read = self
                .inner()
                .store
                .read(move |reader| store::changes::after(reader, seen, PAGE));
            let rows = read.await?;
            let Some(last) = rows.last().map(|row| row.seq) else {
                return Ok(heard);
            };
            if rows.first().is_some_and(|first| first.seq != seen + 1) {
                let message = "this server was away for longer than changes are kept: start it anew";
                return Err(Error::conflict(AWAY, message));
            }
            for row in &rows {
                self.hear(row, &mut heard).await?;
            }
            self.inner().followed.store(last, Ordering::SeqCst);
        }
    }

    /// What this server told itself is taken over, too: a commit whose answer was lost was made all the same.
    async fn hear(&self, row: &ChangeRow, heard: &mut Heard) -> Result<()> {
        let is_own = row.node == self.inner().store.node();
        for told in &row.told {
            self.inner().metrics.audited(told.audit);
            match &told.change {
                Change::Crl { issuer, shard } if !is_own => drop(heard.lists.insert((*issuer, *shard))),
                Change::Crl { .. } => {}
                _ => match self.heed(told).await {
                    Err(error) if error.is_retryable() => return Err(error),
                    // It would fail the next time, too, and keep everything after it from being heard.
                    Err(error) => {
                        let change = &told.change;
                        tracing::error!(%error, ?change, "a change of another server cannot be taken over");
                    }
                    Ok(()) => {}
                },
            }
        }
        if !is_own {
            heard.changes += row.told.len();
            self.inner().metrics.followed(row.told.len());
        }
        Ok(())
    }

    async fn heed(&self, told: &Told) -> Result<()> {
        match &told.change {
            Change::Issued { issuer, serial } => {
                let serial = parse(serial)?;
                // One that is known may have been revoked since, which is told later.
                if let Some(issuer) = self.inner().registry.find(*issuer)
                    && issuer.statuses.find(&serial).is_none()
                {
                    issuer.statuses.apply(serial, State::Good, told.audit);
                }
                Ok(())
            }
            Change::Revocation {
                issuer,
                serial,
                number,
            } => match self.inner().registry.find(*issuer) {
                Some(issuer) => {
                    self.take_over_revocation(&issuer, parse(serial)?, *number, told.audit)
                        .await
                }
                None => Ok(()),
            },
            Change::Crl { issuer, shard } => self.take_over_crl(*issuer, *shard).await,
            Change::Issuer { issuer } => self.take_over_issuer(*issuer).await,
            Change::Responder { issuer } => self.take_over_responders(*issuer).await,
            Change::Profiles => {
                let _turn = self.inner().table_changes.lock().await;
                self.load_profiles().await
            }
            Change::ApiTokens => {
                let _turn = self.inner().table_changes.lock().await;
                self.load_tokens().await
            }
            Change::Unknown => {
                tracing::warn!(
                    "a newer program changed something that this one does not know: bring this server up to date"
                );
                Ok(())
            }
        }
    }

    async fn take_over_revocation(
        &self,
        issuer: &Arc<Issuer>,
        serial: Serial,
        number: i64,
        audit: i64,
    ) -> Result<()> {
        let turn = issuer.turns.of(&serial).await;
        let (id, octets) = (issuer.id, serial.as_bytes().to_vec());
        let read = self.inner().store.read(move |reader| {
            let revocation = store::revocations::find(reader, id, &octets)?;
            let kept = store::crls::change_of(reader, id, &octets)?;
            Ok((revocation, kept))
        });
        let (revocation, kept) = read.await?;
        let keeps = issuer.entry().crl.deltas;
        let (state, listing) = if let Some(row) = &revocation {
            let reason = u8::try_from(row.reason)
                .ok()
                .and_then(RevocationReason::from_code);
            let state = State::Revoked {
                at: row.revoked_at,
                reason: reason.unwrap_or(RevocationReason::Unspecified),
            };
            (state, Listing::of(row)?)
        } else {
            // Without deltas nobody asks when a hold was released.
            let (at, end) = kept.map_or((0, i64::MAX), |kept| {
                (kept.released_at.unwrap_or(0), kept.not_after)
            });
            (State::Good, Listing::released(serial, from_millis(at), end)?)
        };
        issuer.statuses.apply(serial, state, audit);
        issuer.shards.of(&serial).apply(listing, number, keeps);
        self.inner().crl_nudge.notify_one();
        drop(turn);
        let current = issuer.responder.load_full();
        if revocation.is_some()
            && let Some(current) = current.filter(|current| current.certificate.serial() == serial)
        {
            // Whoever revoked it makes the next one, and tells.
            self.stop_responding_by(issuer, current.certificate_id).await;
        }
        Ok(())
    }

    /// Takes a list over beside everything else; tries again when the database is away.
    fn take_over_crl_soon(&self, (issuer, shard): (Uuid, u32)) {
        let authority = self.clone();
        // Nobody waits for it at the end: what is recorded is there at the next start.
        tokio::spawn(async move {
            for _ in 0..ATTEMPTS {
                match authority.take_over_crl(issuer, shard).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(%error, %issuer, shard, "a list of another server cannot be taken over yet");
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    async fn take_over_crl(&self, issuer: Uuid, index: u32) -> Result<()> {
        let issuer = self.inner().registry.find(issuer);
        let Some((issuer, shard)) = issuer
            .as_ref()
            .and_then(|issuer| Some((issuer, issuer.shards.get(index)?)))
        else {
            return Ok(());
        };
        let _one_at_a_time = shard.publishing.lock().await;
        let id = issuer.id;
        let read = self.inner().store.read(move |reader| {
            let rows = store::crls::newest_of(reader, id, index)?;
            let changes: HashSet<_> = store::crls::changes(reader)?
                .into_iter()
                .filter(|row| row.issuer_id == id && row.shard == index)
                .map(|row| (row.serial, row.change))
                .collect();
            Ok((rows, store::crls::state(reader, id, index)?, changes))
        });
        let (rows, state, changes) = read.await?;
        for row in rows {
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
                shard
                    .is_due
                    .store(row.changes != shard.changes(), Ordering::SeqCst);
            }
            self.put_up(place, &row, file)?;
        }
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

    async fn take_over_issuer(&self, id: Uuid) -> Result<()> {
        let _one_at_a_time = self.inner().issuer_changes.lock().await;
        let read = self.inner().store.read(move |reader| {
            let Some(row) = store::issuers::find(reader, id)? else {
                return Ok(None);
            };
            let key = store::keys::find(reader, &row.key_fingerprint)?;
            Ok(key.map(|key| (row, key)))
        });
        let Some((row, key)) = read.await? else {
            return Ok(());
        };
        let entry = entry_from_rows(&row, &key, &self.inner().settings.base_url)?;
        match self.inner().registry.find(id) {
            Some(issuer) => drop(issuer.update(|known| *known = entry)),
            None => drop(self.inner().registry.add(Issuer::new(entry))),
        }
        Ok(())
    }

    async fn take_over_responders(&self, issuer_id: Uuid) -> Result<()> {
        let Some(issuer) = self.inner().registry.find(issuer_id) else {
            return Ok(());
        };
        let _one_at_a_time = issuer.responding.lock().await;
        self.load_responders_of(Some(&issuer)).await
    }
}

fn parse(serial: &str) -> Result<Serial> {
    serial.parse().map_err(Error::internal)
}
