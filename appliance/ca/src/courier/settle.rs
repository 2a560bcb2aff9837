//! Orders of couriers that somebody has to look after: those a crash left, those nobody comes for, those that wait for approval; and
//! what sessions, challenges and counters leave behind.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::courier_orders::Status;
use uuid::Uuid;

use super::ordered::{CourierOrder, CourierOrderRequest, OrderFault, OrderFilter};
use super::record::CourierStatus;
use super::session::{self, CourierSession};
use crate::audit;
use crate::authority::Authority;
use crate::error::{Error, Result};
use crate::issue::Attempt;
use crate::permit;
use crate::principal::Principal;

/// An order that is signed for longer than this was left by a server that is gone: signing has a deadline of seconds. Where no other
/// server lives, nobody waits so long.
const LEFT: SignedDuration = SignedDuration::from_mins(5);
/// How long an order without a certificate is kept, and with it the key by which its courier called it.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// What was used once is remembered for longer than it is good, by as much as the clocks of servers may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(10);
/// How much is done in one transaction.
const BATCH: u32 = 500;
/// For how long certificates that were not acknowledged are listed.
const ALARM_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What was settled.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Settled {
    /// Orders that failed because a server was gone.
    pub failed: usize,
    /// Orders that nobody came for.
    pub expired: usize,
    /// Sessions, challenges, counters and old orders that were removed.
    pub removed: usize,
}

impl Authority {
    /// Settles what was left. It may be done by several servers at the same time: each order moves on once.
    pub async fn settle_courier_orders(&self) -> Result<Settled> {
        Ok(Settled {
            failed: self.fail_left_orders().await?,
            expired: self.expire_orders().await?,
            removed: self.trim_couriers().await?,
        })
    }

    /// Orders whose certificate was fetched or not, and whose courier never said that it is in use: where something that was paid for
    /// with a signature serves nobody.
    pub async fn uninstalled_orders(&self, principal: &Principal, limit: u32) -> Result<Vec<CourierOrder>> {
        permit::check_reads_couriers(principal)?;
        let now = self.inner().clock.now();
        let within = SignedDuration::try_from(self.inner().settings.couriers.acknowledge_within);
        let before = back(now, within.unwrap_or(SignedDuration::MAX)).as_millisecond();
        let since = back(now, ALARM_LASTS).as_millisecond();
        let limit = limit.clamp(1, BATCH);
        let read = self
            .inner()
            .store
            .read(move |reader| store::courier_orders::uninstalled(reader, since, before, limit));
        let mut orders = Vec::new();
        for row in read.await? {
            orders.push(self.order_of(row).await?);
        }
        Ok(orders)
    }

    /// Orders of all couriers.
    pub async fn courier_orders(
        &self,
        principal: &Principal,
        filter: OrderFilter,
    ) -> Result<Vec<CourierOrder>> {
        permit::check_reads_couriers(principal)?;
        self.orders_by(filter).await
    }

    /// One order of any courier.
    pub async fn courier_order(&self, principal: &Principal, id: Uuid) -> Result<CourierOrder> {
        permit::check_reads_couriers(principal)?;
        let row = self.row_of(id).await?;
        self.order_of(row).await
    }

