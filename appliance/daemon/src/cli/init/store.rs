//! The part of `init` that concerns the store: where it is, and what it holds already.

use std::path::{Path, PathBuf};

use anyhow::Result;
use pki::{Certificate, KeyAlgorithm};
use store::issuers::{self, IssuerRow};
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

/// What a store holds already, as far as `init` asks.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The CAs.
    pub(super) authorities: Vec<KnownCa>,
    /// What the addresses in their certificates begin with.
    pub(super) base_url: Option<String>,
}

/// A CA of it that was not switched off.
#[derive(Debug)]
pub(super) struct KnownCa {
    pub(super) name: String,
    pub(super) subject: String,
    /// The kind of its key; of one that is certified.
    pub(super) algorithm: Option<KeyAlgorithm>,
}

impl KnownCa {
    fn of(issuer: &IssuerRow) -> Self {
        let certificate = issuer.certificate.as_ref();
        let certificate = certificate.and_then(|der| Certificate::from_der(der).ok());
        Self {
            name: issuer.name.clone(),
            subject: issuer.subject.clone(),
            algorithm: certificate.map(|own| own.public_key().algorithm()),
        }
    }
}

impl Known {
    /// Of the store of a configuration, which may not be there yet.
    pub(super) fn of(config: &Config) -> Result<Self> {
        let config = config.store_config()?;
        if let Location::File(file) = &config.location
            && !Path::exists(file)
        {
            return Ok(Self::default());
        }
        let store = match Store::open_read_only(&config) {
            Err(Error::NoStore) => return Ok(Self::default()),
            opened => opened?,
        };
        // `init` runs on a runtime, whose threads do not wait.
        let issuers = std::thread::scope(|scope| scope.spawn(|| store.read_here(issuers::all)).join());
        Ok(Self::read(&issuers.map_err(|_| Error::Panicked)??))
    }

    /// Of a store that is open.
    pub(super) async fn of_open(store: &Store) -> Result<Self> {
        Ok(Self::read(&store.read(issuers::all).await?))
    }

    fn read(issuers: &[IssuerRow]) -> Self {
        // The active generation of a name before those that it succeeded.
        let alive = issuers.iter().filter(|issuer| issuer.state != "disabled");
        let mut alive: Vec<&IssuerRow> = alive.collect();
        alive.sort_by_key(|issuer| (issuer.state != "active", std::cmp::Reverse(issuer.generation)));
        Self {
            base_url: base_url(issuers),
            authorities: alive.into_iter().map(KnownCa::of).collect(),
        }
    }
}

/// From the certificate that was made last by a CA of this store. Another authority's has addresses of its own.
fn base_url(issuers: &[IssuerRow]) -> Option<String> {
    let mut newest: Vec<&IssuerRow> = issuers.iter().collect();
    newest.sort_by_key(|issuer| std::cmp::Reverse(issuer.created_at));
    let of_one = |issuer: &IssuerRow| {
        let certificate = Certificate::from_der(issuer.certificate.as_ref()?).ok()?;
        certificate.crl_urls().iter().find_map(|url| {
            let (base, rest) = url.split_once("/.well-known/pki/crl/")?;
            let id = rest.split('/').next()?;
            let is_own = issuers.iter().any(|one| one.id.to_string() == id);
            is_own.then(|| base.to_owned())
        })
    };
    newest.into_iter().find_map(of_one)
}
