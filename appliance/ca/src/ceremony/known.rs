//! What is known before a step is done, beyond the plan: the CA that signs, what was brought along, what is revoked already.
//!
//! It stands in the transcript, so that a statement can be made again by somebody who has nothing but that.

use std::path::Path;

use jiff::Timestamp;
use pki::crl::RevokedEntry;
use pki::profile::{IssuerView, Profile, Urls};
use pki::{Certificate, Csr, RevocationReason, Serial, SignatureAlgorithm};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fault::CeremonyError;
use super::folder;
use super::plan::Plan;
use super::step::Step;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::Error;
use crate::issuer::IssuerEntry;

/// What is known before a step.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The CA that signs, when it is there before the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<KnownIssuer>,
    /// The request or certificate that is certified, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The profile, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What the CRL lists before the revocations of the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Listed>,
}

/// A CA that signs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KnownIssuer {
    /// Its identifier.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Which generation.
    pub generation: u32,
    /// How it signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// The token of its key.
    pub token: String,
    /// Where its certificate is published.
    pub ca_url: String,
    /// Where its OCSP responder is; empty for none.
    pub ocsp_url: String,
    /// Where its CRL is published.
    pub crl_url: String,
    /// Its certificate, in PEM.
    pub certificate: String,
}

/// An entry of a CRL.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Which certificate.
    pub serial: Serial,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// Why; absent means unspecified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RevocationReason>,
    /// Since when its key is known or suspected to be bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidity_date: Option<Timestamp>,
}

impl Known {
    /// Looks it up for a step of a plan; files are looked for beside the plan.
    pub(super) async fn gather(
        authority: &Authority,
        plan: &Plan,
        number: usize,
        beside: &Path,
    ) -> Result<Self, CeremonyError> {
        let wrong = |what: String| CeremonyError::Step { step: number, what };
        let refused = |source: Error| CeremonyError::Refused { step: number, source };
        let step = plan
            .step(number)
            .ok_or_else(|| wrong("there is no such step".to_owned()))?;
        let issuer = step
            .issuer()
            .map(|name| authority.issuer(name))
            .transpose()
            .map_err(refused)?;
        if let Some(entry) = &issuer {
            check_signer(entry, step).map_err(wrong)?;
        }
        let profile = profile_of(authority, plan, step, issuer.as_deref()).map_err(refused)?;
        let input = step
            .input()
            .map(|name| read_input(&beside.join(name), step))
            .transpose()?;
        let listed = match (step, &issuer) {
            (Step::Crl(_), Some(entry)) => authority.listed(entry.id).await.map_err(refused)?,
            _ => Vec::new(),
        };
        Ok(Self {
            issuer: issuer
                .as_deref()
                .map(KnownIssuer::of)
                .transpose()
                .map_err(refused)?,
            input,
            profile: profile
                .map(|profile| serde_json::to_string(&profile))
                .transpose()
                .map_err(|error| wrong(error.to_string()))?,
            listed,
        })
    }
}

impl Known {
    /// Looks up again, for a step that was begun, what of it is in the store: the CA that signs, by its identifier, because its name
    /// may belong to another generation by now, and what it had revoked before the step. What was brought along is as it was approved.
    pub(super) async fn looked_up_again(
        &self,
        authority: &Authority,
        plan: &Plan,
        number: usize,
    ) -> Result<Self, CeremonyError> {
        let refused = |source: Error| CeremonyError::Refused { step: number, source };
        let mut there = self.clone();
        let Some(issuer) = &self.issuer else {
            return Ok(there);
        };
        let entry = authority.issuer(&issuer.id.to_string()).map_err(refused)?;
        there.issuer = Some(KnownIssuer::of(&entry).map_err(refused)?);
        if let Some(Step::Crl(step)) = plan.step(number) {
            let own = |serial: Serial| step.revoke.iter().any(|one| one.serial == serial);
            there.listed = authority.listed(issuer.id).await.map_err(refused)?;
            there.listed.retain(|listed| !own(listed.serial));
        }
        Ok(there)
    }
}

impl KnownIssuer {
    fn of(entry: &IssuerEntry) -> Result<Self, Error> {
        let certificate = entry.certificate.as_ref().ok_or_else(|| {
            Error::conflict(
                "issuer_not_active",
                format!("the issuer {} has no certificate yet", entry.name),
            )
        })?;
        Ok(Self {
            id: entry.id,
            name: entry.name.clone(),
            generation: entry.generation,
            signature_algorithm: entry.signature_algorithm,
            token: entry.token.clone(),
            ca_url: entry.ca_url.clone(),
            ocsp_url: entry.ocsp_url.clone(),
            crl_url: entry.crl_url.clone(),
            certificate: certificate.pem(),
        })
    }

