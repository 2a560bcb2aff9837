//! Issuers: one CA certificate and its key, as the rest of the product sees it and as it lives in memory.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use ocsp::{HashAlgorithm, IssuerHash};
use pki::profile::{IssuerView, Urls};
use pki::{
    Certificate, KeyAlgorithm, KeyFingerprint, PublicKey, RevocationReason, Serial, SignatureAlgorithm,
};
use serde::{Deserialize, Serialize};
use store::statuses::SerialStatus;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::crl_plan::CrlPlan;
use crate::crl_shard::CrlShards;
use crate::error::{Error, Result};
use crate::key_lost::KeyLost;
use crate::offline::Offline;
use crate::responder::Responder;
use crate::revoked_above::RevokedAbove;
use crate::seal::Signing;
use crate::status_index::{State, StatusIndex};
use crate::templates::Templates;
use crate::turns::Turns;

/// Where an issuer stands in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerState {
    /// Its request is made, its certificate is not here yet.
    Pending,
    /// It issues.
    Active,
    /// Rolled over: it issues no more, and still signs CRLs and OCSP answers for what it issued.
    Retired,
    /// It does nothing.
    Disabled,
}

impl fmt::Display for IssuerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Disabled => "disabled",
        })
    }
}

impl FromStr for IssuerState {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        [Self::Pending, Self::Active, Self::Retired, Self::Disabled]
            .into_iter()
            .find(|state| state.to_string() == text)
            .ok_or(())
    }
}

/// How an issuer came about; decides what its rollover makes.
// stored: in the settings of an issuer
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssuerOrigin {
    /// Self-signed here.
    Root,
    /// Certified by another issuer here.
    Issuing,
    /// Certified by a foreign authority.
    Subordinate,
    /// Brought along as certificate and key.
    FromDisk,
}

/// One generation of a CA, as it was when it was asked for.
#[derive(Clone, Debug)]
pub struct IssuerEntry {
    /// Its identifier, which stands in public addresses.
    pub id: Uuid,
    /// The CA's name, shared by its generations.
    pub name: String,
    /// Counts up from 1 under one name.
    pub generation: u32,
    /// Where it stands.
    pub state: IssuerState,
    /// How it came about.
    pub origin: IssuerOrigin,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// Its key.
    pub key: KeyFingerprint,
    /// The kind of its key.
    pub key_algorithm: KeyAlgorithm,
    /// How it signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// The token that holds its key; `software` for the software backend.
    pub token: String,
    /// Its certificate; absent while pending.
    pub certificate: Option<Certificate>,
    /// Its request in DER, when a foreign authority certifies it.
    pub csr: Option<Vec<u8>>,
    /// The certificates above it in DER, nearest first, the root last when it is known.
    pub chain: Vec<Vec<u8>>,
    /// Link certificates to the root before it (RFC 4210 §4.4), in DER: new with old, old with new.
    pub links: Vec<Vec<u8>>,
    /// The local issuer that certified it.
    pub parent: Option<Uuid>,
    /// The address of its certificate in DER.
    pub ca_url: String,
    /// The address of its OCSP responder; empty when it has none, because it is offline.
    pub ocsp_url: String,
    /// The address of its CRL; of one with several, what stands before the number of each.
    pub crl_url: String,
    /// How its CRLs are cut.
    pub crl: CrlPlan,
    /// When it was made here.
    pub created_at: Timestamp,
    /// Present when it signs nothing by itself.
    pub offline: Option<Offline>,
    /// Present when no token has its key any more.
    pub key_lost: Option<KeyLost>,
    pub(crate) public_key: PublicKey,
    /// The profile its certificates are made by, when they are made here.
    pub(crate) profile: Option<String>,
    /// What follows from its certificate, worked out once.
    pub(crate) certified: Option<Certified>,
}

/// The certificates above a leaf, nearest first, without a self-signed root: the same for every leaf of an issuer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Chain {
    der: Vec<Vec<u8>>,
    pem: String,
}

impl Chain {
    /// Each in DER.
    pub fn der(&self) -> &[Vec<u8>] {
        &self.der
    }

    /// One CERTIFICATE block after the other.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

impl FromIterator<Vec<u8>> for Chain {
    fn from_iter<T: IntoIterator<Item = Vec<u8>>>(certificates: T) -> Self {
        let der = Vec::from_iter(certificates);
        let pem = der.iter().map(|one| pki::pem::encode("CERTIFICATE", one));
        Self {
            pem: pem.collect(),
            der,
        }
    }
}

/// What follows from the certificate of an issuer.
#[derive(Clone, Debug)]
pub(crate) struct Certified {
    view: Arc<IssuerView>,
    signing: Signing,
    chain_for_leaf: Arc<Chain>,
    sha1: IssuerHash,
    sha256: IssuerHash,
}

impl IssuerEntry {
    /// Whether it signs CRLs and OCSP answers: it has a certificate and was not switched off.
    pub fn answers(&self) -> bool {
        self.certificate.is_some() && matches!(self.state, IssuerState::Active | IssuerState::Retired)
    }

