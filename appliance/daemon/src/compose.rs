//! The parts of the server, built from the configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ca::{Authority, Clock, Settings, Signer};
use front::{FrontSettings, Limits};
use pki::key::{Blocklist, BlocklistFault, MAX_BLOCKLIST_LEN};
use store::{Store, StoreConfig};
use token::KeyRing;

use crate::config::{Config, SignerMode};

/// Opens the store for writing.
pub(crate) fn store(config: &Config) -> Result<Store> {
    let mut store = StoreConfig::new(config.store_path());
    store.max_pages = config.store.max_pages;
    Store::open(&store).context("opening the store")
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
pub(crate) async fn authority(config: &Config, store: Store, signer: Signer) -> Result<Authority> {
    Authority::open(store, signer, Clock::system(), settings(config)?)
        .await
        .context("opening the authority")
}

/// The settings of the use cases.
fn settings(config: &Config) -> Result<Settings> {
    let hours = |hours: u32| Duration::from_hours(u64::from(hours));
    Ok(Settings {
        crl_lifetime: hours(config.lifetimes.crl_hours),
        crl_interval: hours(config.lifetimes.crl_interval_hours),
        ocsp_lifetime: hours(config.lifetimes.ocsp_hours),
        responder_lifetime: hours(config.lifetimes.responder_days.saturating_mul(24)),
        blocklists: blocklists(config)?,
        ..Settings::new(&config.public.base_url)
    })
}

/// The lists of keys that must not be certified.
pub(crate) fn blocklists(config: &Config) -> Result<Vec<Blocklist>> {
    let read = |path: &PathBuf| {
        let path = config.path(path);
        let told = || format!("keys.blocklists: {}", path.display());
        let length = std::fs::metadata(&path).with_context(told)?.len();
        ensure!(
            length <= MAX_BLOCKLIST_LEN as u64,
            "{}: {}",
            told(),
            BlocklistFault::TooLong
        );
        let text = std::fs::read_to_string(&path).with_context(told)?;
        Blocklist::parse(&text).with_context(told)
    };
    config.keys.blocklists.iter().map(read).collect()
}

/// The settings of the listeners.
pub(crate) fn front(config: &Config) -> FrontSettings {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    FrontSettings {
        public: config.public.listen,
        api: config.api.listen,
        metrics: config.metrics.listen,
        limits: Limits {
            connections: config.limits.connections,
            api_body: config.limits.api_body,
            header_timeout: seconds(config.limits.header_seconds),
            body_timeout: seconds(config.limits.body_seconds),
            drain: seconds(config.limits.drain_seconds),
        },
    }
}

#[cfg(test)]
mod tests;
