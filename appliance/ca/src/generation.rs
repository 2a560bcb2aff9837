//! One generation of a CA on its way: a key in a token, a pending issuer in the store, a certificate, and then everything
//! that makes it work. Shared by all ways of making a CA.

use std::sync::Arc;
use std::time::Duration;

use pki::profile::{IssuerView, Order, Profile};
use pki::{Certificate, DistinguishedName, KeyAlgorithm, SignatureAlgorithm};
use serde_json::json;
use store::issuers::IssuerRow;
use store::keys::KeyRow;
use store::leases::{self, Lease};
use uuid::Uuid;

use crate::audit;
use crate::authority::Authority;
use crate::certify::Certification;
use crate::clock;
use crate::companion::{Activation, Companion};
use crate::crl_plan::CrlPlan;
use crate::duty::{self, LENGTH};
use crate::error::{Error, Refusal, Result};
use crate::issuer::{Issuer, IssuerEntry, IssuerOrigin, IssuerState};
use crate::offline::Offline;
use crate::permit::{Permit, action};
use crate::registry::{StoredSettings, entry_from_rows};

/// A CA being made: what is decided before its certificate is.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) subject: DistinguishedName,
    pub(crate) key_algorithm: KeyAlgorithm,
    pub(crate) signature_algorithm: SignatureAlgorithm,
    pub(crate) token: String,
    pub(crate) origin: IssuerOrigin,
    pub(crate) parent: Option<Uuid>,
    pub(crate) profile: Option<String>,
    pub(crate) crl: CrlPlan,
    pub(crate) offline: Option<Offline>,
}

/// Marks that a request is to be made for a foreign authority.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CsrWanted;

/// What a new generation takes over from the one before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Succession {
    pub(crate) retires: Option<Uuid>,
    pub(crate) links: Vec<Vec<u8>>,
}

/// A certificate that made an issuer active, in the store.
#[derive(Debug)]
pub(crate) struct Activated {
    pub(crate) certificate: Certificate,
    pub(crate) activation: Activation,
}

impl Authority {
    /// Makes the key and records the pending issuer. A CSR is recorded with it when a foreign authority will certify it. Of several
    /// servers one at a time does so for a name, under the lease `issuer:<name>`: keys cannot be taken out of a token again.
    pub(crate) async fn begin_issuer(
        &self,
        permit: &Permit<action::ManageIssuers>,
        draft: Draft,
        csr_names: Option<CsrWanted>,
    ) -> Result<Arc<Issuer>> {
        let at = self.inner().clock.now();
        self.inner().guard.admit(at)?;
        draft.crl.check()?;
        let generation = self.inner().registry.next_generation(&draft.name);
        let Some(lease) = self.take_issuer_duty(&draft.name, generation).await? else {
            return self
                .begin_generation(permit, draft, csr_names, generation, None)
                .await;
        };
        let make = self.begin_generation(permit, draft, csr_names, generation, Some(&lease));
        let issuer = self.under(&lease, make).await?;
        self.give_back(&lease).await;
        Ok(issuer)
    }

    /// No lease where there is no other server.
    async fn take_issuer_duty(&self, name: &str, generation: u32) -> Result<Option<Lease>> {
        let store = &self.inner().store;
        if !store.is_shared() {
            return Ok(None);
        }
        let (named, node) = (name.to_owned(), store.node());
        let take = store.write(move |tx| {
            let issuers = store::issuers::all(tx)?;
            if issuers
                .iter()
                .any(|row| row.name == named && row.generation >= i64::from(generation))
            {
                return Ok(None);
            }
            leases::take(tx, &format!("issuer:{named}"), node, LENGTH)
        });
        take.await?.map(Some).ok_or_else(|| {
            let message = format!(
                "another server is making the CA {name}, or has just made it: look at it there, and try again in a moment"
            );
            Error::conflict("issuer_made_elsewhere", message)
        })
    }

    async fn begin_generation(
        &self,
        permit: &Permit<action::ManageIssuers>,
        draft: Draft,
        csr_names: Option<CsrWanted>,
        generation: u32,
        lease: Option<&Lease>,
    ) -> Result<Arc<Issuer>> {
        let id = clock::new_id();
        let label: String = format!("{:.40}-{generation}-{:.8}", draft.name, reversed(id))
            .chars()
            .take(64)
            .collect();
        let (key, public_key) = self.make_key(&draft.token, &label, draft.key_algorithm).await?;
        let csr = match csr_names {
            Some(CsrWanted) => Some(self.request_for(&draft, &public_key).await?),
            None => None,
        };
        self.record_issuer(permit, (id, generation), draft, key, csr, lease)
            .await
    }

