//! Duties that one of several servers has at a time, each under a fenced lease (`store::leases`).
//!
//! Who is refused does not wait here: the other server's result is told of like everything else, and the duty looks again in a
//! while. A store of one's own needs no lease, because there is no other server; what takes turns within a server are the locks
//! beside the things themselves.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::Tx;
use store::leases::{self, Lease};
use tokio::sync::Notify;

use crate::authority::Authority;
use crate::error::Result;
use crate::meanwhile::meanwhile;

/// How long a server that has a duty may not be heard of before another one does it.
pub(crate) const LENGTH: Duration = Duration::from_secs(15);
/// How often it is heard of.
const RENEWAL: Duration = Duration::from_secs(5);
/// When who found another server at it looks again.
const AGAIN: Duration = Duration::from_secs(1);

impl Authority {
    /// Works under a lease, which is prolonged for as long as that takes and given back when it fails. The work goes on while the
    /// lease is prolonged, however long the store takes for it.
    pub(crate) async fn under<T>(&self, lease: &Lease, work: impl Future<Output = Result<T>>) -> Result<T> {
        let renew = async || {
            let lease = lease.clone();
            let name = lease.name.clone();
            let renew = self
                .inner()
                .store
                .write(move |tx| leases::renew(tx, &lease, LENGTH));
            // Whether it is lost shows when the outcome is recorded.
            if let Err(error) = renew.await {
                tracing::warn!(%error, duty = name, "a duty could not be prolonged");
            }
        };
        let outcome = meanwhile(RENEWAL, renew, work).await;
        if outcome.is_err() {
            self.give_back(lease).await;
        }
        outcome
    }

    /// Gives a lease back, so that nobody waits for its end.
    pub(crate) async fn give_back(&self, lease: &Lease) {
        let lease = lease.clone();
        // It ends by itself, too.
        let _ = self
            .inner()
            .store
            .write(move |tx| leases::release(tx, &lease))
            .await;
    }
}

/// Refuses a change whose duty is somebody else's by now. Where there is no other server there is no lease.
pub(crate) fn require(tx: &Tx<'_>, lease: Option<&Lease>) -> store::Result<()> {
    lease.map_or(Ok(()), |lease| leases::require(tx, lease))
}

/// What wakes a duty before its time.
#[derive(Debug, Default)]
pub(crate) struct Nudge {
    wakes: Arc<Notify>,
    /// Whether it will be woken in a while already: each run may ask for that for every issuer, and is to come once.
    is_set: Arc<AtomicBool>,
}

impl Nudge {
    /// What the runner waits for.
    pub(crate) fn wakes(&self) -> Arc<Notify> {
        Arc::clone(&self.wakes)
    }

    /// Wakes the duty now.
    pub(crate) fn notify_one(&self) {
        self.wakes.notify_one();
    }

    /// Wakes the duty in a while, which another server had.
    pub(crate) fn look_again(&self) {
        if self.is_set.swap(true, Ordering::SeqCst) {
            return;
        }
        let (wakes, is_set) = (self.wakes(), Arc::clone(&self.is_set));
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            // First, so that the run that is woken may ask again.
            is_set.store(false, Ordering::SeqCst);
            wakes.notify_one();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each run finds two issuers held elsewhere, and asks for both.
    #[tokio::test]
    async fn looking_again_for_several_is_looking_again_once() {
        let nudge = Nudge::default();
        let wakes = nudge.wakes();
        let mut runs = 0;
        let work = async {
            loop {
                nudge.look_again();
                tokio::time::sleep(Duration::from_millis(50)).await;
                nudge.look_again();
                wakes.notified().await;
                runs += 1;
            }
        };
        let ended = tokio::time::timeout(AGAIN * 7 / 2, work).await;
        assert!(ended.is_err() && (2..=3).contains(&runs), "{runs} runs");
    }
}
