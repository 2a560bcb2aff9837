//! How an order of a courier gets into the register: once under its key, within what its courier may have, and again when it failed
//! for a reason that passes.

use std::time::Duration;

use serde_json::json;
use store::courier_orders::{Inserted, OrderRow, Status};
use uuid::Uuid;

use super::checks::{Checked, quota_since};
use super::key_owner;
use super::ordered::{CourierOrder, OrderFault};
use super::session::CourierSession;
use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Result};

/// Orders of one courier that may be under way.
const UNDER_WAY: i64 = 100;
/// When to try again for whom too many are.
const LATER: Duration = Duration::from_secs(30);
/// What a transaction says that puts nothing in, because there is no room for it.
const TOO_MANY: &str = "orders of the courier are under way";
const NO_MORE: &str = "certificates within 24 hours are issued or under way";

/// What is put in, and what is held against it there.
struct Entry {
    row: OrderRow,
    /// The failed order whose key it takes over.
    after: Option<Uuid>,
    certificates_per_day: Option<u32>,
}

impl Authority {
    /// Records the order and signs it; whoever comes second with the same key gets what the first one got.
    pub(super) async fn keep_and_sign(
        &self,
        session: &CourierSession,
        row: OrderRow,
        after: Option<Uuid>,
        checked: Checked,
    ) -> Result<CourierOrder> {
        let _work = self.inner().couriers.under_way.begin(row.id);
        let at = from_millis(row.created_at);
        let logged = json!({
            "courier": row.courier_id, "kind": row.kind, "key_mode": row.key_mode, "names": checked.names(), "profile": row.profile,
            "status": row.status.as_str(), "warnings": checked.warnings, "after": after,
        });
        let actor = session.actor();
        let entry = audit::entry(at, &actor, "courier_order.place", row.id, audit::OK, &logged);
        let wanted = Entry {
            row: row.clone(),
            after,
            certificates_per_day: session.courier.record.quotas.certificates_per_day,
        };
        match self.change(entry, move |tx| put_in(tx, &wanted)).await {
            Ok((Inserted::New, _)) => {}
            Ok((Inserted::Before(before), _)) => {
                return self.same_request(*before, &row.request_digest).await;
            }
            Err(error) => return Err(public(error)),
        }
        if row.status == Status::Signing {
            self.sign_order(&actor, &row, checked).await?;
        }
        self.order_of(self.row_of(row.id).await?).await
    }
}

/// Whether the same order may succeed now: it failed, and not for what was asked.
pub(super) fn may_be_tried_again(row: &OrderRow) -> bool {
    let fault = row.fault.as_deref().map(serde_json::from_str::<OrderFault>);
    row.status == Status::Failed && matches!(fault, Some(Ok(fault)) if fault.retryable)
}

/// Orders that come at the same time are counted here, one after the other.
fn put_in(tx: &store::Tx<'_>, entry: &Entry) -> store::Result<Inserted> {
    let Entry {
        row,
        after,
        certificates_per_day,
    } = entry;
    if let Some(failed) = after {
        store::courier_orders::give_key_up(tx, *failed)?;
    }
    // Who asks again for what is under way is told of it, however much else is.
    let before = store::courier_orders::with_idempotency_key(tx, row.courier_id, &row.idempotency_key)?;
    if let Some(before) = before {
        return Ok(Inserted::Before(Box::new(before)));
    }
    let full = |constraint: String| Err(store::Error::Conflict { constraint });
    let under_way = store::courier_orders::count_under_way(tx, row.courier_id)?;
    if let Some(most) = certificates_per_day {
        let since = quota_since(from_millis(row.created_at)).as_millisecond();
        let issued = store::courier_orders::count_issued_since(tx, row.courier_id, since)?;
        if issued.saturating_add(under_way) >= i64::from(*most) {
            return full(format!("the {most} {NO_MORE}"));
        }
    }
    if under_way >= UNDER_WAY {
        return full(format!("{UNDER_WAY} {TOO_MANY}"));
    }
    if let Some(Ok(key)) = row.key_fingerprint.as_deref().map(<&[u8; 32]>::try_from) {
        key_owner::claim(tx, row.courier_id, key, row.created_at)?;
    }
    store::courier_orders::insert_or_find(tx, row)
}

/// What the register says, as it is told.
fn public(error: Error) -> Error {
    match error {
        Error::Conflict { message, .. } if message.contains(key_owner::OF_ANOTHER) => {
            key_owner::of_another().into()
        }
        Error::Conflict { message, .. } if message.contains(NO_MORE) => {
            Error::forbidden("quota_exceeded", message)
        }
        Error::Conflict { message, .. } if message.contains(TOO_MANY) => {
            tracing::info!(message, "an order of a courier has to wait");
            Error::RateLimited { retry_after: LATER }
        }
        other => other,
    }
}
