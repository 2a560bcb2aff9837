//! The parts of the server, built from the configuration.

mod audit_exports;
mod couriers;
mod store_access;
mod witnesses;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ca::{Authority, Clock, Retention, Settings, Signer};
use front::{FrontSettings, Limits};
use store::Store;
use token::KeyRing;

use crate::config::{Config, ConfigError, SignerMode};

pub(crate) use audit_exports::audit_exports;
pub(crate) use witnesses::{audit_witnesses, check_witness, witness};

/// Opens the store for writing. One that is lost is not made anew: an empty one in its place would know nothing of what was issued.
pub(crate) async fn store(config: &Config) -> Result<Store> {
    if is_empty(config).await? {
        bail!(
            "there is no store at {}: correct store.url, restore a backup (`chancery restore`), or make a new installation by \
             `chancery init`",
            config.store.url
        );
    }
    open_store(config).await
}

/// The same for whoever sets a server up: it is made when there is none, unless the folder had one.
pub(crate) async fn new_store(config: &Config) -> Result<Store> {
    let roots = config.path(Path::new("ca-bundle.pem"));
    if roots.exists() && is_empty(config).await? {
        bail!(
            "the store at {} is gone, and {} is of the CAs in it: correct store.url, restore a backup (`chancery restore`), or name \
             another folder for a new installation",
            config.store.url,
            roots.display()
        );
    }
    open_store(config).await
}

async fn is_empty(config: &Config) -> Result<bool> {
    let store = config.store_config()?;
    let versions = tokio::task::spawn_blocking(move || Store::schema_versions(&store)).await?;
    let (found, _) = versions.context("opening the store")?;
    Ok(found == 0)
}

async fn open_store(config: &Config) -> Result<Store> {
    let mut store = config.store_config()?;
    config.hold_node(&mut store)?;
    Store::open_whole(&store).await.context("opening the store")
}

/// The way to the keys. Must be called within a runtime.
pub(crate) fn signer(config: &Config) -> Result<Signer> {
    match config.signer.mode {
        SignerMode::Spawn | SignerMode::Connect => Ok(Signer::daemon(&config.path(&config.signer.socket))),
        SignerMode::InProcess => signer_here(config),
    }
}

/// The keys in this process, whatever the mode: for `init`.
pub(crate) fn signer_here(config: &Config) -> Result<Signer> {
    let signing = token::Config::load(&config.path(&config.signer.config))?;
    Ok(Signer::in_process(Arc::new(KeyRing::open(&signing)?)))
}

/// The use cases.
pub(crate) async fn authority(settings: Settings, store: Store, signer: Signer) -> Result<Authority> {
    Authority::open(store, signer, Clock::system(), settings)
        .await
        .context("opening the authority")
}

/// The settings of the use cases.
pub(crate) fn settings(config: &Config) -> Result<Settings, ConfigError> {
    let hours = |hours: u32| Duration::from_hours(u64::from(hours));
    Ok(Settings {
        crl_lifetime: hours(config.lifetimes.crl_hours),
        crl_interval: hours(config.lifetimes.crl_interval_hours),
        ocsp_sign_ahead: config.ocsp.sign_ahead,
        ocsp_on_demand: config.ocsp.on_demand,
        ocsp_lifetime: hours(config.lifetimes.ocsp_hours),
        responder_lifetime: hours(config.lifetimes.responder_days.saturating_mul(24)),
        ocsp_folder: Some(config.path(Path::new("ocsp-answers"))),
        blocklists: config.read_blocklists()?,
        retention: retention(config),
        store_lag: Duration::from_secs(u64::from(config.store.lag_seconds)),
        audit_interval: Duration::from_secs(u64::from(config.audit.checkpoint_seconds)),
        audit_folder: Some(config.path(&config.audit.folder)),
        audit_token: config.audit.token.clone(),
        couriers: couriers::couriers(config)?,
        ..Settings::new(&config.public.base_url)
    })
}

fn retention(config: &Config) -> Retention {
    let own = &config.retention;
    let days = |days: u32| (days > 0).then(|| Duration::from_hours(u64::from(days) * 24));
    Retention {
        certificates: days(own.certificate_days),
        orders: days(own.order_days),
        archive: config.path(&own.archive),
    }
}

/// The settings of the listeners.
pub(crate) fn front(config: &Config) -> FrontSettings {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    FrontSettings {
        public: config.public.listen,
        api: config.api.listen,
        is_api_plain: config.api.plain,
        metrics: config.metrics.listen,
        limits: Limits {
            connections: config.limits.connections,
            connections_per_address: config.limits.connections_per_address,
            api_body: config.limits.api_body,
            header_timeout: seconds(config.limits.header_seconds),
            body_timeout: seconds(config.limits.body_seconds),
            drain: seconds(config.limits.drain_seconds),
        },
    }
}

#[cfg(test)]
mod tests;
