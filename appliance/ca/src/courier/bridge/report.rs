//! What instances say of themselves while they are at work, and the approval that some wait for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::bridges::BridgeReportRow;
use uuid::Uuid;

use super::certify::short;
use super::{Bridge, BridgeStatus};
use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Result};
use crate::permit;
use crate::principal::Principal;

/// An instance that reports more often is believed, and nothing is written, in milliseconds.
const SOONEST: i64 = 10_000;

/// How an instance does, as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct BridgeReport {
    /// `terminate` or `tunnel`.
    pub mode: String,
    /// Connections of couriers at present.
    pub connections_open: u64,
    /// Requests and tunnels since it was started.
    pub requests: u64,
    /// Those of them that did not get through to the appliance.
    pub failures: u64,
    /// Since when it is at work.
    pub started_at: Option<Timestamp>,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Authority {
    /// Notes how an instance does.
    pub async fn report_bridge(&self, bridge: &Bridge, report: BridgeReport) -> Result<BridgeStatus> {
        let id = bridge.id;
        let now = self.inner().clock.now().as_millisecond();
        let report = BridgeReport {
            version: short(report.version),
            ..report
        };
        let read = self.inner().store.read(move |reader| {
            Ok((
                store::bridges::find(reader, id)?,
                store::bridges::report(reader, id)?,
            ))
        });
        let (row, last) = read.await?;
        let row = row.ok_or_else(|| Error::not_found("bridge", id))?;
        let is_soon = last.is_some_and(|last| now.saturating_sub(last.reported_at).abs() < SOONEST);
        if !is_soon {
            let kept = BridgeReportRow {
                report: serde_json::to_string(&report).map_err(Error::internal)?,
                reported_at: now,
            };
            let is_other_version = report.version.is_some() && report.version != row.version;
            let write = self.inner().store.write(move |tx| {
                store::bridges::set_report(tx, id, &kept)?;
                if is_other_version {
                    return store::bridges::set_version(tx, id, report.version.as_deref(), now);
                }
                store::bridges::touch(tx, id, now)
            });
            write.await?;
        }
        Ok(Bridge::from_row(row).status)
    }

    /// Approves an instance that waits for it. Doing it again changes nothing.
    pub async fn approve_bridge(&self, principal: &Principal, id: Uuid) -> Result<()> {
        let permit = permit::to_manage_couriers(principal)?;
        let read = self
            .inner()
            .store
            .read(move |reader| store::bridges::find(reader, id));
        let row = read.await?.ok_or_else(|| Error::not_found("bridge", id))?;
        match Bridge::from_row(row.clone()).status {
            BridgeStatus::Active => return Ok(()),
            BridgeStatus::Retired => {
                let message = "this instance is retired: register another one";
                return Err(Error::conflict("bridge_retired", message));
            }
            BridgeStatus::Pending => {}
        }
        let at = self.inner().clock.now();
        let logged = json!({ "bridge": row.bridge });
        let entry = audit::entry(at, permit.actor(), "bridge.approve", id, audit::OK, &logged);
        let change = self.change(entry, move |tx| store::bridges::approve(tx, id));
        change.await.map(drop)
    }
}

/// What an instance last said, and when.
pub(super) fn said(row: &BridgeReportRow) -> Option<(BridgeReport, Timestamp)> {
    let report = serde_json::from_str(&row.report).ok()?;
    Some((report, from_millis(row.reported_at)))
}
