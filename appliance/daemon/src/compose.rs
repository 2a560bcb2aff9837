//! The parts of the server, built from the configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ca::{Authority, Clock, Settings, Signer, TlsCertificate};
use front::{FrontSettings, Limits, TlsIdentity};
use pki::Certificate;
use store::{Store, StoreConfig};
use token::KeyRing;

use crate::config::{Config, SignerMode};
use crate::files::{self, Readers};

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
    let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3600);
    let settings = Settings {
        crl_lifetime: hours(config.lifetimes.crl_hours),
        crl_interval: hours(config.lifetimes.crl_interval_hours),
        ocsp_lifetime: hours(config.lifetimes.ocsp_hours),
        responder_lifetime: hours(config.lifetimes.responder_days * 24),
        ..Settings::new(&config.public.base_url)
    };
    Authority::open(store, signer, Clock::system(), settings)
        .await
        .context("opening the authority")
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

/// The server's own certificate and key as files.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// A chain (DER, leaf first) and a PKCS#8 key.
pub(crate) type TlsMaterial = (Vec<Vec<u8>>, secrecy::SecretSlice<u8>);

impl TlsFiles {
    pub(crate) fn new(config: &Config) -> Self {
        let folder = config.path("tls".as_ref());
        Self {
            chain: folder.join("server.pem"),
            key: folder.join("server.key"),
        }
    }

    /// Writes a new certificate: the key first, so that a certificate never stands without its key.
    pub(crate) fn write(&self, issued: &TlsCertificate) -> Result<()> {
        if let Some(folder) = self.chain.parent() {
            files::private_folder(folder)?;
        }
        let key = pki::pem::encode("PRIVATE KEY", &issued.key_pkcs8);
        files::write(&self.key, key.as_bytes(), Readers::Owner)?;
        let chain = std::iter::once(&issued.certificate_der).chain(&issued.chain_der);
        let chain: String = chain.map(|der| pki::pem::encode("CERTIFICATE", der)).collect();
        files::write(&self.chain, chain.as_bytes(), Readers::All)
    }

    /// Reads what is there.
    pub(crate) fn read(&self) -> Result<TlsMaterial> {
        let chain =
            std::fs::read(&self.chain).with_context(|| format!("reading {}", self.chain.display()))?;
        let chain = Certificate::parse_all(&chain).with_context(|| self.chain.display().to_string())?;
        let key = std::fs::read(&self.key).with_context(|| format!("reading {}", self.key.display()))?;
        let key = pki::key_file::parse(&key, None).with_context(|| self.key.display().to_string())?;
        let chain = chain
            .iter()
            .map(|certificate| certificate.der().to_vec())
            .collect();
        Ok((chain, secrecy::SecretSlice::from(key.pkcs8.to_vec())))
    }

    /// Whether the certificate is missing, or has used up two thirds of its life.
    pub(crate) fn is_due(&self, now: jiff::Timestamp) -> bool {
        let leaf = std::fs::read(&self.chain)
            .ok()
            .and_then(|pem| Certificate::parse(&pem).ok());
        leaf.is_none_or(|leaf| {
            let (start, end) = (leaf.not_before().as_second(), leaf.not_after().as_second());
            now.as_second() >= start + (end - start) / 3 * 2
        })
    }

    /// Has a new certificate issued when it is time; whether it did.
    pub(crate) async fn renew(&self, config: &Config, authority: &Authority) -> Result<bool> {
        if !self.is_due(authority.clock().now()) {
            return Ok(false);
        }
        let issued = authority
            .tls_certificate(&config.api.names, config.api.issuer.as_deref())
            .await?;
        self.write(&issued)?;
        Ok(true)
    }

    /// What is there as the identity of the server.
    pub(crate) fn identity(&self) -> Result<TlsIdentity> {
        use secrecy::ExposeSecret as _;
        let (chain, key) = self.read()?;
        Ok(TlsIdentity::new(&chain, key.expose_secret())?)
    }

    /// Puts what is there in the place of the identity at work.
    pub(crate) fn reload(&self, identity: &TlsIdentity) -> Result<()> {
        use secrecy::ExposeSecret as _;
        let (chain, key) = self.read()?;
        Ok(identity.replace(&chain, key.expose_secret())?)
    }
}
