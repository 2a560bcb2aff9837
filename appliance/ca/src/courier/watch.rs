//! Alarms about couriers: a certificate that was issued and is in use nowhere, and a courier or an instance of a bridge that is not
//! heard of.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::alarms::{self, AlarmRow, BRIDGE_DISCONNECTED, ISSUED_NOT_INSTALLED, SILENT_COURIER};
use uuid::Uuid;

use super::settle::back;
use crate::audit;
use crate::authority::Authority;
use crate::clock::{self, from_millis};
use crate::error::{Error, Result};
use crate::permit;
use crate::principal::Principal;

/// How many are looked at in one go; the others come with the next.
const BATCH: u32 = 200;
/// How long an alarm that is over is remembered.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Who raises and clears.
const ACTOR: &str = "chancery (couriers)";
/// Every kind of alarm.
const KINDS: [&str; 3] = [ISSUED_NOT_INSTALLED, SILENT_COURIER, BRIDGE_DISCONNECTED];
/// How long an instance of a bridge may say nothing, which says something every minute.
const BRIDGE_SILENT: std::time::Duration = std::time::Duration::from_mins(5);

/// An alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Its identifier.
    pub id: Uuid,
    /// `issued_not_installed`, `silent_courier` or `bridge_disconnected`.
    pub kind: String,
    /// The order, the courier, or the instance of a bridge.
    pub subject: Uuid,
    /// Which courier it is about.
    pub courier: Option<Uuid>,
    /// What is wrong.
    pub message: String,
    /// Since when.
    pub raised_at: Timestamp,
    /// Until when; nothing while it lasts.
    pub cleared_at: Option<Timestamp>,
}

/// Which alarms.
#[derive(Clone, Debug, Default)]
pub struct AlarmFilter {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only about this courier.
    pub courier: Option<Uuid>,
    /// Only those that last, or only those that are over.
    pub is_open: Option<bool>,
    /// After this one.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

/// What a look at all couriers changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Watched {
    /// Alarms that were raised.
    pub raised: usize,
    /// Alarms that were cleared.
    pub cleared: usize,
}

impl Authority {
    /// Raises and clears alarms. Several servers may do it at the same time: an alarm is raised once.
    pub async fn watch_couriers(&self) -> Result<Watched> {
        let settings = &self.inner().settings.couriers;
        let now = self.inner().clock.now();
        let before = |by: std::time::Duration| {
            let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
            back(now, by).as_millisecond()
        };
        let (issued, seen) = (before(settings.acknowledge_within), before(settings.silent_after));
        let heard = before(BRIDGE_SILENT);
        let at = now.as_millisecond();
        let read = self.inner().store.read(move |reader| {
            let mut over = alarms::acknowledged_meanwhile(reader, issued, at, BATCH)?;
            over.extend(alarms::seen_meanwhile(reader, seen, at, BATCH)?);
            over.extend(alarms::connected_meanwhile(reader, heard, at, BATCH)?);
            let orders = alarms::unacknowledged(reader, issued, at, BATCH)?;
            let silent = alarms::silent(reader, seen, at, BATCH)?;
            Ok((
                over,
                orders,
                silent,
                alarms::disconnected(reader, heard, at, BATCH)?,
            ))
        });
        let (over, orders, silent, bridges) = read.await?;
        let mut watched = Watched::default();
        for alarm in over {
            watched.cleared += usize::from(self.clear_alarm(alarm, now).await?);
        }
        let of_orders = orders.into_iter().map(|order| {
            let names: Vec<String> = serde_json::from_str(&order.names).unwrap_or_default();
            let message = format!(
                "the courier {} has not said that its certificate for {} is in use",
                order.courier_name,
                names.join(", ")
            );
            (
                ISSUED_NOT_INSTALLED,
                order.order_id,
                Some(order.courier_id),
                message,
            )
        });
        let of_couriers = silent.into_iter().map(|courier| {
            let seen = from_millis(courier.seen_at);
            let message = format!("the courier {} was last seen at {seen}", courier.name);
            (
                SILENT_COURIER,
                courier.courier_id,
                Some(courier.courier_id),
                message,
            )
        });
        let of_bridges = bridges.into_iter().map(|bridge| {
            let seen = from_millis(bridge.seen_at);
            let message = format!(
                "an instance of the bridge {} was last seen at {seen}",
                bridge.bridge
            );
            (BRIDGE_DISCONNECTED, bridge.id, None, message)
        });
        for (kind, subject, courier, message) in of_orders.chain(of_couriers).chain(of_bridges) {
            let alarm = AlarmRow {
                id: clock::new_id(),
                kind: kind.to_owned(),
                subject,
                courier_id: courier,
                message,
                raised_at: at,
                cleared_at: None,
            };
            watched.raised += usize::from(self.raise_alarm(alarm, now).await?);
        }
        self.settle_alarms(now).await?;
        self.trim_discovered().await?;
        Ok(watched)
    }