    /// Approves an order that waits, which is then checked once more and signed; or rejects it.
    pub async fn decide_courier_order(
        &self,
        principal: &Principal,
        id: Uuid,
        is_approved: bool,
        reason: Option<String>,
    ) -> Result<CourierOrder> {
        let permit = permit::to_approve(principal)?;
        let mut row = self.row_of(id).await?;
        if row.status != Status::PendingApproval {
            let message = format!("the order is {}: it waits for no approval", row.status.as_str());
            return Err(Error::conflict("order_not_waiting", message));
        }
        let reason: Option<String> = reason.map(|reason| reason.chars().take(500).collect());
        if !is_approved {
            let fault = OrderFault {
                code: "approval_refused".to_owned(),
                message: reason.unwrap_or_else(|| "the order was not approved".to_owned()),
                retryable: false,
            };
            let step = self.step(&row, Status::Rejected, Some(&fault));
            self.advance_order(permit.actor(), "courier_order.reject", step)
                .await?;
            return self.courier_order(principal, id).await;
        }
        let request: CourierOrderRequest = serde_json::from_str(&row.request).map_err(Error::internal)?;
        if row.expires_at <= self.inner().clock.now().as_millisecond() {
            return Err(Error::Gone {
                code: "order_expired",
                message: "the order waited for too long: the courier has to place another one".to_owned(),
            });
        }
        let courier = self.courier_by_id(row.courier_id).await?;
        if courier.status != CourierStatus::Active {
            return Err(session::disabled(&courier));
        }
        let session = CourierSession::of_approved(courier);
        let mut attempt = Attempt {
            order_id: row.id,
            action: "courier_order.approve",
            ..Attempt::default()
        };
        let checked = match self.check_courier_order(&session, &request, &mut attempt).await {
            Ok(checked) => checked,
            Err(error) => return Err(self.record_refusal(principal, attempt, error).await),
        };
        let actor = permit.actor().to_owned();
        let sign = |authority: Self| async move {
            let _work = authority.inner().couriers.under_way.begin(row.id);
            let step = authority.step(&row, Status::Signing, None);
            authority
                .advance_order(&actor, "courier_order.approve", step)
                .await?;
            row.status = Status::Signing;
            authority.sign_order(&actor, &row, checked).await
        };
        self.to_the_end(sign).await?;
        self.courier_order(principal, id).await
    }

    async fn fail_left_orders(&self) -> Result<usize> {
        let before = back(self.inner().clock.now(), LEFT).as_millisecond();
        let read = self
            .inner()
            .store
            .read(|reader| store::courier_orders::left_in(reader, Status::Signing, i64::MAX, BATCH));
        let rows = read.await?;
        // Asked afterwards: whoever works on one of these is known by then.
        let is_alone = !self.is_another_alive().await?;
        let mut failed = 0;
        for row in rows {
            let is_left = is_alone || row.updated_at < before;
            if !is_left || self.inner().couriers.under_way.has(row.id) {
                continue;
            }
            let fault = OrderFault {
                code: "interrupted".to_owned(),
                message: "the server ended while the certificate was signed: place the order again"
                    .to_owned(),
                retryable: true,
            };
            let step = self.step(&row, Status::Failed, Some(&fault));
            match self
                .advance_order("chancery (courier orders)", "courier_order.fail", step)
                .await
            {
                Ok(()) => failed += 1,
                // It was signed meanwhile, or another server settles it.
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }

    async fn expire_orders(&self) -> Result<usize> {
        let now = self.inner().clock.now();
        let due = self
            .inner()
            .store
            .read(move |reader| store::courier_orders::due_to_expire(reader, now.as_millisecond(), BATCH));
        let mut expired = 0;
        for id in due.await? {
            let actor = "chancery (courier orders)";
            let entry = audit::entry(now, actor, "courier_order.expire", id, audit::OK, &json!({}));
            let change = self.change(entry, move |tx| {
                if store::courier_orders::expire(tx, id, now.as_millisecond())? {
                    return Ok(());
                }
                Err(store::Error::Conflict {
                    constraint: "the order went on meanwhile".to_owned(),
                })
            });
            match change.await {
                Ok(_) => expired += 1,
                // It was fetched, or another server did it.
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }

    async fn trim_couriers(&self) -> Result<usize> {
        let now = self.inner().clock.now();
        let (at, kept) = (now.as_millisecond(), back(now, KEPT).as_millisecond());
        let used = back(now, CLOCKS_APART).as_millisecond();
        let write = self.inner().store.write(move |tx| {
            Ok(store::courier_sessions::trim(tx, at, BATCH)?
                + store::once::trim(tx, used, BATCH)?
                + store::tallies::trim(tx, at, BATCH)?
                + store::bridges::trim_tokens(tx, at, BATCH)?
                + store::courier_keys::purge(tx, at, BATCH)?
                + store::courier_orders::remove_in_vain(tx, kept, BATCH)?)
        });
        Ok(write.await?)
    }
}

pub(super) fn back(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_sub(by).unwrap_or(Timestamp::UNIX_EPOCH)
}
