//! Rolling a CA over to a new generation: a new key and certificate under the same name, while the old one goes on
//! answering for what it issued.

use std::sync::Arc;
use std::time::Duration;

use pki::profile::{IssuerView, Order, Profile};
use pki::{Certificate, KeyAlgorithm, PublicKey, SignatureAlgorithm};
use uuid::Uuid;

use crate::authority::Authority;
use crate::certify::Certification;
use crate::clock;
use crate::companion::Companion;
use crate::error::{Error, Result};
use crate::generation::{Activated, CsrWanted, Draft, Succession, algorithm_for};
use crate::issuer::{Issuer, IssuerEntry, IssuerOrigin, IssuerState};
use crate::offline::Offline;
use crate::permit::{self, Permit, action};
use crate::principal::Principal;

/// A rollover that is asked for. What is absent stays as it was.
#[derive(Clone, Debug, Default)]
pub struct Rollover {
    /// The issuer, by identifier or name.
    pub issuer: String,
    /// The kind of the new key.
    pub key_algorithm: Option<KeyAlgorithm>,
    /// How the new generation signs.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes and holds the new key.
    pub token: Option<String>,
    /// How long the new certificate lives; the profile's default when absent.
    pub validity: Option<Duration>,
}

impl Authority {
    /// Rolls an active issuer over. A root signs its new generation and both link certificates (RFC 4210 §4.4); an
    /// issuing CA is certified by its parent; one with a foreign authority above it becomes pending with a new request,
    /// and its old generation goes on issuing until the certificate is imported.
    pub async fn rollover(&self, principal: &Principal, request: Rollover) -> Result<Arc<IssuerEntry>> {
        self.roll_over_to(principal, request, Offline::default()).await
    }