    /// Whether it signs CRLs and OCSP answers by itself, on schedule and when it is asked.
    pub(crate) fn acts_by_itself(&self) -> bool {
        self.answers() && self.offline.is_none() && self.key_lost.is_none()
    }

    /// Whether its key is somewhere else, and what it signs is imported.
    pub fn is_elsewhere(&self) -> bool {
        self.offline.as_ref().is_some_and(|offline| offline.is_elsewhere)
    }

    /// The address of the CRL of a shard.
    pub fn crl_url_of(&self, shard: u32) -> String {
        if self.crl.shards > 1 {
            format!("{}/{shard}", self.crl_url)
        } else {
            self.crl_url.clone()
        }
    }

    /// What building and linting need to know of it; nothing while it has no certificate.
    pub(crate) fn view(&self) -> Option<Arc<IssuerView>> {
        self.certified
            .as_ref()
            .map(|certified| Arc::clone(&certified.view))
    }

    /// How it signs.
    pub(crate) fn signing(&self) -> Signing {
        self.certified.as_ref().map_or_else(
            || Signing::new(self.public_key.clone(), self.signature_algorithm),
            |certified| certified.signing.clone(),
        )
    }

    /// Its certificate and those above it, nearest first, without a self-signed root: what a leaf is handed out with.
    pub(crate) fn chain_for_leaf(&self) -> Arc<Chain> {
        self.certified
            .as_ref()
            .map(|certified| Arc::clone(&certified.chain_for_leaf))
            .unwrap_or_default()
    }

    /// Its certificate and everything above it.
    pub(crate) fn whole_chain(&self) -> Vec<Vec<u8>> {
        let own = self
            .certificate
            .iter()
            .map(|certificate| certificate.der().to_vec());
        own.chain(self.chain.iter().cloned()).collect()
    }

    /// The same entry, with what follows from its certificate.
    fn worked_out(mut self) -> Self {
        self.certified = self.certificate.as_ref().map(|own| {
            let is_root = |der: &Vec<u8>| Certificate::from_der(der).is_ok_and(|one| one.is_self_signed());
            let hash = |algorithm| IssuerHash::for_issuer(algorithm, own.subject().der(), own.public_key());
            Certified {
                signing: Signing::new(self.public_key.clone(), self.signature_algorithm),
                view: IssuerView::from_certificate(own, self.signature_algorithm, self.urls()).into(),
                chain_for_leaf: Arc::new(
                    self.whole_chain()
                        .into_iter()
                        .filter(|der| !is_root(der))
                        .collect(),
                ),
                sha1: hash(HashAlgorithm::Sha1),
                sha256: hash(HashAlgorithm::Sha256),
            }
        });
        self
    }

    fn urls(&self) -> Urls {
        Urls {
            ca_issuers: vec![self.ca_url.clone()],
            ocsp: Some(self.ocsp_url.clone())
                .filter(|url| !url.is_empty())
                .into_iter()
                .collect(),
            crl: vec![self.crl_url.clone()],
        }
    }
}

/// An issuer as it lives in memory: its entry, and everything that is answered without asking the store.
#[derive(Debug)]
pub(crate) struct Issuer {
    entry: ArcSwap<IssuerEntry>,
    pub(crate) id: Uuid,
    /// The status of every serial it ever signed.
    pub(crate) statuses: StatusIndex,
    /// One change of the revocation of a serial at a time.
    pub(crate) turns: Turns,
    /// Its CRLs.
    pub(crate) shards: CrlShards,
    /// What its certificates have in common.
    pub(crate) templates: Templates,
    pub(crate) responder: ArcSwapOption<Responder>,
    /// Every responder whose certificate has not ended, because answers are about that it signed.
    responders: ArcSwap<Vec<Arc<Responder>>>,
    /// One responder at a time.
    pub(crate) responding: Mutex<()>,
    /// What the list of the offline CA above it says of its certificate.
    pub(crate) revoked_above: ArcSwapOption<RevokedAbove>,
    /// How many responders were revoked: what they signed is not handed out any more.
    pub(crate) responders_revoked: AtomicU64,
}

impl Issuer {
    pub(crate) fn new(entry: IssuerEntry) -> Self {
        Self {
            id: entry.id,
            statuses: StatusIndex::default(),
            turns: Turns::default(),
            shards: CrlShards::new(entry.crl.shards),
            templates: Templates::default(),
            responder: ArcSwapOption::empty(),
            responders: ArcSwap::default(),
            responding: Mutex::default(),
            revoked_above: ArcSwapOption::empty(),
            responders_revoked: AtomicU64::new(0),
            entry: ArcSwap::from_pointee(entry.worked_out()),
        }
    }

