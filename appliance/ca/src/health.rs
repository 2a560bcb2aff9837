//! Whether the authority can do its work, and a look at all of its parts.

use jiff::Timestamp;
use signer_wire::ServiceStatus;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthProblem {
    /// Stable code: `clock_set_back`, `signer_unavailable`, `hsm_unavailable`, `store_unavailable`, `crl_expired`,
    /// `no_responder`.
    pub code: &'static str,
    /// One sentence for the operator.
    pub message: String,
    /// Whether it keeps the authority from issuing.
    pub is_fatal: bool,
}

/// Whether the authority is fit for work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Health {
    /// Whether it can issue now.
    pub is_ready: bool,
    /// What is wrong, the fatal first.
    pub problems: Vec<HealthProblem>,
}

/// A look at everything, for the operator.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its health.
    pub health: Health,
    /// The authority's time.
    pub now: Timestamp,
    /// The signing service, or why it does not answer.
    pub signer: std::result::Result<ServiceStatus, String>,
    /// Issuers in any state.
    pub issuers: usize,
    /// Serials whose status is known.
    pub serials: usize,
    /// Entries of the audit log.
    pub audit_entries: i64,
    /// Transactions committed since the start.
    pub store_commits: u64,
    /// Jobs in them.
    pub store_jobs: u64,
}

impl Authority {
    /// Whether it can do its work. Asks the signer at most every few seconds.
    pub async fn health(&self) -> Health {
        todo!()
    }

    /// A look at everything.
    pub async fn status(&self, principal: &Principal) -> Result<Status> {
        todo!()
    }

    /// Takes the clock as it is, after it was set back; issuing goes on.
    pub async fn accept_clock(&self, principal: &Principal) -> Result<()> {
        todo!()
    }
}
