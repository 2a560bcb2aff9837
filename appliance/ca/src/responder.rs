//! Delegated OCSP responders: one per issuer, renewed with overlap (RFC 6960 §4.2.2.2).
//!
//! A responder's key is made once, where the issuer's key is, and certified again at each renewal: keys cannot be removed
//! through the signer, and a token that gets a new one every week is full one day. The certificate lives briefly, because
//! nothing revokes it (it carries OCSP no-check).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pki::profile::Order;
use pki::{Certificate, DistinguishedName, KeyFingerprint, PublicKey, Serial, SignatureAlgorithm};
use serde_json::json;
use store::keys::KeyRow;
use store::leases::{self, Lease};
use uuid::Uuid;

use crate::audit;
use crate::authority::Authority;
use crate::certify::Certification;
use crate::clock::{self, from_millis};
use crate::companion::Companion;
use crate::duty::{self, LENGTH};
use crate::error::{Error, Result};
use crate::issuer::{Issuer, IssuerEntry};
use crate::permit::{self, Permit, action};
use crate::principal::Principal;
use crate::prove_key::prove_key;
use crate::seal::Signing;
use crate::status_index::State;

/// A responder.
#[derive(Clone, Debug)]
pub struct ResponderEntry {
    /// The identifier of its certificate.
    pub certificate_id: Uuid,
    /// Its certificate in DER.
    pub certificate: Vec<u8>,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
}

/// A responder as it lives in memory.
#[derive(Debug)]
pub(crate) struct Responder {
    pub(crate) certificate_id: Uuid,
    pub(crate) certificate: Certificate,
    pub(crate) signing: Signing,
    pub(crate) template: ocsp::Template,
    pub(crate) lint: ocsp::lint::Responder,
}

impl Responder {
    fn new(certificate_id: Uuid, certificate: Certificate) -> Self {
        let public_key = certificate.public_key().clone();
        let algorithm = SignatureAlgorithm::default_for(public_key.algorithm());
        Self {
            certificate_id,
            template: ocsp::Template::new(&public_key, algorithm, &[certificate.der()]),
            lint: ocsp::lint::Responder::delegated(&certificate),
            signing: Signing::new(public_key, algorithm),
            certificate,
        }
    }

    /// Whether half of its life is over.
    fn is_due(&self, now: Timestamp) -> bool {
        let (begin, end) = (self.certificate.not_before(), self.certificate.not_after());
        let half = SignedDuration::from_secs(end.duration_since(begin).as_secs() / 2);
        begin.saturating_add(half).is_ok_and(|middle| middle <= now)
    }
}

impl Authority {
    /// The responder that answers for an issuer now.
    pub fn responder(&self, principal: &Principal, issuer_id: Uuid) -> Result<Option<ResponderEntry>> {
        permit::check_reads_system(principal)?;
        let issuer = self
            .inner()
            .registry
            .find(issuer_id)
            .ok_or_else(|| Error::not_found("issuer", issuer_id))?;
        Ok(issuer.responder.load().as_ref().map(|responder| ResponderEntry {
            certificate_id: responder.certificate_id,
            certificate: responder.certificate.der().to_vec(),
            not_before: responder.certificate.not_before(),
            not_after: responder.certificate.not_after(),
        }))
    }

    /// Makes and renews the responders that need it; gives how many. Tries all of them and gives the last error.
    pub async fn renew_due_responders(&self) -> Result<usize> {
        let (mut renewed, mut failure) = (0, None);
        for issuer in self.inner().registry.all() {
            match self.renew_responder_if_due(&issuer).await {
                Ok(was_due) => renewed += usize::from(was_due),
                Err(error) => {
                    tracing::warn!(%error, issuer = issuer.entry().name, "the OCSP responder could not be renewed");
                    failure = Some(error);
                }
            }
        }
        failure.map_or(Ok(renewed), Err)
    }

    /// Renews the responder of an issuer when half of its life is over or there is none; whether it did. Of several servers one
    /// does, under the lease `responder:<issuer>`; the others are told of the result, and look again in a while.
    pub(crate) async fn renew_responder_if_due(&self, issuer: &Arc<Issuer>) -> Result<bool> {
        let _one_at_a_time = issuer.responding.lock().await;
        if !self.is_responder_due(issuer) {
            return Ok(false);
        }
        let store = &self.inner().store;
        if !store.is_shared() {
            return self.renew_responder(issuer, None).await.map(|()| true);
        }
        let (name, node) = (format!("responder:{}", issuer.id), store.node());
        let take = store.write(move |tx| leases::take(tx, &name, node, LENGTH));
        let Some(lease) = take.await? else {
            self.inner().responder_nudge.look_again();
            return Ok(false);
        };
        let renew = async {
            // Whoever had the duty before may be done with it, and nobody records another one from here on.
            self.take_up_responders_of(issuer).await?;
            let is_due = self.is_responder_due(issuer);
            if is_due {
                self.renew_responder(issuer, Some(&lease)).await?;
            }
            Ok(is_due)
        };
        let was_due = self.under(&lease, renew).await?;
        self.give_back(&lease).await;
        Ok(was_due)
    }

