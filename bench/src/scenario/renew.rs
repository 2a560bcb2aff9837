//! Renewals over REST: the same key certified again.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::race::{self, Contestant};
use crate::run::Run;
use crate::scenario::succeeded;
use crate::target::Target;

/// Certificates that are renewed again and again.
const CERTIFICATES: usize = 64;

/// Measures renewals.
pub(crate) async fn run(target: &Target, run: &mut Run) -> Result<()> {
    let issued = target.issue(CERTIFICATES).await?;
    let renew = |(id, _): &(String, _)| target.post(&format!("/api/v1/certificates/{id}/renew"), &json!({}));
    let contestant = Contestant {
        scenario: "renew",
        what: "POST /api/v1/certificates/{id}/renew".to_owned(),
        groups: target.groups.clone(),
        door: target.api.clone(),
        requests: Arc::new(issued.iter().map(renew).collect()),
        check: succeeded,
        closes: false,
    };
    race::run(&[contestant], run.shape, run.rounds)
        .await?
        .tell(&mut run.report);
    Ok(())
}
