//! What the load kit measures beyond the public interface: the status index, and the revoked entries of a CRL.
//!
//! Both stand by themselves here. Nothing in this module reaches into an authority, so nothing can be learnt from it to be
//! good, or be listed, that was not recorded.

use jiff::Timestamp;
use pki::Serial;
use pki::crl::SortedEntries;
use store::revocations::RevocationRow;

use crate::crl_shard::Listing;
use crate::error::Result;
use crate::status_index::State;

/// A status index.
#[derive(Debug, Default)]
pub struct StatusIndex(crate::status_index::StatusIndex);

impl StatusIndex {
    /// Takes a serial over as good, as at the start.
    pub fn learn(&self, serial: Serial) {
        self.0.apply(serial, State::Good, 0);
    }

    /// Whether a serial is known to be good.
    pub fn is_good(&self, serial: &Serial) -> bool {
        self.0.find(serial) == Some(State::Good)
    }
}

/// What is revoked in a shard.
#[derive(Debug, Default)]
pub struct CrlShard(crate::crl_shard::CrlShard);

impl CrlShard {
    /// Encodes, lints and lists a revocation, as a use case does before and after it is recorded.
    pub fn list(&self, revocation: &RevocationRow) -> Result<()> {
        self.0
            .apply(Listing::of(revocation)?, self.0.changes() + 1, false);
        Ok(())
    }

    /// The entries as a CRL that is made now gets them.
    pub fn entries(&self) -> SortedEntries {
        self.0.snapshot(Timestamp::UNIX_EPOCH).entries
    }
}
