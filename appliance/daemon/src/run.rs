//! The server at work: started, reloaded, drained.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use front::{Front, TlsIdentity};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::compose::{self, TlsFiles};
use crate::config::{Config, LogFormat, SignerMode};
use crate::supervise::Spawn;

/// Changes the level of the log while it runs.
type LevelHandle = reload::Handle<EnvFilter, Registry>;

/// Starts the log as the configuration says.
pub(crate) fn start_log(config: &Config) -> Result<LevelHandle> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&config.log.level)?);
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    match config.log.format {
        LogFormat::Text => registry.with(log).init(),
        LogFormat::Json => registry.with(log.json()).init(),
    }
    Ok(handle)
}

/// Serves until SIGTERM or SIGINT; SIGHUP reloads.
pub(crate) async fn serve(path: &Path) -> Result<()> {
    let config = Config::load(path)?;
    let level = start_log(&config)?;
    let stop = CancellationToken::new();
    let store = compose::store(&config)?;
    let signing = match config.signer.mode {
        SignerMode::Spawn => {
            let spawn = Spawn::new(&config)?;
            let running = spawn.start().await?;
            Some(tokio::spawn(spawn.keep(running, stop.clone())))
        }
        SignerMode::Connect | SignerMode::InProcess => None,
    };
    let authority = compose::authority(&config, store, compose::signer(&config)?).await?;
    for orphan in &authority.recovered().orphans {
        tracing::warn!(serial = %orphan.serial, issuer = %orphan.issuer_id, "revoked a serial whose certificate was never recorded");
    }
    let files = TlsFiles::new(&config);
    files
        .renew(&config, &authority)
        .await
        .context("the server's own certificate")?;
    let identity = files.identity()?;
    let front = Front::bind(compose::front(&config), authority.clone(), &identity)?;
    let at = front.addresses();
    tracing::info!(public = %at.public, api = %at.api, metrics = %at.metrics, "listening");
    let hooks = jobs::Hooks {
        tls_renewal: Some(tls_renewal(
            config.clone(),
            authority.clone(),
            files.clone(),
            identity.clone(),
        )),
    };
    let jobs = tokio::spawn(jobs::run(authority.clone(), hooks, stop.clone()));
    let serving = tokio::spawn(front.serve(stop.clone()));
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    signals(path, &level, &files, &identity).await?;
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping: open connections may finish");
    stop.cancel();
    serving.await?;
    jobs.await?;
    if let Some(signing) = signing {
        signing.await?;
    }
    tracing::info!("stopped");
    Ok(())
}

fn tell_systemd(state: &[sd_notify::NotifyState<'_>]) {
    // Not under systemd there is nobody to tell.
    let _ = sd_notify::notify(state);
}

/// Looks after the server's own certificate.
fn tls_renewal(
    config: Config,
    authority: ca::Authority,
    files: TlsFiles,
    identity: TlsIdentity,
) -> jobs::Hook {
    let parts = Arc::new((config, authority, files, identity));
    Arc::new(move || {
        let parts = Arc::clone(&parts);
        Box::pin(async move {
            let (config, authority, files, identity) = parts.as_ref();
            let renewed = files
                .renew(config, authority)
                .await
                .map_err(|error| format!("{error:#}"))?;
            if renewed {
                files.reload(identity).map_err(|error| format!("{error:#}"))?;
                tracing::info!("the server's own certificate was renewed");
            }
            Ok(())
        })
    })
}

/// Handles signals until one says stop.
async fn signals(path: &Path, level: &LevelHandle, files: &TlsFiles, identity: &TlsIdentity) -> Result<()> {
    let listen = |kind: SignalKind| -> Result<Signal> { Ok(signal(kind)?) };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hang_up = listen(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => match reload(path, level, files, identity) {
                Ok(()) => tracing::info!("reloaded: log level and the server's certificate"),
                Err(error) => tracing::error!("not reloaded, everything stays as it was: {error:#}"),
            },
        }
    }
}

/// Takes over what can change while running. A configuration with any problem changes nothing.
fn reload(path: &Path, level: &LevelHandle, files: &TlsFiles, identity: &TlsIdentity) -> Result<()> {
    let config = Config::load(path)?;
    let filter = EnvFilter::try_new(&config.log.level)?;
    files.reload(identity)?;
    level.reload(filter)?;
    Ok(())
}
