//! The certificate of the instance renews itself: at two thirds of its life, with a new key each time, over a connection with the
//! old one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use courier_wire::BridgeRenewal;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::identity::{self, Identity, NewKey};
use crate::metrics::Metrics;
use crate::run::{AtWork, Shared};
use crate::upstream;

const PATH: &str = "/api/v1/courier/bridges/renew";
/// How long after the first failure it is tried again; twice as long after each further one.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_hours(1);
/// How often the clock is looked at: a sleep over months would not notice that it was set.
const LOOK: Duration = Duration::from_mins(1);

/// Looks after the certificate until told to stop.
pub(crate) async fn run(shared: Arc<Shared>, metrics: Metrics, stop: CancellationToken) {
    let mut wait = FIRST;
    while let Some(at_work) = shared.at_work() {
        metrics.certificate(at_work.identity.not_after());
        let left = at_work.identity.renew_at().duration_since(clock::now());
        let pause = match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => left.min(LOOK),
            _ => match renew(&shared, &at_work).await {
                Ok(identity) => {
                    metrics.renewal("ok");
                    tracing::info!(ends = %identity.not_after(), "the certificate of this instance was renewed");
                    wait = FIRST;
                    continue;
                }
                Err(error) => {
                    metrics.renewal("failed");
                    let ends = at_work.identity.not_after();
                    tracing::error!(error = format!("{error:#}"), %ends, "the certificate of this instance could not be renewed");
                    let pause = wait;
                    wait = (wait * 2).min(LONGEST);
                    pause
                }
            },
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn renew(shared: &Shared, at_work: &AtWork) -> Result<Arc<Identity>> {
    let key = NewKey::generate()?;
    let request = BridgeRenewal {
        csr_pem: key.request.clone(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let given = upstream::certificate(&shared.appliance, &at_work.speaker, PATH, &request).await?;
    let made = Identity::new(&given.instance, key.pkcs8.clone(), &given.certificate_pem);
    let made = made
        .map_err(anyhow::Error::msg)
        .context("the answer of the appliance")?;
    if made.instance() != at_work.identity.instance() {
        anyhow::bail!("the appliance gave the certificate of another instance");
    }
    if made.renew_at() <= clock::now() {
        anyhow::bail!("the appliance gave a certificate that is due for renewal already");
    }
    identity::store(
        &shared.state_dir,
        &given.instance,
        &key.pkcs8,
        &given.certificate_pem,
    )?;
    shared.take(made)
}
