//! An authority on a store of its own, with software keys in memory and a clock that the test moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ca::{
    Authority, Clock, CreateIssuing, CreateRoot, IssueRequest, Issued, IssuerEntry, Principal, Role, Scope,
    Settings, Signer,
};
use pki::{Certificate, KeyAlgorithm};
use token::KeyRing;

use crate::request::{Holder, csr};

/// When the tests begin.
pub(crate) const START: &str = "2030-01-01T12:00:00Z";
pub(crate) const BASE_URL: &str = "http://pki.example";

pub(crate) struct Bed {
    pub(crate) authority: Authority,
    pub(crate) clock: Clock,
    pub(crate) ring: Arc<KeyRing>,
    folder: Option<tempfile::TempDir>,
    has_answers_on_disk: bool,
}

impl Bed {
    /// An authority without any issuer.
    pub(crate) async fn empty() -> Self {
        Self::over(Arc::new(KeyRing::in_memory())).await
    }

    /// An authority over these keys.
    pub(crate) async fn over(ring: Arc<KeyRing>) -> Self {
        Self::with(ring, Settings::new(BASE_URL)).await
    }

    /// An authority over these keys, with settings of its own until it is restarted.
    pub(crate) async fn with(ring: Arc<KeyRing>, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(START.parse().unwrap());
        let authority = open_with(&folder.path().join("store.db"), &ring, &clock, settings).await;
        Self {
            authority,
            clock,
            ring,
            folder: Some(folder),
            has_answers_on_disk: false,
        }
    }

    /// The same as `ready`, with OCSP answers on disk.
    pub(crate) async fn with_answers_on_disk() -> Self {
        let mut bed = Self::ready().await;
        bed.has_answers_on_disk = true;
        bed.restarted().await
    }

    /// An authority with a root `root` and an issuing CA `issuing` under it, on P-256.
    pub(crate) async fn ready() -> Self {
        Self::ready_with(Settings::new(BASE_URL)).await
    }

    /// The same with settings of its own until it is restarted.
    pub(crate) async fn ready_with(settings: Settings) -> Self {
        let bed = Self::with(Arc::new(KeyRing::in_memory()), settings).await;
        bed.authority
            .create_root(&admin(), root("root", KeyAlgorithm::P256))
            .await
            .unwrap();
        bed.authority
            .create_issuing(&admin(), issuing("issuing", "root", KeyAlgorithm::P256))
            .await
            .unwrap();
        bed
    }

    /// The same authority after its program ended and started again.
    pub(crate) async fn restarted(mut self) -> Self {
        let (clock, ring, folder) = (self.clock.clone(), Arc::clone(&self.ring), self.folder.take());
        // The store is closed with the last clone of the authority.
        self.authority.drain().await;
        let has_answers_on_disk = self.has_answers_on_disk;
        drop(self);
        let folder = folder.unwrap();
        let settings = Settings {
            ocsp_folder: has_answers_on_disk.then(|| folder.path().join("ocsp-answers")),
            ..Settings::new(BASE_URL)
        };
        let authority = open_with(&folder.path().join("store.db"), &ring, &clock, settings).await;
        Self {
            authority,
            clock,
            ring,
            folder: Some(folder),
            has_answers_on_disk,
        }
    }

    /// A path beside the store.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().unwrap().path().join(name)
    }

    pub(crate) fn issuer(&self, name: &str) -> Arc<IssuerEntry> {
        self.authority.issuer(name).unwrap()
    }

    /// A server certificate for a name, from `issuing`.
    pub(crate) async fn server(&self, name: &str) -> Issued {
        self.authority
            .issue(&admin(), server_request(name))
            .await
            .unwrap()
    }

    pub(crate) fn advance(&self, by: jiff::SignedDuration) {
        self.clock.advance(by);
    }

    /// The line of a metric with these labels, as it would be scraped.
    pub(crate) fn metric(&self, line_start: &str) -> f64 {
        let text = self.authority.metrics_text();
        let line = text.lines().find(|line| {
            line.strip_prefix(line_start)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

pub(crate) async fn open(path: &Path, ring: &Arc<KeyRing>, clock: &Clock) -> Authority {
    open_with(path, ring, clock, Settings::new(BASE_URL)).await
}

async fn open_with(path: &Path, ring: &Arc<KeyRing>, clock: &Clock, settings: Settings) -> Authority {
    let store = store_bed::open(path);
    let signer = Signer::in_process(Arc::clone(ring));
    Authority::open(store, signer, clock.clone(), settings)
        .await
        .unwrap()
}

pub(crate) fn admin() -> Principal {
    Principal::local("test")
}

pub(crate) fn principal(name: &str, role: Role) -> Principal {
    Principal {
        id: format!("{name}-id"),
        name: name.to_owned(),
        role,
        issuers: Scope::All,
        profiles: Scope::All,
    }
}

pub(crate) fn root(name: &str, key_algorithm: KeyAlgorithm) -> CreateRoot {
    CreateRoot {
        name: name.to_owned(),
        subject: format!("CN=Test {name},O=Example"),
        key_algorithm,
        signature_algorithm: None,
        token: "software".to_owned(),
        validity: None,
        profile: None,
        crl: ca::CrlPlan::default(),
    }
}

pub(crate) fn issuing(name: &str, parent: &str, key_algorithm: KeyAlgorithm) -> CreateIssuing {
    CreateIssuing {
        name: name.to_owned(),
        parent: parent.to_owned(),
        subject: format!("CN=Test {name},O=Example"),
        key_algorithm,
        signature_algorithm: None,
        token: "software".to_owned(),
        validity: None,
        profile: None,
        crl: ca::CrlPlan::default(),
    }
}

pub(crate) fn server_request(name: &str) -> IssueRequest {
    IssueRequest {
        csr: csr(&Holder::new(), "", &[&format!("dns:{name}")]),
        profile: "tls-server".to_owned(),
        ..IssueRequest::default()
    }
}

pub(crate) fn certificate(issued: &Issued) -> Certificate {
    Certificate::clone(&issued.certificate)
}
