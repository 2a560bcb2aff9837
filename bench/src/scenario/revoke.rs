//! Revocations over REST. Each certificate can be revoked once, so a measurement is a number of them and not a time.

use std::sync::Arc;

use anyhow::Result;
use pki::Serial;
use serde_json::json;

use crate::race::{Contestant, Rounds};
use crate::run::Run;
use crate::scenario::succeeded;
use crate::target::Target;

/// Revocations of one worker in one round.
const EACH: usize = 50;

/// Measures revocations.
pub(crate) async fn run(target: &Target, run: &mut Run) -> Result<()> {
    let workers = run.shape.workers;
    let mut figures = Vec::with_capacity(run.rounds);
    for _ in 0..run.rounds {
        let issued = target.issue(workers * EACH).await?;
        let contestant = contestant(target, &issued);
        figures.push(contestant.exhaust(workers).await?);
    }
    Rounds::of(vec![figures]).tell(&mut run.report);
    Ok(())
}

/// A revocation of each of these certificates.
pub(crate) fn contestant(target: &Target, issued: &[(String, Serial)]) -> Contestant {
    let body = json!({ "reason": "superseded" });
    let revoke =
        |(id, _): &(String, Serial)| target.post(&format!("/api/v1/certificates/{id}/revoke"), &body);
    Contestant {
        scenario: "revoke",
        what: "POST /api/v1/certificates/{id}/revoke".to_owned(),
        groups: target.groups.clone(),
        door: target.api.clone(),
        requests: Arc::new(issued.iter().map(revoke).collect()),
        check: succeeded,
        closes: false,
    }
}
