//! The server's own certificate and key as files: written when they are issued, read when the server starts or reloads.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ca::{Authority, TlsCertificate};
use front::TlsIdentity;
use jiff::Timestamp;
use pki::{Certificate, SubjectAltName};
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::config::{Api, Config};
use crate::files::{self, Readers};

/// Where they are.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    chain: PathBuf,
    key: PathBuf,
}

impl TlsFiles {
    pub(crate) fn new(config: &Config) -> Self {
        let folder = config.path("tls".as_ref());
        Self {
            chain: folder.join("server.pem"),
            key: folder.join("server.key"),
        }
    }

    /// Has a new certificate issued when it is time; whether it did.
    pub(crate) async fn renew(&self, api: &Api, authority: &Authority) -> Result<bool> {
        if !self.is_due(api, authority.clock().now()) {
            return Ok(false);
        }
        let issued = authority
            .tls_certificate(&api.names, api.issuer.as_deref())
            .await?;
        self.write(&issued)?;
        Ok(true)
    }

    /// What is there as the identity of the server.
    pub(crate) fn identity(&self) -> Result<TlsIdentity> {
        let (chain, key) = self.read()?;
        Ok(TlsIdentity::new(&chain, key.expose_secret())?)
    }

    /// Puts what is there in the place of the identity at work.
    pub(crate) fn reload(&self, identity: &TlsIdentity) -> Result<()> {
        let (chain, key) = self.read()?;
        Ok(identity.replace(&chain, key.expose_secret())?)
    }

    /// Whether the certificate cannot be used, has used up two thirds of its life, or lacks a name it should have. A crash
    /// between the writing of key and certificate leaves two that do not belong together.
    fn is_due(&self, api: &Api, now: Timestamp) -> bool {
        let leaf = std::fs::read(&self.chain)
            .ok()
            .and_then(|pem| Certificate::parse(&pem).ok());
        let is_usable = self.identity().is_ok();
        leaf.filter(|_| is_usable).is_none_or(|leaf| {
            let (start, end) = (leaf.not_before().as_second(), leaf.not_after().as_second());
            let is_old = now.as_second() >= start + (end - start) / 3 * 2;
            is_old || !has_names(&leaf, &api.names)
        })
    }

    /// Writes a new certificate and its key.
    fn write(&self, issued: &TlsCertificate) -> Result<()> {
        if let Some(folder) = self.chain.parent() {
            files::private_folder(folder)?;
        }
        let key = pki::pem::encode("PRIVATE KEY", &issued.key_pkcs8);
        files::write(&self.key, key.as_bytes(), Readers::Owner)?;
        let chain = std::iter::once(&issued.certificate_der).chain(&issued.chain_der);
        let chain: String = chain.map(|der| pki::pem::encode("CERTIFICATE", der)).collect();
        files::write(&self.chain, chain.as_bytes(), Readers::All)
    }

    /// Chain (DER, leaf first) and PKCS#8 key.
    fn read(&self) -> Result<(Vec<Vec<u8>>, SecretSlice<u8>)> {
        let chain =
            std::fs::read(&self.chain).with_context(|| format!("reading {}", self.chain.display()))?;
        let chain = Certificate::parse_all(&chain).with_context(|| self.chain.display().to_string())?;
        let key = std::fs::read(&self.key).with_context(|| format!("reading {}", self.key.display()))?;
        let key = pki::key_file::parse(&key, None).with_context(|| self.key.display().to_string())?;
        let chain = chain
            .iter()
            .map(|certificate| certificate.der().to_vec())
            .collect();
        Ok((chain, SecretSlice::from(key.pkcs8.to_vec())))
    }
}

/// Whether a certificate is good for all these host names and addresses.
fn has_names(leaf: &Certificate, names: &[String]) -> bool {
    let there = leaf.subject_alt_names().unwrap_or_default();
    names.iter().all(|name| {
        let wanted = match name.parse() {
            Ok(address) => Some(SubjectAltName::Ip(address)),
            Err(_) => SubjectAltName::dns(name).ok(),
        };
        wanted.is_some_and(|wanted| there.contains(&wanted))
    })
}
