//! The certificate of the listener, which can change while connections go on.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::config::TlsFiles;

/// The TLS of the listener. All clones change together.
#[derive(Clone, Debug)]
pub(crate) struct Certificate(Arc<ArcSwap<ServerConfig>>);

impl Certificate {
    /// Reads the files.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(read(files)?))))
    }

    /// Reads them again; when they cannot be used the old ones stay.
    pub(crate) fn reload(&self, files: &TlsFiles) -> Result<()> {
        self.0.store(Arc::new(read(files)?));
        Ok(())
    }

    /// What is at work.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig> {
    let of_cert = || format!("tls.cert: {}", files.cert.display());
    let of_key = || format!("tls.key: {}", files.key.display());
    let pem = std::fs::read(&files.cert).with_context(of_cert)?;
    let chain: Vec<_> = pki::Certificate::parse_all(&pem)
        .with_context(of_cert)?
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
        .collect();
    let pem = Zeroizing::new(std::fs::read(&files.key).with_context(of_key)?);
    let key = pki::key_file::parse(&pem, None).with_context(of_key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.pkcs8.to_vec()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("{} and {}", of_cert(), of_key()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
