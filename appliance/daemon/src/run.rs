//! The server at work: started, reloaded, drained.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use ca::Authority;
use front::Front;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::compose;
use crate::config::Config;
use crate::descriptors;
use crate::live::Live;
use crate::log;
use crate::signals::Signals;
use crate::supervise::Supervised;

/// Serves until SIGTERM or SIGINT, or until the parent is gone when it is to end with it; SIGHUP reloads.
///
/// It ends from the outside to the inside: the listeners drain, then what they began runs to its end, and only then the
/// signing process is told to stop. Relying parties are answered on the runtime `public`, everything else goes on where this
/// is called.
pub(crate) async fn serve(path: &Path, with_parent: bool, public: Handle) -> Result<()> {
    let config = Config::load(path)?;
    let settings = compose::settings(&config)?;
    let audit_exports = compose::audit_exports(&config)?;
    let audit_witnesses = compose::audit_witnesses(&config)?;
    let witness = compose::witness(&config)?;
    let level = log::start(&config.log)?;
    descriptors::make_room(config.limits.connections);
    let mut signals = Signals::new(with_parent)?;
    let store = compose::store(&config).await?;
    let signing = Supervised::start(&config).await?;
    let authority = compose::authority(settings, store, compose::signer(&config)?).await?;
    report_orphans(&authority);
    if let Some(witness) = witness {
        let key = authority.be_a_witness(&witness).context("audit.witness")?;
        tracing::info!(%key, "this server is a witness; give its key to those whose logs it watches");
    }
    let front = compose::front(&config);
    let live = Arc::new(Live::start(path, config, level, authority.clone()).await?);
    let front = Front::bind(front, authority.clone(), live.identity(), public)?;
    let at = front.addresses();

    let stop = CancellationToken::new();
    let mut work = JoinSet::new();
    let hooks = jobs::Hooks {
        tls_renewal: Some(tls_renewal(&live)),
        audit_exports,
        audit_witnesses,
    };
    work.spawn(jobs::run(authority.clone(), hooks, stop.clone()));
    work.spawn(follow(authority.clone(), stop.clone()));
    work.spawn(front.serve(stop.clone()));
    tracing::info!(public = %at.public, api = %at.api, metrics = %at.metrics, "listening");
    tell_systemd(sd_notify::NotifyState::Ready);

    let verdict = tokio::select! {
        () = signals.until_end(|| live.reload()) => Ok(()),
        ended = work.join_next() => Err(ended_by_itself(ended)),
    };
    tell_systemd(sd_notify::NotifyState::Stopping);
    tracing::info!("stopping: open connections may finish");
    stop.cancel();
    while let Some(ended) = work.join_next().await {
        ended?;
    }
    authority.drain().await;
    if let Some(signing) = signing {
        signing.end().await;
    }
    tracing::info!("stopped");
    verdict
}

/// What a crash left behind was settled before anything else.
fn report_orphans(authority: &Authority) {
    for orphan in &authority.recovered().orphans {
        tracing::warn!(
            serial = %orphan.serial,
            issuer = %orphan.issuer_id,
            "revoked a serial whose certificate was never recorded"
        );
    }
}

/// Takes over what other servers change. When that ends early, only a new start helps.
async fn follow(authority: Authority, stop: CancellationToken) {
    if let Err(error) = authority.follow(stop).await {
        tracing::error!(%error, "the changes of other servers cannot be followed");
    }
}

/// The listeners and the jobs go on until they are told to stop.
fn ended_by_itself(ended: Option<Result<(), JoinError>>) -> anyhow::Error {
    match ended {
        Some(Err(error)) => anyhow!(error).context("the listeners or the jobs broke off"),
        _ => anyhow!("the listeners or the jobs ended by themselves"),
    }
}

/// Looks after the server's own certificate.
fn tls_renewal(live: &Arc<Live>) -> jobs::Hook {
    let live = Arc::clone(live);
    Arc::new(move || {
        let live = Arc::clone(&live);
        Box::pin(async move {
            live.renew_certificate()
                .await
                .map_err(|error| format!("{error:#}"))
        })
    })
}

fn tell_systemd(state: sd_notify::NotifyState<'_>) {
    // Not under systemd there is nobody to tell.
    let _ = sd_notify::notify(&[state]);
}
