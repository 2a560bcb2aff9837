//! How the CRLs of a CA are cut. Decided when the CA is made: its certificates carry the addresses.

use serde::{Deserialize, Serialize};

use crate::error::{Refusal, Result};

/// Most shards of a CA.
const MOST_SHARDS: u32 = 1024;

/// The CRLs of a CA.
// stored: in the settings of an issuer
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CrlPlan {
    /// Among how many CRLs the certificates are spread, 1 to 1024. With more than one, each certificate has the address of
    /// its own in its distribution point, and each CRL says which it is (RFC 5280 §5.2.5).
    pub shards: u32,
    /// Whether there are delta CRLs beside the full ones (RFC 5280 §5.2.4), which then say where those are (§5.2.6).
    #[serde(default)]
    pub deltas: bool,
}

impl Default for CrlPlan {
    fn default() -> Self {
        Self {
            shards: 1,
            deltas: false,
        }
    }
}

impl CrlPlan {
    pub(crate) fn check(self) -> Result<()> {
        if (1..=MOST_SHARDS).contains(&self.shards) {
            return Ok(());
        }
        let message = format!("a CA has 1 to {MOST_SHARDS} CRL shards, not {}", self.shards);
        Err(Refusal::of_requester("crl_shards_invalid", message).into())
    }
}
