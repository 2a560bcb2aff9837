//! What can change while the server runs: the level of the log and the server's own certificate.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ca::Authority;
use front::TlsIdentity;
use tokio::sync::Mutex;

use crate::config::{CHANGES_AT_RUN_TIME, Config};
use crate::log::Level;
use crate::tls_files::TlsFiles;

/// The changeable parts of a running server.
#[derive(Debug)]
pub(crate) struct Live {
    path: PathBuf,
    authority: Authority,
    level: Level,
    files: TlsFiles,
    identity: TlsIdentity,
    /// What is in effect.
    config: Mutex<Config>,
}

impl Live {
    /// Takes up the server's own certificate, a new one when it is time. An old one that still works is good enough while
    /// the signer is away: relying parties are answered meanwhile.
    pub(crate) async fn start(
        path: &Path,
        config: Config,
        level: Level,
        authority: Authority,
    ) -> Result<Self> {
        let files = TlsFiles::new(&config);
        let renewed = files.renew(&config.api, &authority).await;
        let identity = match (files.identity(), renewed) {
            (Ok(identity), Ok(_)) => identity,
            (Ok(identity), Err(error)) => {
                tracing::warn!("the server goes on with its old certificate: {error:#}");
                identity
            }
            (Err(_), Err(error)) => return Err(error.context("issuing the server's own certificate")),
            (Err(error), Ok(_)) => return Err(error.context("the server's own certificate")),
        };
        Ok(Self {
            path: path.to_owned(),
            authority,
            level,
            files,
            identity,
            config: Mutex::new(config),
        })
    }

    /// The server's certificate at work.
    pub(crate) fn identity(&self) -> &TlsIdentity {
        &self.identity
    }

    /// Has the server's certificate renewed when it is time.
    pub(crate) async fn renew_certificate(&self) -> Result<()> {
        let config = self.config.lock().await;
        self.renew(&config).await
    }

    /// Reads the configuration again and takes over what can change while running. A configuration with any problem changes
    /// nothing.
    pub(crate) async fn reload(&self) {
        match self.try_reload().await {
            Ok(later) if later.is_empty() => {
                tracing::info!("reloaded: log level and the server's certificate");
            }
            Ok(later) => tracing::warn!(
                keys = later.join(", "),
                "reloaded: log level and the server's certificate; these keys have changed and want a new start"
            ),
            Err(error) => tracing::error!("not reloaded, everything stays as it was: {error:#}"),
        }
    }

    /// Gives the keys that have changed and want a new start.
    async fn try_reload(&self) -> Result<Vec<String>> {
        let mut current = self.config.lock().await;
        let new = Config::load(&self.path)?;
        let mut later = current.differences(&new);
        later.retain(|key| !CHANGES_AT_RUN_TIME.contains(&key.as_str()));
        let mut next = current.clone();
        next.api.names.clone_from(&new.api.names);
        next.api.issuer.clone_from(&new.api.issuer);
        next.log.level.clone_from(&new.log.level);
        if let Err(error) = self.renew(&next).await {
            if next.api != current.api {
                return Err(error);
            }
            tracing::warn!("the server goes on with its old certificate: {error:#}");
        }
        self.files
            .reload(&self.identity)
            .context("the server's certificate")?;
        self.level.set(&next.log.level)?;
        *current = next;
        Ok(later)
    }

    async fn renew(&self, config: &Config) -> Result<()> {
        if self.files.renew(&config.api, &self.authority).await? {
            self.files.reload(&self.identity)?;
            tracing::info!("the server's own certificate was renewed");
        }
        Ok(())
    }
}
