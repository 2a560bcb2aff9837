//! What the operations lie on: an authority with its store in a folder of its own, software keys in memory, an issuing CA,
//! certificates that were issued, and the public listener without its socket.
//!
//! Everything runs on one thread, except what the authority itself moves to others: its store's writer, and signatures.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ca::{Authority, Clock, CrlPlan, ImportFromDisk, IssuerEntry, Principal, Settings, Signer};
use front::Limits;
use front::measured::PublicListener;
use jiff::Timestamp;
use ocsp::{CertId, HashAlgorithm, IssuerHash, Request};
use pki::profile::{IssuerView, Urls};
use pki::{Certificate, Serial};
use secrecy::SecretSlice;
use store::{Store, StoreConfig};
use tempfile::TempDir;
use token::KeyRing;
use tokio::runtime::Runtime;

use crate::seed::{self, Seed};

pub(crate) const BASE_URL: &str = "http://pki.chancery.test";
const ISSUING: &str = "issuing";
/// The metric that counts signatures.
const SIGNED: &str = "chancery_signer_seconds_count";

/// How much is on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Certificates that were issued.
    pub(crate) certificates: u64,
    /// OCSP answers that memory has room for.
    pub(crate) answers: usize,
}

/// See above.
pub(crate) struct Bed {
    pub(crate) runtime: Runtime,
    pub(crate) authority: Authority,
    pub(crate) listener: PublicListener,
    pub(crate) issuer: Arc<IssuerEntry>,
    pub(crate) now: Timestamp,
    size: Size,
    _folder: TempDir,
}

impl Bed {
    pub(crate) fn open(size: Size) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let folder = tempfile::tempdir()?;
        let now = Clock::system().now();
        let authority = runtime.block_on(authority(&folder, size, now))?;
        Ok(Self {
            listener: PublicListener::new(authority.clone(), Limits::default())?,
            issuer: authority.issuer(ISSUING)?,
            authority,
            now,
            size,
            runtime,
            _folder: folder,
        })
    }

    /// The certificate of the issuing CA.
    pub(crate) fn certificate(&self) -> Result<Certificate> {
        self.issuer.certificate.clone().context("an active issuer")
    }

    /// The certificate of its OCSP responder.
    pub(crate) fn responder(&self) -> Result<Certificate> {
        let responder = self.authority.responder(&admin(), self.issuer.id)?;
        Ok(Certificate::from_der(
            &responder.context("a responder")?.certificate,
        )?)
    }

    /// The issuing CA as certificates and CRLs see it.
    pub(crate) fn view(&self) -> Result<IssuerView> {
        let urls = Urls {
            ca_issuers: vec![self.issuer.ca_url.clone()],
            ocsp: vec![self.issuer.ocsp_url.clone()],
            crl: vec![self.issuer.crl_url.clone()],
        };
        let algorithm = self.issuer.signature_algorithm;
        Ok(IssuerView::from_certificate(
            &self.certificate()?,
            algorithm,
            urls,
        ))
    }

    /// The serials of the certificates.
    pub(crate) fn serials(&self) -> impl Iterator<Item = Serial> {
        let count = self.size.certificates;
        (0..count).map(move |number| seed::serial(count, number, false))
    }

    /// The CertID of a serial, hashed by SHA-1 as most clients do.
    pub(crate) fn cert_id(&self, serial: Serial) -> Result<CertId> {
        let own = self.certificate()?;
        let hash = IssuerHash::for_issuer(HashAlgorithm::Sha1, own.subject().der(), own.public_key());
        Ok(CertId::new(hash, serial))
    }

    /// The requests about the certificates, in DER.
    pub(crate) fn requests(&self) -> Result<Vec<Vec<u8>>> {
        let cert_ids = self.serials().map(|serial| self.cert_id(serial));
        cert_ids
            .map(|cert_id| Ok(Request::new(cert_id?).to_der()?))
            .collect()
    }

    /// How many signatures were made until now.
    pub(crate) fn signatures(&self) -> u64 {
        let text = self.authority.metrics_text();
        let counts = text
            .lines()
            .filter(|line| line.starts_with(SIGNED))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        counts.sum()
    }
}

/// An authority that was started over a store with certificates in it.
async fn authority(folder: &TempDir, size: Size, now: Timestamp) -> Result<Authority> {
    let database = folder.path().join("store.db");
    let ring = Arc::new(KeyRing::in_memory());
    let open = async || {
        let signer = Signer::in_process(Arc::clone(&ring));
        let settings = Settings {
            ocsp_cache_entries: size.answers,
            ..Settings::new(BASE_URL)
        };
        Authority::open(
            Store::open(&StoreConfig::new(&database))?,
            signer,
            Clock::system(),
            settings,
        )
        .await
        .context("an authority")
    };
    let first = open().await?;
    first.import_from_disk(&admin(), issuing()).await?;
    first.drain().await;
    drop(first);
    let certificates = Seed {
        certificates: size.certificates,
        revoked: 0,
    };
    seed::write(&database, ISSUING, certificates, now).await?;
    open().await
}

fn admin() -> Principal {
    Principal::local("bench")
}

/// A CA whose key is known, and of no use to anybody: with a new one, as many octets of an OCSP request would be escaped as
/// chance has it, and instructions could not be compared.
fn issuing() -> ImportFromDisk {
    ImportFromDisk {
        name: ISSUING.to_owned(),
        certificate: include_bytes!("issuer/certificate.pem").to_vec(),
        chain: Vec::new(),
        key: SecretSlice::from(include_bytes!("issuer/key.pem").to_vec()),
        passphrase: None,
        signature_algorithm: None,
        crl: CrlPlan::default(),
    }
}