    /// Its certificate.
    pub(super) fn certificate(&self) -> Result<Certificate, String> {
        Certificate::parse(self.certificate.as_bytes())
            .map_err(|fault| format!("the issuer's certificate: {fault}"))
    }

    /// As its certificates see it.
    pub(super) fn view(&self) -> Result<IssuerView, String> {
        let address = |url: &String| {
            Some(url.clone())
                .filter(|url| !url.is_empty())
                .into_iter()
                .collect()
        };
        let urls = Urls {
            ca_issuers: address(&self.ca_url),
            ocsp: address(&self.ocsp_url),
            crl: address(&self.crl_url),
        };
        Ok(IssuerView::from_certificate(
            &self.certificate()?,
            self.signature_algorithm,
            urls,
        ))
    }
}

impl From<&RevokedEntry> for Listed {
    fn from(entry: &RevokedEntry) -> Self {
        let second = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        Self {
            serial: entry.serial,
            revoked_at: second(entry.revoked_at),
            reason: entry
                .reason
                .filter(|reason| *reason != RevocationReason::Unspecified),
            invalidity_date: entry.invalidity_date.map(second),
        }
    }
}

impl From<&Listed> for RevokedEntry {
    fn from(entry: &Listed) -> Self {
        Self {
            serial: entry.serial,
            revoked_at: entry.revoked_at,
            reason: entry.reason,
            invalidity_date: entry.invalidity_date,
        }
    }
}

/// Whether a CA can sign what the step asks for.
fn check_signer(entry: &IssuerEntry, step: &Step) -> Result<(), String> {
    let name = &entry.name;
    if entry.is_elsewhere() {
        return Err(format!("the key of {name} is on another machine"));
    }
    if entry.crl.shards > 1 || entry.crl.deltas {
        return Err(format!(
            "{name} has several CRLs or deltas, which are for a server to sign"
        ));
    }
    let is_root = entry
        .certificate
        .as_ref()
        .is_some_and(Certificate::is_self_signed);
    if matches!(step, Step::RollOver(_)) && !is_root {
        return Err(format!(
            "{name} is no root: plan a new intermediate in place of a rollover"
        ));
    }
    Ok(())
}

/// The profile of the step: the plan's own, or the one that is stored under its name.
fn profile_of(
    authority: &Authority,
    plan: &Plan,
    step: &Step,
    issuer: Option<&IssuerEntry>,
) -> Result<Option<Profile>, Error> {
    let name = match step {
        Step::Root(step) => &step.profile,
        Step::Intermediate(step) => &step.profile,
        Step::CrossSign(step) => &step.profile,
        Step::RollOver(_) => issuer
            .and_then(|issuer| issuer.profile.as_deref())
            .unwrap_or("root"),
        Step::Crl(_) => return Ok(None),
    };
    match plan.profiles.iter().find(|profile| profile.name == *name) {
        Some(own) => Ok(Some(own.clone())),
        None => authority
            .authority_profile(name)
            .map(|stored| Some(Profile::clone(&stored))),
    }
}

/// Reads what was brought along, and gives it in one form.
fn read_input(path: &Path, step: &Step) -> Result<String, CeremonyError> {
    let octets = folder::read(path)?;
    let wrong = |fault: String| CeremonyError::Approval(format!("{}: {fault}", path.display()));
    if matches!(step, Step::Intermediate(_)) {
        let csr = Csr::parse(&octets).map_err(|fault| wrong(fault.to_string()))?;
        let verified = csr.verify().map_err(|fault| wrong(fault.to_string()))?;
        return Ok(pki::pem::encode("CERTIFICATE REQUEST", verified.der()));
    }
    let certificate = Certificate::parse(&octets).map_err(|fault| wrong(fault.to_string()))?;
    Ok(certificate.pem())
}

impl Authority {
    /// What a CRL of an issuer lists as things stand.
    async fn listed(&self, issuer_id: Uuid) -> Result<Vec<Listed>, Error> {
        let previous = self.current_crl(issuer_id);
        let kept_from = self.oldest_end(previous.as_deref(), self.inner().clock.now());
        let kept_from = kept_from.as_millisecond();
        let read = self
            .inner()
            .store
            .read(move |reader| store::revocations::of_issuer(reader, issuer_id, kept_from));
        let mut listed = Vec::new();
        for row in read.await? {
            let reason = crate::certificates::reason_of(row.reason);
            listed.push(Listed::from(&RevokedEntry {
                serial: Serial::from_unsigned(&row.serial).map_err(Error::internal)?,
                revoked_at: from_millis(row.revoked_at),
                reason: Some(reason),
                invalidity_date: row.invalidity_date.map(from_millis),
            }));
        }
        listed.sort_by_key(|entry| entry.serial);
        Ok(listed)
    }
}