    pub(crate) fn entry(&self) -> Arc<IssuerEntry> {
        self.entry.load_full()
    }

    /// Changes the entry, after the store has.
    pub(crate) fn update(&self, change: impl FnOnce(&mut IssuerEntry)) -> Arc<IssuerEntry> {
        let mut entry = IssuerEntry::clone(&self.entry.load());
        change(&mut entry);
        let entry = Arc::new(entry.worked_out());
        self.entry.store(Arc::clone(&entry));
        entry
    }

    /// Takes over how a serial stood at the start.
    pub(crate) fn take_status(&self, row: &SerialStatus<'_>) -> store::Result<()> {
        let corrupt = |what: &str| store::Error::Corrupt(format!("{what} of an issuer {}", self.id));
        let serial = Serial::from_unsigned(row.serial).map_err(|_| corrupt("an unreadable serial"))?;
        let state = match row.revoked {
            None => State::Good,
            Some((at, reason)) => {
                let reason = u8::try_from(reason).ok().and_then(RevocationReason::from_code);
                State::Revoked {
                    at,
                    reason: reason.ok_or_else(|| corrupt("an unknown revocation reason"))?,
                }
            }
        };
        self.statuses.apply(serial, state, 0);
        Ok(())
    }

    /// Lets a responder answer from now on. Those before it stay known until their certificates end.
    pub(crate) fn respond_by(&self, responder: Responder) {
        let responder = Arc::new(responder);
        let begin = responder.certificate.not_before();
        let before = self.responders.load();
        let lasting = before.iter().filter(|one| one.certificate.not_after() >= begin);
        let all = lasting.chain([&responder]).cloned().collect();
        self.responders.store(Arc::new(all));
        self.responder.store(Some(responder));
    }

    /// Lets the responder with this serial answer no more, nor one that has the key of it: whoever revokes it distrusts the key.
    /// Whether one of them did. Waits for nobody.
    pub(crate) fn stop_responding_by(&self, serial: &Serial) -> bool {
        let known = self.responders.load();
        let known = known.iter().find(|one| one.certificate.serial() == *serial);
        let is_it = |current: &Arc<Responder>| {
            current.certificate.serial() == *serial
                || known.is_some_and(|known| known.signing.public_key == current.signing.public_key)
        };
        let before = self
            .responder
            .rcu(|current| current.as_ref().filter(|current| !is_it(current)).cloned());
        let was_it = before.as_ref().is_some_and(is_it);
        if was_it {
            self.responders_revoked.fetch_add(1, Ordering::SeqCst);
        }
        was_it
    }

    /// Lets a responder answer no more of whose key a certificate is revoked by now; whether one did.
    pub(crate) fn stop_responding_by_distrusted_key(&self) -> bool {
        let is_revoked = |serial: &Serial| matches!(self.statuses.find(serial), Some(State::Revoked { .. }));
        let known = self.responders.load();
        let serials = known.iter().map(|one| one.certificate.serial());
        serials
            .filter(is_revoked)
            .any(|serial| self.stop_responding_by(&serial))
    }

    /// Does something with the certificate of a responder, in DER; nothing when it is not known any more.
    pub(crate) fn with_responder<T>(
        &self,
        serial: &Serial,
        run: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let responders = self.responders.load();
        // The last one signed most of what is asked for.
        let found = responders
            .iter()
            .rev()
            .find(|one| one.certificate.serial() == *serial)?;
        run(found.certificate.der())
    }

    /// Whether this half of a CertID is its own.
    pub(crate) fn is_named_by(&self, hash: &IssuerHash) -> bool {
        let entry = self.entry.load();
        entry
            .certified
            .as_ref()
            .is_some_and(|certified| match hash.algorithm() {
                HashAlgorithm::Sha1 => certified.sha1 == *hash,
                HashAlgorithm::Sha256 => certified.sha256 == *hash,
            })
    }

    /// Its half of a CertID; nothing while it has no certificate.
    pub(crate) fn hash(&self, algorithm: HashAlgorithm) -> Option<IssuerHash> {
        let entry = self.entry.load();
        let certified = entry.certified.as_ref()?;
        Some(match algorithm {
            HashAlgorithm::Sha1 => certified.sha1,
            HashAlgorithm::Sha256 => certified.sha256,
        })
    }
}

/// A CA's name: lower-case letters, digits and hyphens, 1 to 64 of them.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let message = format!("`{name}` is no name for a CA: take 1 to 64 of a-z, 0-9 and hyphen");
    Err(Error::from(crate::error::Refusal::of_requester(
        "name_invalid",
        message,
    )))
}