    fn is_responder_due(&self, issuer: &Issuer) -> bool {
        let (entry, now) = (issuer.entry(), self.inner().clock.now());
        let has_ended = entry
            .certificate
            .as_ref()
            .is_none_or(|certificate| certificate.not_after() <= now);
        let is_due = || issuer.responder.load().as_ref().is_none_or(|one| one.is_due(now));
        entry.acts_by_itself() && !has_ended && is_due()
    }

    async fn renew_responder(&self, issuer: &Arc<Issuer>, lease: Option<&Lease>) -> Result<()> {
        let permit: Permit<action::Issue> = permit::of_duty("OCSP responder");
        // The key and the certificate that it had are those of one responder: a revocation may take it away at any moment.
        let (public_key, replaces) = match issuer.responder.load_full() {
            Some(current) => (current.signing.public_key.clone(), Some(current.certificate_id)),
            None => match self.key_without_responder(&issuer.entry()).await? {
                Some(made_before) => (made_before, None),
                None => (
                    self.make_responder_key(&permit, &issuer.entry(), lease).await?,
                    None,
                ),
            },
        };
        self.certify_responder(&permit, issuer, (public_key, replaces), lease)
            .await
    }

    /// Takes the responder away whose certificate was revoked, or another one of its key, with everything it signed; another with a
    /// new key is made beside this. Until that is there, OCSP says tryLater; the duty goes on trying. Waits for nobody: whoever revokes
    /// is not to wait for a token.
    pub(crate) fn replace_revoked_responder(&self, issuer: &Arc<Issuer>, serial: &Serial) {
        if !issuer.stop_responding_by(serial) {
            return;
        }
        let (authority, issuer) = (self.clone(), Arc::clone(issuer));
        self.inner().tasks.spawn(async move {
            if let Err(error) = authority.renew_responder_if_due(&issuer).await {
                tracing::error!(%error, issuer = issuer.entry().name, "the revoked OCSP responder has no successor yet");
                authority.inner().responder_nudge.look_again();
            }
        });
    }