    /// Records a pending issuer and its key, under a lease where another server may make it, too.
    pub(crate) async fn record_issuer(
        &self,
        permit: &Permit<action::ManageIssuers>,
        (id, generation): (Uuid, u32),
        draft: Draft,
        key: KeyRow,
        csr: Option<Vec<u8>>,
        lease: Option<&Lease>,
    ) -> Result<Arc<Issuer>> {
        let at = self.inner().clock.now();
        let settings = StoredSettings {
            origin: draft.origin,
            token: draft.token,
            parent: draft.parent,
            profile: draft.profile,
            crl: draft.crl,
            offline: draft.offline,
            key_lost: None,
        };
        let row = IssuerRow {
            id,
            name: draft.name,
            generation: generation.into(),
            state: IssuerState::Pending.to_string(),
            subject: draft.subject.to_string(),
            key_fingerprint: key.fingerprint.clone(),
            signature_algorithm: draft.signature_algorithm.to_string(),
            certificate: None,
            csr,
            chain: Vec::new(),
            links: Vec::new(),
            settings: serde_json::to_string(&settings).map_err(Error::internal)?,
            created_at: at.as_millisecond(),
        };
        let issuer = Issuer::new(entry_from_rows(&row, &key, &self.inner().settings.base_url)?);
        let details = json!({
            "name": row.name, "generation": generation, "origin": settings.origin, "subject": row.subject,
            "token": key.backend, "label": key.label, "key": audit::hexadecimal(&key.fingerprint),
            "key_algorithm": key.algorithm,
        });
        let entry = audit::entry(at, permit.actor(), "issuer.begin", id, audit::OK, &details);
        let lease = lease.cloned();
        let write = self.change(entry, move |tx| {
            duty::require(tx, lease.as_ref())?;
            store::keys::insert(tx, &key)?;
            store::issuers::insert(tx, &row)
        });
        write.await?;
        Ok(self.inner().registry.add(issuer))
    }

    /// Has an issuer certified by its own key.
    pub(crate) async fn certify_itself(
        &self,
        permit: &Permit<action::ManageIssuers>,
        issuer: &Arc<Issuer>,
        profile: Arc<Profile>,
        validity: Option<Duration>,
        succession: Succession,
    ) -> Result<Activated> {
        let entry = issuer.entry();
        let order = order_for(&entry, validity)?;
        let view = IssuerView::self_signed(&profile, &order, entry.signature_algorithm)?;
        let activation = Activation {
            issuer_id: entry.id,
            chain: Vec::new(),
            links: succession.links,
            retires: succession.retires,
        };
        self.certify_authority(
            permit,
            Arc::clone(issuer),
            view.into(),
            profile,
            order,
            activation,
        )
        .await
    }

    /// Has an issuer certified by a local one.
    pub(crate) async fn certify_under(
        &self,
        permit: &Permit<action::ManageIssuers>,
        issuer: &Arc<Issuer>,
        parent: &Arc<Issuer>,
        profile: Arc<Profile>,
        validity: Option<Duration>,
        retires: Option<Uuid>,
    ) -> Result<Activated> {
        let entry = issuer.entry();
        let order = order_for(&entry, validity)?;
        let view = self.view_of_active(parent)?;
        let chain = parent.entry().whole_chain();
        let activation = Activation {
            issuer_id: entry.id,
            chain,
            links: Vec::new(),
            retires,
        };
        self.certify_authority(permit, Arc::clone(parent), view, profile, order, activation)
            .await
    }

    async fn certify_authority(
        &self,
        permit: &Permit<action::ManageIssuers>,
        signer: Arc<Issuer>,
        view: Arc<IssuerView>,
        profile: Arc<Profile>,
        order: Order,
        activation: Activation,
    ) -> Result<Activated> {
        let certification = Certification {
            issuer: signer,
            view,
            profile,
            order,
            order_id: clock::new_id(),
            requester: "chancery".to_owned(),
            replaces: None,
            action: "issuer.activate",
            companion: Companion::Activation(activation.clone()),
        };
        let issued = self
            .carry_out(self.prepare(&permit.to_issue(), certification)?)
            .await?;
        Ok(Activated {
            certificate: Arc::unwrap_or_clone(issued.certificate),
            activation,
        })
    }

