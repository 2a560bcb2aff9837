//! What is old enough goes: ended certificates by whole months, after they were written into the archive, and orders in vain.
//!
//! The archive is a file of JSON lines for each month, so that what a database forgets somebody can still read. A month goes only when
//! its file is complete and durable; what breaks off in between is begun anew and may be in two files. The audit log says which
//! file it was, with its digest, and never forgets anything itself. Serials that are gone are answered for as before until the server
//! starts again, and then as such that were never issued.

mod archive;
mod steady;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use store::Tx;
use store::leases::{self, Lease};
use store::retention::{self, Month};

use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Result};
use crate::permit::{self, Permit, action};
use archive::{Archived, Broken, write_month};

/// What is kept how long, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long after its end a certificate is kept; for ever when absent.
    pub certificates: Option<Duration>,
    /// How long an order is kept that came to nothing; for ever when absent.
    pub orders: Option<Duration>,
    /// The folder of the archive; made when it is needed.
    pub archive: PathBuf,
}

impl Retention {
    /// Everything is kept.
    pub fn for_ever() -> Self {
        Self {
            certificates: None,
            orders: None,
            archive: PathBuf::from("archive"),
        }
    }
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Certificates.
    pub certificates: u64,
    /// Orders that came to nothing.
    pub orders: u64,
}

/// One server at a time removes.
const DUTY: &str = "retention";
/// How long the duty is had without a sign of life.
const LENGTH: Duration = Duration::from_mins(2);
/// Rows that go in one transaction: short enough that nobody who waits behind it notices.
const CHUNK: usize = 250;
/// What is left to the others between two transactions.
const PAUSE: Duration = Duration::from_millis(10);

impl Authority {
    /// Removes what is old enough, unless another server is at it.
    pub async fn retain(&self) -> Result<Retained> {
        let Some(lease) = self.take_retention().await? else {
            return Ok(Retained::default());
        };
        let outcome = self.retain_under(lease.as_ref()).await;
        if let Some(lease) = lease {
            // It ends by itself, too.
            let _ = self
                .inner()
                .store
                .write(move |tx| leases::release(tx, &lease))
                .await;
        }
        outcome
    }

    async fn retain_under(&self, lease: Option<&Lease>) -> Result<Retained> {
        let settings = &self.inner().settings.retention;
        let now = self.inner().clock.now();
        self.inner().guard.admit(now)?;
        let lease_of_look = lease.cloned();
        let before = |kept: Duration| {
            let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
            now.as_millisecond().saturating_sub(kept)
        };
        let tolerance = self.inner().settings.clock_tolerance;
        let seen = self.inner().store.write(move |tx| {
            hold(tx, lease_of_look.as_ref())?;
            steady::look(tx, now, tolerance)
        });
        let waits = seen.await?.waits();
        self.inner().metrics.retention_waits(waits.unwrap_or_default());
        if let Some(waits) = waits {
            let seconds = waits.as_secs();
            tracing::info!(
                seconds,
                "retention removes nothing until the clock has gone steadily for a day"
            );
            return Ok(Retained::default());
        }
        let permit = permit::of_duty("retention");
        let mut retained = Retained::default();
        if let Some(kept) = settings.orders {
            retained.orders = self.remove_orders(&permit, lease, before(kept)).await?;
        }
        if let Some(kept) = settings.certificates {
            let at = before(kept);
            while let Some(month) = self.first_month_over(at).await? {
                let archived = self.archive(month).await?;
                retained.certificates += self.remove_month(&permit, lease, archived).await?;
            }
        }
        Ok(retained)
    }

    async fn first_month_over(&self, at: i64) -> Result<Option<Month>> {
        let read = self
            .inner()
            .store
            .read(move |reader| retention::first_month_over(reader, at));
        Ok(read.await?)
    }

    /// Nothing when another server has the duty; no lease where there is no other server.
    async fn take_retention(&self) -> Result<Option<Option<Lease>>> {
        let store = &self.inner().store;
        if !store.is_shared() {
            return Ok(Some(None));
        }
        let node = store.node();
        let take = store.write(move |tx| leases::take(tx, DUTY, node, LENGTH));
        Ok(take.await?.map(Some))
    }

