//! The instance says that it is at work and how it does, once a minute, and learns whether it waits for approval.

use std::sync::Arc;
use std::time::Duration;

use courier_wire::{BridgeHeartbeat, BridgeStanding};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::Mode;
use crate::metrics::Metrics;
use crate::run::Shared;
use crate::upstream;

const PATH: &str = "/api/v1/courier/bridges/heartbeat";
/// How often it is said, unless the appliance asks for something else between the shortest and the longest.
const EVERY: Duration = Duration::from_mins(1);
const SHORTEST: u64 = 1;
const LONGEST: u64 = 60 * 60;

/// Says it until told to stop. A tunnel that was registered nowhere has nobody to say it to.
pub(crate) async fn run(shared: Arc<Shared>, metrics: Metrics, mode: Mode, stop: CancellationToken) {
    let started_at = clock::now();
    let mut is_heard = true;
    while let Some(at_work) = shared.at_work() {
        let work = metrics.work();
        let beat = BridgeHeartbeat {
            mode: mode.name().to_owned(),
            connections_open: work.connections_open,
            requests: work.requests,
            failures: work.failures,
            started_at,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        };
        let said = upstream::heartbeat(&shared.appliance, &at_work.speaker, PATH, &beat).await;
        let pause = match said {
            Ok(standing) => {
                metrics.heartbeat("ok");
                is_heard = true;
                heed(&shared, &standing);
                Duration::from_secs(standing.next_seconds.clamp(SHORTEST, LONGEST))
            }
            Err(error) => {
                metrics.heartbeat("failed");
                // What lasts is said once.
                if is_heard {
                    tracing::warn!(%error, "the appliance does not hear that this instance is at work");
                }
                is_heard = false;
                EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn heed(shared: &Shared, standing: &BridgeStanding) {
    let is_pending = standing.status == BridgeStanding::PENDING;
    match (shared.set_pending(is_pending), is_pending) {
        (false, true) => tracing::warn!("this instance waits for approval: nothing is forwarded before"),
        (true, false) => tracing::info!("this instance was approved"),
        _ => {}
    }
}
