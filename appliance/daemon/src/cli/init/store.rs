//! The part of `init` that concerns the store: where it is, and what it holds already.

use std::path::{Path, PathBuf};

use anyhow::Result;
use store::{Error, Location, Store};

use crate::config::Config;

/// Which database to use.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// A PostgreSQL database that several servers may share, for example `postgres://chancery@db.example/chancery`; an
    /// SQLite file in the folder of the state when left out.
    #[arg(long = "store-url", value_name = "URL")]
    url: Option<String>,
    /// The file whose first line is the password for it.
    #[arg(long = "store-password-file", value_name = "FILE", requires = "url")]
    password_file: Option<PathBuf>,
    /// Authorities (PEM) that may certify the server of the database.
    #[arg(long = "store-tls-roots", value_name = "FILE", requires = "url")]
    tls_roots: Option<PathBuf>,
    /// Certificate, chain and key (PEM) that the server of the database knows this server by.
    #[arg(long = "store-tls-identity", value_name = "FILE", requires = "url")]
    tls_identity: Option<PathBuf>,
}

impl StoreArgs {
    /// Whether a store is named.
    pub(crate) fn is_given(&self) -> bool {
        self.url.is_some()
    }

    /// Writes them into a configuration, with absolute paths.
    pub(crate) fn put(&self, config: &mut Config) -> Result<()> {
        let absolute = |file: &Option<PathBuf>| file.as_ref().map(std::path::absolute).transpose();
        if let Some(url) = &self.url {
            config.store.url.clone_from(url);
        }
        config.store.password_file = absolute(&self.password_file)?;
        config.store.tls_roots = absolute(&self.tls_roots)?;
        config.store.tls_identity = absolute(&self.tls_identity)?;
        Ok(())
    }
}

/// The names of the CAs that there are already.
pub(super) fn known_authorities(config: &Config) -> Result<Vec<String>> {
    let config = config.store_config()?;
    if let Location::File(file) = &config.location
        && !Path::exists(file)
    {
        return Ok(Vec::new());
    }
    let store = match Store::open_read_only(&config) {
        Err(Error::NoStore) => return Ok(Vec::new()),
        opened => opened?,
    };
    // `init` runs on a runtime, whose threads do not wait.
    let issuers = std::thread::scope(|scope| scope.spawn(|| store.read_here(store::issuers::all)).join());
    let issuers = issuers.map_err(|_| Error::Panicked)??;
    let alive = issuers.into_iter().filter(|issuer| issuer.state != "disabled");
    Ok(alive.map(|issuer| issuer.name).collect())
}