    /// The key that an earlier attempt made, which then got no certificate: as long as the CA's key is away each attempt would
    /// leave another one in the token. Nothing when there is none, or its token has it no more.
    async fn key_without_responder(&self, issuer: &IssuerEntry) -> Result<Option<PublicKey>> {
        let setting = unused_key(issuer.id);
        let read = self.inner().store.read(move |reader| {
            let fingerprint = store::settings::find(reader, &setting)?.and_then(|text| audit::octets(&text));
            match fingerprint {
                Some(fingerprint) => store::keys::find(reader, &fingerprint),
                None => Ok(None),
            }
        });
        let row = read.await?.filter(|row| row.backend == issuer.token);
        let Some(row) = row else { return Ok(None) };
        let key = PublicKey::from_spki_der(&row.spki).map_err(Error::internal)?;
        if key.algorithm() != issuer.key_algorithm {
            return Ok(None);
        }
        match prove_key(&self.inner().signer, &key).await {
            Ok(()) => Ok(Some(key)),
            Err(Error::Unavailable {
                code: "hsm_key_missing",
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn make_responder_key(
        &self,
        permit: &Permit<action::Issue>,
        issuer: &IssuerEntry,
        lease: Option<&Lease>,
    ) -> Result<PublicKey> {
        let label = format!(
            "{:.32}-{}-ocsp-{}",
            issuer.name,
            issuer.generation,
            clock::new_id().simple()
        );
        let label: String = label.chars().take(64).collect();
        let (row, public_key) = self.make_key(&issuer.token, &label, issuer.key_algorithm).await?;
        let at = self.inner().clock.now();
        let details = json!({ "label": row.label, "token": row.backend, "for": "OCSP responder", "issuer_id": issuer.id });
        let object = public_key.fingerprint();
        let entry = audit::entry(at, permit.actor(), "key.generate", object, audit::OK, &details);
        let (lease, setting) = (lease.cloned(), unused_key(issuer.id));
        self.change(entry, move |tx| {
            duty::require(tx, lease.as_ref())?;
            store::settings::put(tx, &setting, &audit::hexadecimal(&row.fingerprint))?;
            store::keys::insert(tx, &row)
        })
        .await?;
        Ok(public_key)
    }

    async fn certify_responder(
        &self,
        permit: &Permit<action::Issue>,
        issuer: &Arc<Issuer>,
        (public_key, replaces): (PublicKey, Option<Uuid>),
        lease: Option<&Lease>,
    ) -> Result<()> {
        let entry = issuer.entry();
        let subject = format!("CN=OCSP responder of {} {}", entry.name, entry.generation);
        let order = Order {
            subject: DistinguishedName::parse(&subject).map_err(Error::internal)?,
            names: Vec::new(),
            public_key,
            validity: Some(self.inner().settings.responder_lifetime),
            ms_sid: None,
        };
        let certification = Certification {
            issuer: Arc::clone(issuer),
            view: entry
                .view()
                .ok_or_else(|| Error::internal("an issuer without a certificate has no responder"))?,
            profile: self.own_profile("ocsp-signer")?,
            order,
            order_id: clock::new_id(),
            requester: "chancery".to_owned(),
            replaces,
            action: "responder.renew",
            companion: Companion::Responder(lease.cloned()),
        };
        let made = self.carry_out(self.prepare(permit, certification)?).await?;
        issuer.respond_by(Responder::new(made.id, Certificate::clone(&made.certificate)));
        // The one before it may have been revoked after this one was recorded, and before it answered.
        if issuer.stop_responding_by_distrusted_key() {
            self.inner().responder_nudge.look_again();
        }
        Ok(())
    }

    /// Makes a key in a token, and gives the row that records it.
    pub(crate) async fn make_key(
        &self,
        token: &str,
        label: &str,
        algorithm: pki::KeyAlgorithm,
    ) -> Result<(KeyRow, PublicKey)> {
        let record = self.inner().signer.generate(token, label, algorithm).await?;
        let public_key = PublicKey::from_spki_der(&record.spki).map_err(Error::internal)?;
        if public_key.algorithm() != algorithm {
            return Err(Error::internal(format!(
                "the token {token} made a key of another kind than {algorithm}"
            )));
        }
        Ok((
            key_row(token, label, &public_key, self.inner().clock.now()),
            public_key,
        ))
    }

    pub(crate) async fn load_responders(&self) -> Result<()> {
        self.load_responders_of(None).await
    }

    /// Takes up those of an issuer that are recorded and not known yet. Whoever calls this has the turn of its responders.
    pub(crate) async fn take_up_responders_of(&self, issuer: &Issuer) -> Result<()> {
        self.load_responders_of(Some(issuer)).await?;
        // One that was revoked while it was taken up.
        issuer.stop_responding_by_distrusted_key();
        Ok(())
    }

    /// Takes up those that are recorded and not known yet, of one issuer or of all.
    async fn load_responders_of(&self, only: Option<&Issuer>) -> Result<()> {
        let distrusted = self
            .inner()
            .store
            .read(store::responders::keys_of_revoked)
            .await?;
        for row in self.inner().store.read(store::responders::all).await? {
            if only.is_some_and(|issuer| issuer.id != row.issuer_id) {
                continue;
            }
            let certificate = Certificate::from_der(&row.certificate).map_err(Error::internal)?;
            let Some(issuer) = self.inner().registry.find(row.issuer_id) else {
                continue;
            };
            if issuer
                .with_responder(&certificate.serial(), |_| Some(()))
                .is_some()
            {
                continue;
            }
            let status = issuer.statuses.find(&certificate.serial());
            if status.is_some_and(|status| status != State::Good)
                || distrusted.contains(&(row.issuer_id, row.key_fingerprint))
            {
                continue;
            }
            // Of one issuer the last to end comes last, and stays.
            issuer.respond_by(Responder::new(row.certificate_id, certificate));
        }
        Ok(())
    }
}

/// The setting with the key that was made for a responder of an issuer and has no certificate yet.
fn unused_key(issuer_id: Uuid) -> String {
    format!("responder.unused_key.{issuer_id}")
}

/// The key of a responder has its certificate.
pub(crate) fn note_key_used(tx: &store::Tx<'_>, issuer_id: Uuid) -> store::Result<()> {
    let setting = unused_key(issuer_id);
    match store::settings::find(tx, &setting)? {
        Some(fingerprint) if !fingerprint.is_empty() => store::settings::put(tx, &setting, ""),
        _ => Ok(()),
    }
}

pub(crate) fn key_row(token: &str, label: &str, public_key: &PublicKey, at: Timestamp) -> KeyRow {
    let KeyFingerprint(fingerprint) = public_key.fingerprint();
    KeyRow {
        fingerprint: fingerprint.to_vec(),
        algorithm: public_key.algorithm().to_string(),
        spki: public_key.spki_der().to_vec(),
        backend: token.to_owned(),
        label: label.to_owned(),
        created_at: from_millis(at.as_millisecond()).as_millisecond(),
    }
}
