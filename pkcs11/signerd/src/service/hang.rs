//! When a call that does not return ends the process.
//!
//! Only a new process has a library that does not hang. But as long as other tokens do all that the one that hangs could do, a new
//! process is a pause for them and no gain for anybody; so it waits for a moment in which nothing is asked, or for the call to
//! return after all.

use std::time::{Duration, Instant};

use super::Service;
use crate::lane::Lane;

/// How many times longer than a signature the making of a key may take before it counts as hung.
const DESK_PATIENCE: u32 = 20;
/// Nothing was asked for so long: nobody will miss the process for the moment that its restart takes.
const IDLE: Duration = Duration::from_secs(2);

impl Service {
    /// How long the call has lasted for whose sake the process has to end, when there is one.
    pub(crate) fn hang(&self, now: Instant, limit: Duration) -> Option<Duration> {
        let at_desk = self.desk.oldest(now) / DESK_PATIENCE;
        if at_desk > limit {
            return Some(at_desk);
        }
        let lasted = |lane: &Lane| lane.oldest_call(now);
        let hung: Vec<&Lane> = self.lanes.iter().filter(|lane| lasted(lane) > limit).collect();
        let oldest = hung.iter().map(|lane| lasted(lane)).max()?;
        let is_idle = self.idle(now) >= IDLE;
        let is_spared = hung.iter().all(|lane| self.is_replaced(lane, &hung));
        (is_idle || !is_spared).then_some(oldest)
    }

    /// Whether others that work do all that this backend can do. Of one that never told its keys nobody knows; then it is enough
    /// that others have some.
    fn is_replaced(&self, lane: &Lane, hung: &[&Lane]) -> bool {
        let works = |other: &&Lane| {
            !hung.iter().any(|hung| hung.candidate() == other.candidate())
                && self.ring.is_closed(other.candidate())
        };
        let others: Vec<_> = self
            .lanes
            .iter()
            .filter(works)
            .filter_map(|other| self.backend(other))
            .collect();
        let keys = self
            .backend(lane)
            .map(|backend| backend.list())
            .unwrap_or_default();
        if keys.is_empty() {
            return others.iter().any(|other| !other.list().is_empty());
        }
        keys.iter()
            .all(|record| others.iter().any(|other| other.kind(&record.key).is_some()))
    }
}
