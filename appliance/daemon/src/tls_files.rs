//! The server's own certificate and key as files: written when they are issued, read when the server starts or reloads.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ca::{Authority, TlsCertificate};
use front::TlsIdentity;
use pki::{Certificate, SubjectAltName};
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::config::{Api, Config};
use crate::files::{self, Readers};

/// Where they are.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    chain: PathBuf,
    key: PathBuf,
    roots: PathBuf,
}

impl TlsFiles {
    pub(crate) fn new(config: &Config) -> Self {
        let folder = config.path("tls".as_ref());
        Self {
            chain: folder.join("server.pem"),
            key: folder.join("server.key"),
            roots: config.path("ca-bundle.pem".as_ref()),
        }
    }

    /// Has a new certificate issued when it is time; whether it did.
    pub(crate) async fn renew(&self, api: &Api, authority: &Authority) -> Result<bool> {
        if !self.is_due(api, authority) {
            return Ok(false);
        }
        let issued = authority
            .tls_certificate(&api.names, api.issuer.as_deref())
            .await?;
        // Clients know the root before they see a certificate under it.
        self.write_roots(authority)?;
        self.write(&issued)?;
        Ok(true)
    }

    /// Writes the roots of all CAs for clients of the API, beside those that are there already and have not ended: other servers
    /// may have certificates under them yet, and somebody may have added one.
    pub(crate) fn write_roots(&self, authority: &Authority) -> Result<()> {
        let now = authority.clock().now();
        let there = std::fs::read(&self.roots).unwrap_or_default();
        let mut roots = Certificate::parse_all(&there).unwrap_or_default();
        let own = authority.issuers();
        let own = own.iter().filter(|issuer| issuer.parent.is_none());
        roots.extend(own.filter_map(|issuer| issuer.certificate.clone()));
        let mut known = HashSet::new();
        roots.retain(|root| root.not_after() > now && known.insert(root.fingerprint_sha256()));
        let text: String = roots.iter().map(Certificate::pem).collect();
        files::write(&self.roots, text.as_bytes(), Readers::All)
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

    /// Whether the certificate cannot be used, has used up two thirds of its life, lacks a name it should have, or comes from
    /// another CA than it should. A crash between the writing of key and certificate leaves two that do not belong together.
    fn is_due(&self, api: &Api, authority: &Authority) -> bool {
        let now = authority.clock().now();
        let leaf = std::fs::read(&self.chain)
            .ok()
            .and_then(|pem| Certificate::parse(&pem).ok());
        let is_usable = self.identity().is_ok();
        leaf.filter(|_| is_usable).is_none_or(|leaf| {
            let (start, end) = (leaf.not_before().as_second(), leaf.not_after().as_second());
            let is_old = now.as_second() >= start + (end - start) / 3 * 2;
            is_old || !has_names(&leaf, &api.names) || !is_of_its_ca(&leaf, api, authority)
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

/// Whether a certificate comes from a generation of the CA that is named, which is not revoked. One of an authority that is not here
/// was put there by somebody, who wants it.
fn is_of_its_ca(leaf: &Certificate, api: &Api, authority: &Authority) -> bool {
    let issuers = authority.issuers();
    let issuer = issuers.iter().find(|issuer| {
        let own = issuer.certificate.as_ref();
        own.is_some_and(|own| {
            own.subject() == leaf.issuer() && leaf.verify_signed_by(own.public_key()).is_ok()
        })
    });
    let Some(issuer) = issuer else {
        return true;
    };
    let wanted = api.issuer.as_deref();
    let is_named = wanted.is_none_or(|wanted| wanted == issuer.name || wanted == issuer.id.to_string());
    let mut at = Some(issuer);
    while let Some(one) = at {
        if authority.revocation_of(one).is_some() {
            return false;
        }
        at = issuers.iter().find(|above| Some(above.id) == one.parent);
    }
    is_named
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
