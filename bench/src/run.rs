//! What a run works with: how much load, how often, at which sizes, and where its figures go.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::load::Shape;
use crate::report::Report;

/// Numbers of certificates and revocations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Certificates for start-up, the index and the growth of what OCSP costs.
    pub(crate) certificates: u64,
    /// Revocations for what a revocation costs.
    pub(crate) revoked: u64,
    /// Entries of the CRL.
    pub(crate) entries: u64,
    /// Serials whose answers come from the tier below memory, and those that are signed ahead of time.
    pub(crate) answers: u64,
    /// Connections that ask nothing.
    pub(crate) idle: usize,
    /// Couriers of the largest fleet.
    pub(crate) couriers: usize,
}

impl Sizes {
    /// Those of the contract.
    pub(crate) const FULL: Self = Self {
        certificates: 10_000_000,
        revoked: 10_000_000,
        entries: 1_000_000,
        answers: 100_000,
        idle: 10_000,
        couriers: 10_000,
    };
    /// Small enough for a look: the ratios are then those of a small appliance.
    pub(crate) const QUICK: Self = Self {
        certificates: 200_000,
        revoked: 100_000,
        entries: 50_000,
        answers: 10_000,
        idle: 2_000,
        couriers: 300,
    };
}

/// A run.
#[derive(Debug)]
pub(crate) struct Run {
    /// The load of one measurement.
    pub(crate) shape: Shape,
    /// How often each measurement is repeated.
    pub(crate) rounds: usize,
    /// Whether peers are measured beside the appliance.
    pub(crate) has_peers: bool,
    pub(crate) sizes: Sizes,
    /// OpenBao's program; `bao` on the search path when left out.
    pub(crate) openbao: Option<PathBuf>,
    /// The module of the simulated HSM.
    pub(crate) simulated_hsm: Option<PathBuf>,
    /// A database of PostgreSQL for what starts with many certificates.
    pub(crate) store_url: Option<String>,
    /// Another for what is restored.
    pub(crate) restore_store_url: Option<String>,
    /// When it began.
    pub(crate) begun: Timestamp,
    pub(crate) report: Report,
}

impl Run {
    /// The same load with another number of connections.
    pub(crate) fn with_connections(&self, connections: usize) -> Shape {
        Shape::new(connections, self.shape.duration)
    }

    /// Length of one measurement.
    pub(crate) fn length(&self) -> Duration {
        self.shape.duration
    }
}
