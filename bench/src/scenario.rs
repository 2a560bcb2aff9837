//! What can be measured, one file each.

pub(crate) mod backup;
pub(crate) mod courier;
pub(crate) mod courier_idle;
pub(crate) mod crl;
pub(crate) mod issue;
pub(crate) mod mixed_day;
pub(crate) mod ocsp;
pub(crate) mod renew;
pub(crate) mod revoke;
pub(crate) mod sign;
pub(crate) mod start;
pub(crate) mod start_after_kill;

use anyhow::{Result, ensure};

use crate::http::Answer;

/// The answer is 200 or 201.
pub(crate) fn succeeded(answer: &Answer<'_>) -> Result<()> {
    ensure!(
        matches!(answer.status, 200 | 201),
        "status {}: {}",
        answer.status,
        String::from_utf8_lossy(answer.body)
    );
    Ok(())
}