    /// Alarms, in the order in which they were raised.
    pub async fn alarms(&self, principal: &Principal, filter: AlarmFilter) -> Result<Vec<Alarm>> {
        permit::check_reads_couriers(principal)?;
        let filter = alarms::Filter {
            kind: filter.kind,
            courier_id: filter.courier,
            is_open: filter.is_open,
            after: filter.after,
            limit: filter.limit.clamp(1, BATCH),
        };
        let read = self
            .inner()
            .store
            .read(move |reader| alarms::list(reader, &filter));
        Ok(read.await?.into_iter().map(Alarm::from_row).collect())
    }

    async fn raise_alarm(&self, alarm: AlarmRow, now: Timestamp) -> Result<bool> {
        let (kind, message) = (alarm.kind.clone(), alarm.message.clone());
        let logged = json!({ "kind": kind, "courier": alarm.courier_id, "subject": alarm.subject, "message": message });
        let entry = audit::entry(now, ACTOR, "alarm.raise", alarm.id, audit::OK, &logged);
        let change = self.change(entry, move |tx| only_once(alarms::raise(tx, &alarm)?));
        let is_new = is_done(change.await.map(drop))?;
        if is_new {
            tracing::warn!(alarm = kind, "{message}");
        }
        Ok(is_new)
    }

    async fn clear_alarm(&self, alarm: AlarmRow, now: Timestamp) -> Result<bool> {
        let id = alarm.id;
        let logged = json!({ "kind": alarm.kind, "courier": alarm.courier_id, "subject": alarm.subject });
        let entry = audit::entry(now, ACTOR, "alarm.clear", id, audit::OK, &logged);
        let change = self.change(entry, move |tx| {
            only_once(alarms::clear(tx, id, now.as_millisecond())?)
        });
        let is_over = is_done(change.await.map(drop))?;
        if is_over {
            tracing::info!(alarm = alarm.kind, "no longer so: {}", alarm.message);
        }
        Ok(is_over)
    }

    /// Forgets old alarms and counts those that last.
    async fn settle_alarms(&self, now: Timestamp) -> Result<()> {
        let before = back(now, KEPT).as_millisecond();
        self.inner()
            .store
            .write(move |tx| alarms::trim(tx, before, BATCH))
            .await?;
        let read = self.inner().store.read(|reader| {
            let counts = KINDS.iter().map(|kind| alarms::count_open(reader, kind));
            counts.collect::<store::Result<Vec<_>>>()
        });
        for (kind, count) in KINDS.iter().zip(read.await?) {
            self.inner().metrics.alarms_open(kind, count);
        }
        Ok(())
    }
}

impl Alarm {
    fn from_row(row: AlarmRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            subject: row.subject,
            courier: row.courier_id,
            message: row.message,
            raised_at: from_millis(row.raised_at),
            cleared_at: row.cleared_at.map(from_millis),
        }
    }
}

/// A change that another server made meanwhile is taken back, with its entry in the audit log.
fn only_once(is_first: bool) -> store::Result<()> {
    if is_first {
        return Ok(());
    }
    Err(store::Error::Conflict {
        constraint: "another server did it".to_owned(),
    })
}

fn is_done(outcome: Result<()>) -> Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(Error::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
