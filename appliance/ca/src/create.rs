//! Making a CA with a key made in a named token: a root that signs itself, or an issuing CA under a local one.

use std::sync::Arc;
use std::time::Duration;

use pki::profile::Profile;
use pki::{KeyAlgorithm, SignatureAlgorithm};

use crate::authority::Authority;
use crate::crl_plan::CrlPlan;
use crate::error::{Error, Refusal, Result};
use crate::generation::{Draft, Succession, algorithm_for, subject_of};
use crate::issuer::{IssuerEntry, IssuerOrigin, check_name};
use crate::offline::Offline;
use crate::permit::{self, Permit, action};
use crate::principal::Principal;

/// A root to be made.
#[derive(Clone, Debug)]
pub struct CreateRoot {
    /// Its name: lower-case letters, digits and hyphens, 1 to 64 of them.
    pub name: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// The kind of its key.
    pub key_algorithm: KeyAlgorithm,
    /// How it signs; what goes with the key when absent.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes and holds the key; `software` for the software backend.
    pub token: String,
    /// How long its certificate lives; the profile's default when absent.
    pub validity: Option<Duration>,
    /// The profile of its certificate; `root` when absent.
    pub profile: Option<String>,
    /// How its CRLs are cut.
    pub crl: CrlPlan,
}

/// An issuing CA to be made under a local issuer.
#[derive(Clone, Debug)]
pub struct CreateIssuing {
    /// Its name: lower-case letters, digits and hyphens, 1 to 64 of them.
    pub name: String,
    /// The issuer above it, by identifier or name.
    pub parent: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// The kind of its key.
    pub key_algorithm: KeyAlgorithm,
    /// How it signs; what goes with the key when absent.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes and holds the key; `software` for the software backend.
    pub token: String,
    /// How long its certificate lives; the profile's default when absent.
    pub validity: Option<Duration>,
    /// The profile of its certificate; `sub-ca` when absent.
    pub profile: Option<String>,
    /// How its CRLs are cut.
    pub crl: CrlPlan,
}

impl Authority {
    /// Makes a root. When this returns, it has its certificate, its first CRL and its OCSP responder.
    pub async fn create_root(&self, principal: &Principal, request: CreateRoot) -> Result<Arc<IssuerEntry>> {
        self.create_root_as(principal, request, None).await
    }

    /// Makes a root that signs nothing by itself: it has its certificate when this returns, and neither a CRL nor a responder.
    pub async fn create_offline_root(
        &self,
        principal: &Principal,
        request: CreateRoot,
        offline: Offline,
    ) -> Result<Arc<IssuerEntry>> {
        self.create_root_as(principal, request, Some(offline)).await
    }

    async fn create_root_as(
        &self,
        principal: &Principal,
        request: CreateRoot,
        offline: Option<Offline>,
    ) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let profile = self.authority_profile(request.profile.as_deref().unwrap_or("root"))?;
        let draft = Draft {
            subject: subject_of(&request.subject)?,
            signature_algorithm: algorithm_for(request.key_algorithm, request.signature_algorithm)?,
            key_algorithm: request.key_algorithm,
            name: request.name,
            token: request.token,
            origin: IssuerOrigin::Root,
            parent: None,
            profile: Some(profile.name.clone()),
            crl: request.crl,
            offline,
        };
        self.to_the_end(|authority| async move {
            authority
                .make_root(&permit, draft, profile, request.validity)
                .await
        })
        .await
    }

    /// Makes an issuing CA under a local issuer, likewise.
    pub async fn create_issuing(
        &self,
        principal: &Principal,
        request: CreateIssuing,
    ) -> Result<Arc<IssuerEntry>> {
        self.create_issuing_as(principal, request, None).await
    }

    /// Makes one that signs nothing by itself, likewise.
    pub async fn create_offline_issuing(
        &self,
        principal: &Principal,
        request: CreateIssuing,
        offline: Offline,
    ) -> Result<Arc<IssuerEntry>> {
        self.create_issuing_as(principal, request, Some(offline)).await
    }

    async fn create_issuing_as(
        &self,
        principal: &Principal,
        request: CreateIssuing,
        offline: Option<Offline>,
    ) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let profile = self.authority_profile(request.profile.as_deref().unwrap_or("sub-ca"))?;
        let parent = self.inner().registry.resolve(&request.parent)?;
        // A parent that cannot issue is found before a key is made.
        self.view_of_active(&parent)?;
        let draft = Draft {
            subject: subject_of(&request.subject)?,
            signature_algorithm: algorithm_for(request.key_algorithm, request.signature_algorithm)?,
            key_algorithm: request.key_algorithm,
            name: request.name,
            token: request.token,
            origin: IssuerOrigin::Issuing,
            parent: Some(parent.entry().id),
            profile: Some(profile.name.clone()),
            crl: request.crl,
            offline,
        };
        let make = |authority: Self| async move {
            let _one_at_a_time = authority.inner().issuer_changes.lock().await;
            authority.check_name_is_free(&draft.name)?;
            let issuer = authority.begin_issuer(&permit, draft, None).await?;
            let made = authority
                .certify_under(&permit, &issuer, &parent, profile, request.validity, None)
                .await;
            authority.finish_issuer(issuer, made).await
        };
        self.to_the_end(make).await
    }

    async fn make_root(
        &self,
        permit: &Permit<action::ManageIssuers>,
        draft: Draft,
        profile: Arc<Profile>,
        validity: Option<Duration>,
    ) -> Result<Arc<IssuerEntry>> {
        let _one_at_a_time = self.inner().issuer_changes.lock().await;
        self.check_name_is_free(&draft.name)?;
        let issuer = self.begin_issuer(permit, draft, None).await?;
        let made = self
            .certify_itself(permit, &issuer, profile, validity, Succession::default())
            .await;
        self.finish_issuer(issuer, made).await
    }

    pub(crate) fn check_name_is_free(&self, name: &str) -> Result<()> {
        check_name(name)?;
        if self.inner().registry.has_name(name) {
            return Err(Error::conflict(
                "issuer_exists",
                format!("there is an issuer {name} already"),
            ));
        }
        Ok(())
    }

    pub(crate) fn authority_profile(&self, name: &str) -> Result<Arc<Profile>> {
        let profile = match self.profile_of_request(name) {
            Err(_) => self.own_profile(name)?,
            Ok(profile) => profile,
        };
        if profile.is_authority() {
            return Ok(profile);
        }
        let message = format!("certificates of the profile {name} are not authorities");
        Err(Refusal::of_requester("profile_not_for_authorities", message).into())
    }
}