    /// The same; the new generation of an offline CA has these addresses.
    pub async fn roll_over_to(
        &self,
        principal: &Principal,
        request: Rollover,
        addresses: Offline,
    ) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let roll = |authority: Self| async move {
            let _one_at_a_time = authority.inner().issuer_changes.lock().await;
            authority.roll_over(&permit, request, addresses).await
        };
        self.to_the_end(roll).await
    }

    async fn roll_over(
        &self,
        permit: &Permit<action::ManageIssuers>,
        request: Rollover,
        addresses: Offline,
    ) -> Result<Arc<IssuerEntry>> {
        let old = self.inner().registry.resolve(&request.issuer)?;
        let entry = old.entry();
        if entry.state != IssuerState::Active {
            let message = format!(
                "the issuer {} is {}: only an active one is rolled over",
                entry.name, entry.state
            );
            return Err(Error::conflict("issuer_not_active", message));
        }
        let is_pending =
            |other: &Arc<IssuerEntry>| other.name == entry.name && other.state == IssuerState::Pending;
        if self.issuers().iter().any(is_pending) {
            let message = format!(
                "the issuer {} has a pending generation: import its certificate",
                entry.name
            );
            return Err(Error::conflict("rollover_pending", message));
        }
        let draft = draft_after(&entry, &request, addresses)?;
        let is_root = entry
            .certificate
            .as_ref()
            .is_some_and(Certificate::is_self_signed);
        let parent = entry.parent.map(|parent| self.successor_of(parent)).transpose()?;
        match parent {
            _ if is_root => {
                let new = self
                    .begin_issuer(
                        permit,
                        Draft {
                            profile: draft.profile.or(Some("root".into())),
                            ..draft
                        },
                        None,
                    )
                    .await?;
                let made = self.succeed_root(permit, &old, &new, request.validity).await;
                self.finish_issuer(new, made).await
            }
            Some(parent) => {
                let profile = self.authority_profile(entry.profile.as_deref().unwrap_or("sub-ca"))?;
                self.view_of_active(&parent)?;
                let draft = Draft {
                    parent: Some(parent.entry().id),
                    ..draft
                };
                let new = self.begin_issuer(permit, draft, None).await?;
                let retires = Some(entry.id);
                let made = self
                    .certify_under(permit, &new, &parent, profile, request.validity, retires)
                    .await;
                self.finish_issuer(new, made).await
            }
            None => Ok(self.begin_issuer(permit, draft, Some(CsrWanted)).await?.entry()),
        }
    }

    /// The active generation of a parent, which may have been rolled over itself.
    fn successor_of(&self, parent: Uuid) -> Result<Arc<Issuer>> {
        let issuer = self
            .inner()
            .registry
            .find(parent)
            .ok_or_else(|| Error::not_found("issuer", parent))?;
        let entry = issuer.entry();
        if entry.state == IssuerState::Active {
            Ok(issuer)
        } else {
            self.inner().registry.resolve(&entry.name)
        }
    }

    /// Both link certificates first, then the new root's own, which makes it active and retires the old one.
    async fn succeed_root(
        &self,
        permit: &Permit<action::ManageIssuers>,
        old: &Arc<Issuer>,
        new: &Arc<Issuer>,
        validity: Option<Duration>,
    ) -> Result<Activated> {
        let (old_entry, new_entry) = (old.entry(), new.entry());
        let profile = self.authority_profile(new_entry.profile.as_deref().unwrap_or("root"))?;
        let old_view = old_entry
            .view()
            .ok_or_else(|| Error::internal("an active issuer without a certificate"))?;
        let new_with_old = self
            .link(
                permit,
                old,
                Arc::clone(&old_view),
                &new_entry.public_key,
                Arc::clone(&profile),
                validity,
            )
            .await?;
        // The new root as its own certificate will show it.
        let new_view = IssuerView {
            public_key: new_entry.public_key.clone(),
            key_id: new_entry.public_key.key_id().to_vec(),
            algorithm: new_entry.signature_algorithm,
            urls: pki::profile::Urls::default(),
            ..IssuerView::clone(&old_view)
        };
        let old_with_new = self
            .link(
                permit,
                new,
                new_view.into(),
                &old_view.public_key,
                Arc::clone(&profile),
                None,
            )
            .await?;
        let succession = Succession {
            retires: Some(old_entry.id),
            links: vec![new_with_old, old_with_new],
        };
        self.certify_itself(permit, new, profile, validity, succession)
            .await
    }

    /// One root's key certified with the other's, under the subject they share. It ends with the old root.
    async fn link(
        &self,
        permit: &Permit<action::ManageIssuers>,
        signer: &Arc<Issuer>,
        view: Arc<IssuerView>,
        public_key: &PublicKey,
        profile: Arc<Profile>,
        validity: Option<Duration>,
    ) -> Result<Vec<u8>> {
        let order = Order {
            subject: view.subject.clone(),
            names: Vec::new(),
            public_key: public_key.clone(),
            validity: validity.or(Some(profile.max_ttl.as_duration())),
            ms_sid: None,
        };
        let certification = Certification {
            issuer: Arc::clone(signer),
            view,
            profile,
            order,
            order_id: clock::new_id(),
            requester: "chancery".to_owned(),
            replaces: None,
            action: "issuer.link",
            companion: Companion::None,
        };
        Ok(self
            .carry_out(self.prepare(&permit.to_issue(), certification)?)
            .await?
            .certificate
            .der()
            .to_vec())
    }
}

/// The next generation of a CA, with what the request changes.
fn draft_after(entry: &IssuerEntry, request: &Rollover, addresses: Offline) -> Result<Draft> {
    let certificate = entry
        .certificate
        .as_ref()
        .ok_or_else(|| Error::internal("an active issuer without a certificate"))?;
    let key_algorithm = request.key_algorithm.unwrap_or(entry.key_algorithm);
    // The old way of signing is kept as long as the new key can sign that way.
    let kept = Some(entry.signature_algorithm).filter(|algorithm| algorithm.is_usable_with(key_algorithm));
    Ok(Draft {
        name: entry.name.clone(),
        subject: certificate.subject().clone(),
        key_algorithm,
        signature_algorithm: algorithm_for(key_algorithm, request.signature_algorithm.or(kept))?,
        token: request.token.clone().unwrap_or_else(|| entry.token.clone()),
        origin: if certificate.is_self_signed() {
            IssuerOrigin::Root
        } else {
            entry.origin
        },
        parent: entry.parent,
        profile: entry.profile.clone(),
        crl: entry.crl,
        // Its addresses are its own: another key signs another list.
        offline: entry.offline.as_ref().map(|_| addresses),
    })
}
