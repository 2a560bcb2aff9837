//! Doing a step: each through the use case that a server would call, nothing of it signed here.

use pki::{Certificate, Crl};

use super::known::Known;
use super::output::{Output, Role};
use super::plan::Plan;
use super::statement::Statement;
use super::step::{Addresses, CrlStep, IntermediateStep, NewKey, RollOverStep, RootStep, Step};
use crate::authority::Authority;
use crate::certificates::CertRef;
use crate::certify_foreign::{CertifyForeign, Possession};
use crate::create::{CreateIssuing, CreateRoot};
use crate::crl_plan::CrlPlan;
use crate::error::{Error, Result};
use crate::issuer::IssuerEntry;
use crate::offline::Offline;
use crate::principal::Principal;
use crate::revoke::RevokeRequest;
use crate::rollover::Rollover;

/// A step about to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) plan: &'a Plan,
    pub(super) step: &'a Step,
    pub(super) statement: &'a Statement,
    pub(super) known: &'a Known,
}

impl Task<'_> {
    /// Who does it: the audit log names the step, by which it is found again after an interruption.
    pub(super) fn principal(&self) -> Principal {
        principal_of(self.plan, self.statement.step)
    }

    /// The name of a file of this step.
    pub(super) fn file(&self, name: &str, kind: &str) -> String {
        format!("{:02}-{name}{kind}", self.statement.step)
    }

    /// The CA that signs, by its identifier, which does not change its meaning when its name gets another generation.
    fn issuer(&self) -> String {
        self.known
            .issuer
            .as_ref()
            .map(|issuer| issuer.id.to_string())
            .unwrap_or_default()
    }

    /// Does it.
    pub(super) async fn carry_out(&self, authority: &Authority) -> Result<Vec<Output>> {
        let by = self.principal();
        self.put_profile(authority, &by).await?;
        match self.step {
            Step::Root(step) => self.root(authority, &by, step).await,
            Step::Intermediate(step) => {
                if let Some(key) = &step.key {
                    return self.intermediate(authority, &by, step, key).await;
                }
                let csr = self.known.input.clone().unwrap_or_default().into_bytes();
                self.certify(authority, &by, Possession::Csr(csr)).await
            }
            Step::CrossSign(_) => {
                let shown = self.known.input.clone().unwrap_or_default().into_bytes();
                self.certify(authority, &by, Possession::SelfSigned(shown)).await
            }
            Step::RollOver(step) => self.roll_over(authority, &by, step).await,
            Step::Crl(step) => self.crl(authority, &by, step).await,
        }
    }

    /// Sees to it that the stored profile is the approved one.
    async fn put_profile(&self, authority: &Authority, by: &Principal) -> Result<()> {
        let Some(json) = &self.known.profile else {
            return Ok(());
        };
        let profile: pki::profile::Profile = serde_json::from_str(json).map_err(Error::internal)?;
        let is_stored = authority
            .authority_profile(&profile.name)
            .is_ok_and(|stored| *stored == profile);
        if !is_stored {
            authority.put_profile(by, profile).await?;
        }
        Ok(())
    }

    fn profile_name(&self) -> Option<String> {
        self.statement
            .profile
            .as_ref()
            .map(|profile| profile.name.clone())
    }

    async fn root(&self, authority: &Authority, by: &Principal, step: &RootStep) -> Result<Vec<Output>> {
        let request = CreateRoot {
            name: step.name.clone(),
            subject: step.subject.clone(),
            key_algorithm: step.key.algorithm,
            signature_algorithm: step.key.signature_algorithm,
            token: step.key.token.clone(),
            validity: step.validity.map(pki::profile::Lifetime::as_duration),
            profile: self.profile_name(),
            crl: CrlPlan::default(),
        };
        let made = authority
            .create_offline_root(by, request, offline(&step.addresses))
            .await?;
        self.outputs_of_ca(&made)
    }

    async fn intermediate(
        &self,
        authority: &Authority,
        by: &Principal,
        step: &IntermediateStep,
        key: &NewKey,
    ) -> Result<Vec<Output>> {
        let request = CreateIssuing {
            name: step.name.clone(),
            parent: self.issuer(),
            subject: step.subject.clone(),
            key_algorithm: key.algorithm,
            signature_algorithm: key.signature_algorithm,
            token: key.token.clone(),
            validity: step.validity.map(pki::profile::Lifetime::as_duration),
            profile: self.profile_name(),
            crl: CrlPlan::default(),
        };
        let made = authority
            .create_offline_issuing(by, request, offline(&step.addresses))
            .await?;
        self.outputs_of_ca(&made)
    }

    async fn certify(
        &self,
        authority: &Authority,
        by: &Principal,
        possession: Possession,
    ) -> Result<Vec<Output>> {
        let statement = self.statement;
        let request = CertifyForeign {
            issuer: self.issuer(),
            possession,
            subject: statement.subject.clone().unwrap_or_default(),
            profile: self.profile_name().unwrap_or_default(),
            validity: statement.validity.map(pki::profile::Lifetime::as_duration),
        };
        let issued = authority.certify_foreign(by, request).await?;
        Ok(self.output_of_certified(&issued.certificate))
    }

    /// What a certificate for a key elsewhere becomes.
    pub(super) fn output_of_certified(&self, certificate: &Certificate) -> Vec<Output> {
        let name = self.statement.name.as_deref().unwrap_or_default();
        vec![Output::certificate(
            Role::Certificate,
            self.file(name, ".pem"),
            certificate,
        )]
    }

    async fn roll_over(
        &self,
        authority: &Authority,
        by: &Principal,
        step: &RollOverStep,
    ) -> Result<Vec<Output>> {
        let key = self
            .statement
            .key
            .as_ref()
            .ok_or_else(|| Error::internal("a rollover without a key"))?;
        let request = Rollover {
            issuer: self.issuer(),
            key_algorithm: Some(key.algorithm),
            signature_algorithm: key.signature_algorithm,
            token: key.token.clone(),
            validity: step.validity.map(pki::profile::Lifetime::as_duration),
        };
        let made = authority
            .roll_over_to(by, request, offline(&step.addresses))
            .await?;
        self.outputs_of_ca(&made)
    }

    /// What a CA that came about becomes: its certificate and its link certificates.
    pub(super) fn outputs_of_ca(&self, entry: &IssuerEntry) -> Result<Vec<Output>> {
        let own = entry
            .certificate
            .as_ref()
            .ok_or_else(|| Error::internal("a CA without a certificate"))?;
        let name = &entry.name;
        let certificate = Output::certificate(Role::Certificate, self.file(name, ".pem"), own);
        let mut outputs = vec![certificate.of_ca(entry)];
        let roles = [
            (Role::NewWithOld, "-new-with-old.pem"),
            (Role::OldWithNew, "-old-with-new.pem"),
        ];
        for (link, (role, kind)) in entry.links.iter().zip(roles) {
            let link = Certificate::from_der(link).map_err(Error::internal)?;
            outputs.push(Output::certificate(role, self.file(name, kind), &link));
        }
        Ok(outputs)
    }

    async fn crl(&self, authority: &Authority, by: &Principal, step: &CrlStep) -> Result<Vec<Output>> {
        for one in &step.revoke {
            let certificate = authority.certificate(by, CertRef::Serial(one.serial)).await?;
            let request = RevokeRequest {
                certificate: CertRef::Id(certificate.id),
                reason: one.reason,
                invalidity_date: one.invalidity_date,
            };
            // One that an attempt before this one revoked stays as it is.
            authority.revoke(by, request).await?;
        }
        let published = authority
            .publish_crl_for(by, &self.issuer(), step.validity.as_duration())
            .await?;
        self.output_of_crl(&published.der().map_err(Error::internal)?)
    }

    /// What a CRL becomes.
    pub(super) fn output_of_crl(&self, der: &[u8]) -> Result<Vec<Output>> {
        let crl = Crl::parse(der).map_err(Error::internal)?;
        let name = self
            .known
            .issuer
            .as_ref()
            .map(|issuer| issuer.name.as_str())
            .unwrap_or_default();
        Ok(vec![Output::crl(self.file(name, ".crl.pem"), &crl)])
    }
}

/// Who does a step of a plan.
pub(super) fn principal_of(plan: &Plan, number: usize) -> Principal {
    Principal::local(&format!("ceremony {} step {number}", plan.short_hash()))
}

fn offline(addresses: &Addresses) -> Offline {
    Offline {
        is_elsewhere: false,
        ca_url: addresses.ca_url.clone(),
        crl_url: addresses.crl_url.clone(),
    }
}
