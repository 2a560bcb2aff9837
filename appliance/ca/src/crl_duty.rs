//! Of several servers one at a time makes the list of a shard, and the others get it from the store.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use store::crl_files::CrlFile;
use store::crls::CrlRow;
use store::leases::{self, Lease};
use uuid::Uuid;

use crate::authority::Authority;
use crate::background;
use crate::error::{Error, Result};

/// How long a server that makes a list may not be heard of before another one makes it.
const LENGTH: Duration = Duration::from_secs(15);
/// How often it is heard of.
const RENEWAL: Duration = Duration::from_secs(5);
/// When who found another server at it looks again.
const AGAIN: Duration = Duration::from_secs(1);
/// Octets of a list that go into one row.
const PART: usize = 1024 * 1024;

/// The code of the refusal of a server that another one is ahead of.
pub(crate) const ELSEWHERE: &str = "crl_made_elsewhere";

impl Authority {
    /// Takes the duty of a shard and the next number with it.
    pub(crate) async fn take_crl_duty(&self, issuer_id: Uuid, shard: u32) -> Result<(Lease, u64)> {
        let (name, node) = (format!("crl:{issuer_id}:{shard}"), self.inner().store.node());
        let take = move |tx: &store::Tx<'_>| {
            let Some(lease) = leases::take(tx, &name, node, LENGTH)? else {
                return Ok(None);
            };
            Ok(Some((lease, store::crls::take_number(tx, issuer_id, shard)?)))
        };
        self.inner().store.write(take).await?.ok_or_else(|| {
            let message = "another server is making this list: it is here in a moment";
            Error::conflict(ELSEWHERE, message)
        })
    }

    /// Works under a lease, which is prolonged for as long as that takes and given back when it fails.
    pub(crate) async fn under<T>(&self, lease: &Lease, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                () = tokio::time::sleep(RENEWAL) => {
                    let lease = lease.clone();
                    let renew = self.inner().store.write(move |tx| leases::renew(tx, &lease, LENGTH));
                    // Whether it is lost shows when the list is recorded.
                    if let Err(error) = renew.await {
                        tracing::warn!(%error, "the duty of making a CRL could not be prolonged");
                    }
                }
            }
        };
        if outcome.is_err() {
            let lease = lease.clone();
            // It ends by itself, too.
            let _ = self
                .inner()
                .store
                .write(move |tx| leases::release(tx, &lease))
                .await;
        }
        outcome
    }

    /// Puts a list into the store for the servers that share it. What a list leaves there that is never recorded goes with the
    /// next one.
    pub(crate) async fn share_list(&self, row: &CrlRow, file: &CrlFile) -> Result<()> {
        if !self.inner().store.is_shared() {
            return Ok(());
        }
        let file = Arc::new(file.reopen().map_err(Error::internal)?);
        let parts = file.octets().div_ceil(PART as u64);
        for part in 0..u32::try_from(parts).map_err(Error::internal)? {
            let file = Arc::clone(&file);
            let read = background::run(move || {
                let mut octets = vec![0; PART];
                let length = file.read_at(u64::from(part) * PART as u64, &mut octets)?;
                octets.truncate(length);
                Ok::<_, std::io::Error>(octets)
            });
            let (octets, row) = (read.await?.map_err(Error::internal)?, row.clone());
            let put = move |tx: &store::Tx<'_>| store::crls::put_part(tx, &row, part, &octets);
            self.inner().store.write(put).await?;
        }
        Ok(())
    }

    /// Looks again in a while whether the list that another server was making is here.
    pub(crate) fn look_for_list_again(&self) {
        let nudge = Arc::clone(&self.inner().crl_nudge);
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            nudge.notify_one();
        });
    }
}