    /// Makes what the store says true in memory, and gives the issuer its first CRL and responder. An issuer that did not
    /// get its certificate is switched off, and its name is free again.
    pub(crate) async fn finish_issuer(
        &self,
        issuer: Arc<Issuer>,
        made: Result<Activated>,
    ) -> Result<Arc<IssuerEntry>> {
        let entry = match made {
            Ok(made) => self.activate(&issuer, made),
            Err(error) => self.settle_unfinished(&issuer, error).await?,
        };
        tracing::info!(id = %entry.id, name = entry.name, generation = entry.generation, "issuer is active");
        if entry.offline.is_some() {
            // It signs nothing that nobody decided on.
            return Ok(entry);
        }
        // Both are tried again by the jobs.
        if let Err(error) = self.publish_if_due(&issuer).await {
            tracing::warn!(%error, issuer = entry.name, "the first CRL is not published yet");
        }
        if let Err(error) = self.renew_responder_if_due(&issuer).await {
            tracing::warn!(%error, issuer = entry.name, "there is no OCSP responder yet");
        }
        Ok(entry)
    }

    /// What the store says already.
    fn activate(&self, issuer: &Issuer, made: Activated) -> Arc<IssuerEntry> {
        let old = made.activation.retires;
        if let Some(old) = old.and_then(|old| self.inner().registry.find(old)) {
            old.update(|entry| entry.state = IssuerState::Retired);
        }
        issuer.update(|entry| {
            entry.state = IssuerState::Active;
            entry.subject = made.certificate.subject().to_string();
            entry.certificate = Some(made.certificate);
            entry.chain = made.activation.chain;
            entry.links = made.activation.links;
        })
    }

    /// Switches an issuer off that did not get its certificate; unless it did, and only the answer to the commit was lost.
    async fn settle_unfinished(&self, issuer: &Issuer, error: Error) -> Result<Arc<IssuerEntry>> {
        let id = issuer.entry().id;
        match self.disable_unfinished(id).await {
            Ok(()) => return Err(error),
            // It is pending no more. One that retired with it is of the same name.
            Err(Error::Conflict { .. }) => {
                let name = issuer.entry().name.clone();
                for known in self.inner().registry.all() {
                    if known.entry().name == name {
                        self.read_issuer_anew(known.id).await?;
                    }
                }
            }
            Err(failure) => {
                tracing::warn!(%failure, %id, "an unfinished issuer could not be switched off yet");
                return Err(error);
            }
        }
        let entry = issuer.entry();
        if entry.state != IssuerState::Active {
            return Err(error);
        }
        tracing::warn!(%error, %id, "an issuer was activated by a commit whose answer was lost");
        Ok(entry)
    }
}

fn order_for(entry: &IssuerEntry, validity: Option<Duration>) -> Result<Order> {
    Ok(Order {
        subject: subject_of(&entry.subject)?,
        names: Vec::new(),
        public_key: entry.public_key.clone(),
        validity,
        ms_sid: None,
    })
}

/// What is wrong, beside what would be right: who reads RFC 4514 for the first time learns most from an example.
fn not_a_subject(text: &str, fault: &pki::NameFault) -> String {
    let shown: String = text.chars().take(80).collect();
    let missing = if text.contains('=') {
        ""
    } else {
        " (no attribute has its name and an equals sign before it)"
    };
    format!("`{shown}` is no subject{missing}: {fault}; write it as in CN=Example Root,O=Example,C=CH")
}

pub(crate) fn subject_of(text: &str) -> Result<DistinguishedName> {
    let subject = DistinguishedName::parse(text)
        .map_err(|fault| Refusal::of_requester("subject_invalid", not_a_subject(text, &fault)))?;
    if subject.is_empty() {
        return Err(Refusal::of_requester(
            "subject_required",
            "a CA needs a subject, such as CN=Example Root,O=Example",
        )
        .into());
    }
    Ok(subject)
}

/// The wanted signature algorithm, or what goes with the key.
pub(crate) fn algorithm_for(
    key: KeyAlgorithm,
    wanted: Option<SignatureAlgorithm>,
) -> Result<SignatureAlgorithm> {
    let algorithm = wanted.unwrap_or_else(|| SignatureAlgorithm::default_for(key));
    if algorithm.is_usable_with(key) {
        return Ok(algorithm);
    }
    let message = format!("a key of {key} cannot sign with {algorithm}");
    Err(Refusal::of_requester("signature_algorithm_mismatch", message).into())
}

/// The digits of an identifier from its end, where the random ones are.
pub(crate) fn reversed(id: Uuid) -> String {
    id.simple().to_string().chars().rev().collect()
}
