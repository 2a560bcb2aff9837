//! What other servers change in the store that this one shares: taken over as if it had been changed here.
//!
//! Word of a change says what it is about, not what became of it. That is read from the store, so that words may come late, twice,
//! or after a change that was made here: what is taken over is always how things stand.
//!
//! Revocations come first. They are read with the words about them, in one transaction on a connection of their own, and wait
//! for nothing that waits for a token or for another reader: what does is done beside them ([`lanes`]). A revocation that cannot be
//! taken over is tried again for as long as it takes, and this server counts as behind until it is ([`progress`]).

mod issuers;
mod lanes;
mod lists;
mod page;
mod progress;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pki::Serial;
use pki::crl::RevocationReason;
use store::changes::{Change, ChangeRow, Told};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::authority::Authority;
use crate::clock::{from_millis, since_start};
use crate::crl_shard::Listing;
use crate::error::{Error, Result};
use crate::issuer::Issuer;
use crate::status_index::State;
use lanes::Matter;
use page::{About, Became, Page};
use progress::Position;

pub(crate) use progress::Following;

/// How often it looks without having been woken: the longest that a lost word may matter.
const LOOK: Duration = Duration::from_millis(500);
/// The codes of what only a new start mends.
const AWAY: &str = "away_too_long";
const WENT_BACK: &str = "store_went_back";
const TAKEN: &str = "store_in_use";

/// What was heard.
#[derive(Debug, Default)]
struct Heard {
    /// How many changes of other servers.
    changes: usize,
    /// Of which issuers and shards lists were published that are not here.
    lists: HashSet<(Uuid, u32)>,
}

impl Authority {
    /// Takes over what other servers change, until it is cancelled; in a store that is not shared there is nothing to do. Fails when
    /// what is in memory must be read anew, by a new start: this server was away for longer than changes are kept, or the database has
    /// lost some; and when another server goes by the name of this one.
    pub async fn follow(&self, cancel: CancellationToken) -> Result<()> {
        if !self.inner().store.is_shared() {
            cancel.cancelled().await;
            return Ok(());
        }
        self.inner().following.begin();
        let lanes = self.inner().following.lanes.each();
        tokio::select! {
            outcome = self.listen(&cancel) => outcome,
            () = async { tokio::join!(self.run(lanes[0]), self.run(lanes[1]), self.run(lanes[2])); } => Ok(()),
        }
    }

