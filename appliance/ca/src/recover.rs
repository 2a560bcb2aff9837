//! Orphans: what may have been signed before a crash without being recorded.

use jiff::Timestamp;
use pki::Serial;
use uuid::Uuid;

use crate::authority::Authority;
use crate::error::Result;

/// A serial under which something may have been signed that was never recorded. It is revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Orphan {
    /// Whose signature it would be.
    pub issuer_id: Uuid,
    /// The serial.
    pub serial: Serial,
    /// The order it was for.
    pub order_id: Uuid,
    /// When the intent was recorded.
    pub intended_at: Timestamp,
}

/// What was settled.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recovery {
    /// The orphans, now revoked.
    pub orphans: Vec<Orphan>,
}

impl Authority {
    /// Revokes and reports every intent that nothing in this process is working on. Runs when the authority is opened,
    /// and from time to time.
    pub async fn recover(&self) -> Result<Recovery> {
        todo!()
    }
}
