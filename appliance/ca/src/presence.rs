//! Which servers are there. A server that is not heard of for a while is taken for dead: what it was about to sign is settled by
//! the others, and when it wakes up it finds its orders gone.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use store::intents::IntentRow;
use store::leases;
use uuid::Uuid;

use crate::authority::Authority;
use crate::error::Result;
use crate::meanwhile::meanwhile;

/// How long a server may not be heard of; some times longer than it takes to be heard of.
const LENGTH: Duration = Duration::from_secs(15);
/// How often it says so while it has no jobs.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a server may be away and still read what it missed.
const KEPT: Duration = Duration::from_hours(24);

impl Authority {
    /// Says that this server is there. In a store that is not shared there is nobody to be told.
    pub async fn be_present(&self) -> Result<()> {
        let store = &self.inner().store;
        if !store.is_shared() {
            return Ok(());
        }
        let node = store.node();
        let write = store.write(move |tx| leases::take(tx, &name(node), node, LENGTH));
        write.await?;
        Ok(())
    }

    /// Says which program this server runs, for whoever upgrades the others.
    pub(crate) async fn tell_program(&self) -> Result<()> {
        let store = &self.inner().store;
        if !store.is_shared() {
            return Ok(());
        }
        let (node, schema) = (store.node(), store.known_schema());
        let tell =
            move |tx: &store::Tx<'_>| store::servers::tell(tx, node, env!("CARGO_PKG_VERSION"), schema);
        Ok(store.write(tell).await?)
    }

    /// Works on something while this server says, again and again, that it is there: for a program without the jobs of a server.
    pub async fn while_present<T>(&self, work: impl Future<Output = T>) -> T {
        let say = async || {
            if let Err(error) = self.be_present().await {
                tracing::warn!(%error, "the other servers cannot be told that this one is there");
            }
        };
        meanwhile(AGAIN, say, work).await
    }

    /// Says that this server is gone, so that nobody waits for its end.
    pub(crate) async fn be_gone(&self) {
        let store = &self.inner().store;
        if !store.is_shared() {
            return;
        }
        let node = store.node();
        // It shows by itself, too.
        let _ = store
            .write(move |tx| leases::release_of(tx, &name(node), node))
            .await;
    }

    /// Forgets changes that are too old for anybody; gives how many rows those were.
    pub async fn trim_changes(&self) -> Result<usize> {
        let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let write = self.inner().store.write(move |tx| {
            let before = tx.database_time()?.saturating_sub(kept);
            store::changes::trim(tx, before)
        });
        Ok(write.await?)
    }

    /// Whether another server lives.
    pub(crate) async fn is_another_alive(&self) -> Result<bool> {
        let store = &self.inner().store;
        let node = store.node();
        let read = store.read(move |reader| leases::is_any_elsewhere(reader, leases::NODES, node));
        Ok(store.is_shared() && read.await?)
    }

    /// The intents that no living server is at work on.
    pub(crate) async fn intents_of_the_dead(&self) -> Result<Vec<IntentRow>> {
        let (own, is_shared) = (self.inner().store.node(), self.inner().store.is_shared());
        let read = self.inner().store.read(move |reader| {
            let mut intents = store::intents::all(reader)?;
            let others: HashSet<Uuid> = intents
                .iter()
                .map(|intent| intent.node)
                .filter(|node| *node != own)
                .collect();
            let mut alive = HashSet::new();
            for node in others.iter().filter(|_| is_shared) {
                if leases::holder(reader, &name(*node))?.is_some_and(|holder| holder.is_alive) {
                    alive.insert(*node);
                }
            }
            intents.retain(|intent| !alive.contains(&intent.node));
            Ok(intents)
        });
        Ok(read.await?)
    }
}

fn name(node: Uuid) -> String {
    format!("{}{node}", leases::NODES)
}
