//! The bridge at work: started, reloaded, drained.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use arc_swap::ArcSwapOption;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Mode, Settings};
use crate::identity::{self, Identity};
use crate::limit::{Places, Rate};
use crate::listen::{Gate, bind};
use crate::metrics::Metrics;
use crate::terminate::{Certificate, Terminate};
use crate::tunnel::Tunnel;
use crate::upstream::{Appliance, Speaker};
use crate::{heartbeat, renew, scrape};

/// Connections of those who look after the bridge.
const SCRAPES: usize = 64;

/// What listeners and renewal share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) appliance: Appliance,
    pub(crate) state_dir: PathBuf,
    at_work: ArcSwapOption<AtWork>,
    is_pending: AtomicBool,
}

/// The identity, and what speaks with it.
#[derive(Debug)]
pub(crate) struct AtWork {
    pub(crate) identity: Arc<Identity>,
    pub(crate) speaker: Speaker,
}

impl Shared {
    /// What there is at present; nothing where nothing was registered, which only a tunnel goes on without.
    pub(crate) fn at_work(&self) -> Option<Arc<AtWork>> {
        self.at_work.load_full()
    }

    /// Takes an identity. Connections that were opened with the one before are used no more.
    pub(crate) fn take(&self, identity: Identity) -> Result<Arc<Identity>> {
        let identity = Arc::new(identity);
        let speaker = self.appliance.speaker(Some(&identity))?;
        self.at_work.store(Some(Arc::new(AtWork {
            identity: Arc::clone(&identity),
            speaker,
        })));
        Ok(identity)
    }

    /// Whether this instance waits for approval, as the appliance last said.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending.load(Ordering::Relaxed)
    }

    /// Notes what the appliance says; what it said before.
    pub(crate) fn set_pending(&self, is_pending: bool) -> bool {
        self.is_pending.swap(is_pending, Ordering::Relaxed)
    }

    fn new(settings: &Settings) -> Result<Self> {
        let shared = Self {
            appliance: Appliance::new(&settings.upstream)?,
            state_dir: settings.state_dir.clone(),
            at_work: ArcSwapOption::empty(),
            is_pending: AtomicBool::new(false),
        };
        if settings.mode == Mode::Terminate || identity::is_there(&settings.state_dir) {
            shared.take(identity::load(&settings.state_dir)?)?;
        }
        Ok(shared)
    }
}

/// Reads all that serving would read.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    if let Some(files) = &settings.tls {
        Certificate::read(files)?;
    }
    Shared::new(settings)?;
    Ok(())
}

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn serve(settings: Settings) -> Result<()> {
    start_log(&settings)?;
    let metrics = Metrics::new()?;
    let shared = Arc::new(Shared::new(&settings)?);
    let certificate = settings.tls.as_ref().map(Certificate::read).transpose()?;
    let mut hang_up = signal(SignalKind::hangup()).context("listening for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for signals")?;
    let stop = CancellationToken::new();
    let couriers = bind(settings.listen)?;
    let watch = bind(settings.metrics)?;
    tracing::info!(
        couriers = %couriers.local_addr()?, metrics = %watch.local_addr()?, mode = ?settings.mode,
        instance = shared.at_work().map(|at_work| at_work.identity.instance().to_string()), "listening"
    );
    let limits = settings.limits;
    let gate = Gate {
        listener: couriers,
        clients: settings.clients.clone(),
        places: Places::new(limits.connections, limits.connections_per_address),
        metrics: metrics.clone(),
        drain: limits.drain,
        stop: stop.clone(),
    };
    let looked_after = CancellationToken::new();
    let watched = serve_scrapes(watch, &shared, &metrics, &limits, looked_after.clone())?;
    let rate = Rate::new(limits.requests, limits.requests_per_address);
    let served = tokio::spawn({
        let (shared, metrics, certificate) = (Arc::clone(&shared), metrics.clone(), certificate.clone());
        async move {
            if let Some(certificate) = certificate {
                let has_acme = settings.has_acme;
                let bridge = Terminate::new(certificate, shared, metrics, limits, rate, has_acme);
                let bridge = Arc::new(bridge);
                gate.serve(move |stream, guest| Arc::clone(&bridge).serve(stream, guest))
                    .await;
            } else {
                let bridge = Arc::new(Tunnel::new(shared, metrics, limits, rate));
                gate.serve(move |stream, guest| Arc::clone(&bridge).serve(stream, guest))
                    .await;
            }
        }
    });
    let telling = heartbeat::run(Arc::clone(&shared), metrics.clone(), settings.mode, stop.clone());
    let telling = tokio::spawn(telling);
    let renewing = tokio::spawn(renew::run(shared, metrics, stop.clone()));
    tell_systemd(sd_notify::NotifyState::Ready);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload(settings.tls.as_ref(), certificate.as_ref()),
        }
    }
    tell_systemd(sd_notify::NotifyState::Stopping);
    tracing::info!("stopping: what was begun may finish");
    stop.cancel();
    served.await?;
    renewing.await?;
    telling.await?;
    looked_after.cancel();
    watched.await?;
    tracing::info!("stopped");
    Ok(())
}

/// Those who look after the bridge are answered until the last courier is gone.
fn serve_scrapes(
    listener: tokio::net::TcpListener,
    shared: &Arc<Shared>,
    metrics: &Metrics,
    limits: &crate::config::Limits,
    stop: CancellationToken,
) -> Result<tokio::task::JoinHandle<()>> {
    let gate = Gate {
        listener,
        clients: Vec::new(),
        places: Places::new(SCRAPES, SCRAPES),
        metrics: Metrics::new()?,
        drain: limits.drain,
        stop,
    };
    let (shared, metrics) = (Arc::clone(shared), metrics.clone());
    Ok(tokio::spawn(gate.serve(move |stream, guest| {
        scrape::serve(stream, guest, Arc::clone(&shared), metrics.clone())
    })))
}

fn reload(files: Option<&crate::config::TlsFiles>, certificate: Option<&Certificate>) {
    let (Some(files), Some(certificate)) = (files, certificate) else {
        return;
    };
    match certificate.reload(files) {
        Ok(()) => tracing::info!("the certificate of the listener was read again"),
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "the certificate of the listener stays as it was"
            );
        }
    }
}

fn start_log(settings: &Settings) -> Result<()> {
    let filter: Targets = settings.log_level.parse().context("logging.level")?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    if settings.is_log_json {
        registry.with(lines.json()).init();
    } else {
        registry.with(lines).init();
    }
    Ok(())
}

fn tell_systemd(state: sd_notify::NotifyState<'_>) {
    // Not under systemd there is nobody to tell.
    let _ = sd_notify::notify(&[state]);
}