    async fn listen(&self, cancel: &CancellationToken) -> Result<()> {
        let wake = self.inner().store.listen()?;
        let mut is_failing = false;
        while !cancel.is_cancelled() {
            if self.inner().store.is_node_taken() {
                let message =
                    "another server goes by the identity of this one: let each have a file `node` of its own";
                return Err(Error::conflict(TAKEN, message));
            }
            let mut heard = Heard::default();
            let outcome = self.read_on(&mut heard).await;
            // A long list takes longer than anybody may wait for word of a revocation.
            self.take_over_crls_soon(heard.lists);
            match outcome {
                Err(error) if [AWAY, WENT_BACK].contains(&error.code()) => return Err(error),
                Err(error) if is_failing => tracing::debug!(%error, "changes cannot be read still"),
                Err(error) => {
                    is_failing = true;
                    tracing::warn!(%error, "changes of other servers cannot be read; it is tried again and again");
                }
                Ok(()) => {
                    if std::mem::take(&mut is_failing) {
                        tracing::info!("changes of other servers are read again");
                    }
                }
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
        let mut heard = Heard::default();
        self.read_on(&mut heard).await?;
        for lane in self.inner().following.lanes.each() {
            self.settle(lane).await?;
        }
        for (issuer, shard) in heard.lists {
            self.take_over_crl(issuer, shard).await?;
        }
        Ok(heard.changes)
    }

    /// Hears of every revocation that is committed by now, so that a list can be made.
    pub(crate) async fn hear_of_all(&self) -> Result<()> {
        let mut heard = Heard::default();
        let outcome = self.read_on(&mut heard).await;
        self.take_over_crls_soon(heard.lists);
        outcome
    }

    /// Takes over everything but lists, and what waits in a lane. What was heard stands, also when the rest cannot be read.
    async fn read_on(&self, heard: &mut Heard) -> Result<()> {
        if !self.inner().store.is_shared() {
            return Ok(());
        }
        let mut position = self.inner().following.position.lock().await;
        self.try_stuck_again(&mut position, heard).await?;
        loop {
            let asked_at = since_start();
            let page = self.read_page(position.mark).await?;
            for row in &page.rows {
                self.hear(row, &page, &mut position, heard).await?;
            }
            position.mark = page.mark;
            let own = self.inner().store.node();
            let others = page.rows.iter().filter(|row| row.node != own);
            let count = others.map(|row| row.told.len()).sum();
            self.inner().metrics.followed(count);
            heard.changes += count;
            if page.is_last {
                self.inner().following.note(asked_at, &position);
                return Ok(());
            }
        }
    }

    /// What this server told itself is taken over, too: a commit whose answer was lost was made all the same.
    async fn hear(
        &self,
        row: &ChangeRow,
        page: &Page,
        position: &mut Position,
        heard: &mut Heard,
    ) -> Result<()> {
        let is_own = row.node == self.inner().store.node();
        for told in &row.told {
            self.inner().metrics.audited(told.audit);
            match self.heed(told, is_own, page, heard).await {
                Ok(()) => {}
                // All of it is read again when the store answers.
                Err(error @ Error::Unavailable { .. }) => return Err(error),
                Err(error) => position.stick(told, &error),
            }
        }
        Ok(())
    }

    async fn heed(&self, told: &Told, is_own: bool, page: &Page, heard: &mut Heard) -> Result<()> {
        let lanes = &self.inner().following.lanes;
        match &told.change {
            Change::Issued { issuer, serial } => {
                let Some(issuer) = self.issuer_told_of(*issuer, heard).await? else {
                    return Ok(());
                };
                let serial = parse(serial)?;
                // One that is known may have been revoked since, which is told later.
                if issuer.statuses.find(&serial).is_none() {
                    issuer.statuses.apply(serial, State::Good, told.audit);
                }
            }
            Change::Revocation { issuer, .. } => {
                if let Some(about) = About::of(told)
                    && let Some(issuer) = self.issuer_told_of(*issuer, heard).await?
                {
                    self.take_over_revocation(&issuer, &about, page).await?;
                }
            }
            Change::Crl { issuer, shard } => {
                if !is_own || self.is_unsure_of_list(*issuer, *shard) {
                    heard.lists.insert((*issuer, *shard));
                }
            }
            Change::Issuer { issuer } => {
                self.issuer_told_of(*issuer, heard).await?;
                lanes.put(Matter::Issuer(*issuer));
            }
            Change::Responder { issuer } => lanes.put(Matter::Responders(*issuer)),
            Change::Profiles => lanes.put(Matter::Profiles),
            Change::ApiTokens => lanes.put(Matter::ApiTokens),
            Change::Unknown => self.inner().following.note_unknown(),
        }
        Ok(())
    }

    async fn take_over_revocation(&self, issuer: &Arc<Issuer>, about: &About, page: &Page) -> Result<()> {
        let serial = about.serial;
        let shard = issuer.shards.of(&serial);
        let Some(became) = page.became(about) else {
            // Made here, and taken over then.
            return Ok(());
        };
        let became = became.clone()?;
        let turn = issuer.turns.of(&serial).await;
        if issuer.statuses.changed_by(&serial) > page.audit || shard.has(about.number) {
            // Changed here since the page was read: that is how it stands.
            shard.pass_over(about.number);
            return Ok(());
        }
        let keeps = issuer.entry().crl.deltas;
        issuer.statuses.apply(serial, became.state(), about.audit);
        if became.revocation.is_some() && issuer.stop_responding_by(&serial) {
            // Whoever revoked it makes the next one, and tells; unless its end comes first. One that is being taken up right now is
            // looked at in its turn.
            self.inner().responder_nudge.look_again();
            self.inner().following.lanes.put(Matter::Responders(issuer.id));
        }
        let (listing, is_kept) = became.listing(serial, keeps)?;
        shard.apply(listing, about.number, is_kept);
        self.inner().crl_nudge.notify_one();
        drop(turn);
        Ok(())
    }
}

impl Became {
    fn state(&self) -> State {
        self.revocation.as_ref().map_or(State::Good, |row| {
            let reason = u8::try_from(row.reason)
                .ok()
                .and_then(RevocationReason::from_code);
            State::Revoked {
                at: row.revoked_at,
                reason: reason.unwrap_or(RevocationReason::Unspecified),
            }
        })
    }

    /// How it is listed, and whether deltas need to know.
    fn listing(&self, serial: Serial, keeps: bool) -> Result<(Listing, bool)> {
        if let Some(row) = &self.revocation {
            return Ok((Listing::of(row)?, keeps));
        }
        // A release that the store does not keep any more is in the list that deltas stand on.
        let released = self
            .kept
            .as_ref()
            .and_then(|kept| Some((kept.released_at?, kept.not_after)));
        let (at, end) = released.unwrap_or((0, i64::MAX));
        let listing = Listing::released(serial, from_millis(at), end)?;
        Ok((listing, keeps && released.is_some()))
    }
}

fn parse(serial: &str) -> Result<Serial> {
    serial.parse().map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    /// A list that has the release in it was made before word of it came: nothing says when it was released any more.
    #[test]
    fn a_release_that_is_kept_no_more_is_in_no_delta() {
        let serial = Serial::from_random([7; 16]);
        let mut became = Became {
            revocation: None,
            kept: None,
        };
        let (_, is_kept) = became.listing(serial, true).unwrap();
        assert!(!is_kept);
        became.kept = Some(store::crls::ChangeRow {
            issuer_id: Uuid::nil(),
            shard: 0,
            serial: serial.as_bytes().to_vec(),
            change: 2,
            released_at: Some(1_000_000),
            not_after: i64::MAX,
        });
        let (_, is_kept) = became.listing(serial, true).unwrap();
        assert!(is_kept);
        let (_, is_kept) = became.listing(serial, false).unwrap();
        assert!(!is_kept, "there are no deltas");
    }
}