    async fn remove_orders(
        &self,
        permit: &Permit<action::Retain>,
        lease: Option<&Lease>,
        before: i64,
    ) -> Result<u64> {
        let mut removed = 0;
        loop {
            let limit = u32::try_from(CHUNK).map_err(Error::internal)?;
            let read = self
                .inner()
                .store
                .read(move |reader| retention::orders_in_vain(reader, before, limit));
            let orders = read.await?;
            let count = orders.len();
            if count == 0 {
                return Ok(removed);
            }
            let details = json!({ "orders": count, "ended_before": from_millis(before) });
            let now = self.inner().clock.now();
            let entry = audit::entry(
                now,
                permit.actor(),
                "retention.orders",
                "orders",
                audit::OK,
                &details,
            );
            let lease = lease.cloned();
            self.change(entry, move |tx| {
                hold(tx, lease.as_ref())?;
                retention::remove_orders(tx, &orders)
            })
            .await?;
            removed += count as u64;
            self.inner().metrics.removed("orders", count as u64);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Writes a month into the archive, where it stays whatever happens next.
    async fn archive(&self, month: Month) -> Result<Archived> {
        let folder = self.inner().settings.retention.archive.clone();
        let shown = folder.display().to_string();
        let read = self.inner().store.read(move |reader| {
            let written = write_month(&folder, month, |each| retention::for_each_of(reader, month, each));
            match written {
                Ok(archived) => Ok(Ok(archived)),
                Err(Broken::Store(error)) => Err(error),
                Err(Broken::File(error)) => Ok(Err(error)),
            }
        });
        read.await?.map_err(|error| {
            Error::Internal(format!(
                "the archive of {month} cannot be written in {shown} ({error}): make room, or let retention.archive name another \
                 folder; nothing was removed"
            ))
        })
    }

    async fn remove_month(
        &self,
        permit: &Permit<action::Retain>,
        lease: Option<&Lease>,
        archived: Archived,
    ) -> Result<u64> {
        for rows in archived.rows.chunks(CHUNK) {
            let (rows, lease) = (rows.to_vec(), lease.cloned());
            let remove = self.inner().store.write(move |tx| {
                hold(tx, lease.as_ref())?;
                rows.iter()
                    .try_for_each(|(id, order)| retention::remove_belongings(tx, *id, *order))
            });
            remove.await?;
            tokio::time::sleep(PAUSE).await;
        }
        let Archived {
            month,
            file,
            digest,
            certificates,
            revoked,
            ..
        } = archived;
        let details =
            json!({ "certificates": certificates, "revoked": revoked, "file": file, "sha256": digest });
        let now = self.inner().clock.now();
        let logged = audit::entry(
            now,
            permit.actor(),
            "retention.certificates",
            month,
            audit::OK,
            &details,
        );
        let (most, of_first) = (u32::try_from(CHUNK).map_err(Error::internal)?, lease.cloned());
        let (mut part, _) = self
            .change(logged, move |tx| {
                hold(tx, of_first.as_ref())?;
                if retention::count(tx, month)? != (certificates, revoked) {
                    return Err(store::Error::Conflict {
                        constraint: format!(
                            "{month} has changed since it was archived: it goes with the next run"
                        ),
                    });
                }
                retention::remove_certificates(tx, month, most)
            })
            .await?;
        let mut removed = part.certificates;
        while !part.is_all {
            tokio::time::sleep(PAUSE).await;
            let lease = lease.cloned();
            let remove = self.inner().store.write(move |tx| {
                hold(tx, lease.as_ref())?;
                retention::remove_certificates(tx, month, most)
            });
            part = remove.await?;
            removed += part.certificates;
        }
        tracing::info!(%month, certificates = removed, file = %file.display(), "ended certificates went into the archive");
        self.inner().metrics.removed("certificates", removed);
        Ok(removed)
    }
}

/// Prolongs the duty, and refuses the change when it is somebody else's by now.
fn hold(tx: &Tx<'_>, lease: Option<&Lease>) -> store::Result<()> {
    lease.map_or(Ok(()), |lease| leases::renew(tx, lease, LENGTH))
}
