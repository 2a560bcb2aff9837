//! One step in the words that approvers sign: everything that is known of it before it is done.
//!
//! A statement is made of the plan, the step and what is known, by one function without any other input, so that whoever has the
//! transcript can make it again. Its canonical octets are its JSON without white space, fields in the order they have here.

use jiff::Timestamp;
use pki::profile::Lifetime;
use pki::{Certificate, Csr, KeyAlgorithm, PublicKey, SignatureAlgorithm};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::known::{Known, Listed};
use super::plan::Plan;
use super::sha256;
use super::step::{Addresses, NewKey, Step};

/// The forms of a statement. Approvals are asked for in the newest; the others are those of older transcripts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Form {
    /// Without the addresses of the CA that signs.
    First,
    /// With them: they stand in what it signs.
    Second,
}

impl Form {
    const ALL: [Self; 2] = [Self::First, Self::Second];
    const NEWEST: Self = Self::Second;

    /// What a statement of this form begins with.
    fn name(self) -> &'static str {
        match self {
            Self::First => "chancery-ceremony-step-1",
            Self::Second => "chancery-ceremony-step-2",
        }
    }
}

/// One step, as it is approved.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The form of this statement.
    pub format: String,
    /// SHA-256 of the plan.
    pub plan: String,
    /// Which step, from 1.
    pub step: usize,
    /// Of how many.
    pub of: usize,
    /// SHA-256 of the record of the transcript that the step before ended with.
    pub previous: String,
    /// What is done: `root`, `intermediate`, `cross-sign`, `rollover`, `crl`.
    pub operation: String,
    /// What the public addresses in certificates begin with.
    pub base_url: String,
    /// The time, when the plan fixes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The name of what is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The subject of what is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Who signs, when that is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Signer>,
    /// The key that is certified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<CertifiedKey>,
    /// The profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileDigest>,
    /// How long what is signed is good, when the plan says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<Lifetime>,
    /// Where the certificate of the new CA will be published, when the plan says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_url: Option<String>,
    /// Where its CRL will be, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_url: Option<String>,
    /// What the CRL lists before this step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Listed>,
    /// What is revoked in this step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<RevokedNow>,
}

/// A CA that signs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// Its identifier.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Which generation.
    pub generation: u32,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key: String,
    /// SHA-256 of its certificate.
    pub certificate: String,
    /// How it signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Where its certificate is published, as it stands in what it signs. In the first form there are no addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_url: Option<String>,
    /// Where its OCSP responder is, likewise; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp_url: Option<String>,
    /// Where its CRL is published, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_url: Option<String>,
}

/// A key that is certified.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedKey {
    /// Its kind.
    pub algorithm: KeyAlgorithm,
    /// How a key that is made here will sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes it; absent for a key that is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// SHA-256 of its SubjectPublicKeyInfo; absent for a key that is not made yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// SHA-256 of the request or certificate that shows it, in DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_by: Option<String>,
}

/// A profile, by its contents.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileDigest {
    /// Its name.
    pub name: String,
    /// SHA-256 of its JSON.
    pub sha256: String,
}

/// A certificate that is revoked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedNow {
    /// Its serial.
    pub serial: pki::Serial,
    /// Why.
    pub reason: pki::RevocationReason,
    /// Since when its key is known or suspected to be bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidity_date: Option<Timestamp>,
}

impl Statement {
    /// The statement of a step; or what does not fit together.
    pub fn of(plan: &Plan, number: usize, previous: &str, known: &Known) -> Result<Self, String> {
        Self::in_form(Form::NEWEST, plan, number, previous, known)
    }

    /// The same in the form of another statement.
    pub(super) fn as_in(
        other: &Self,
        plan: &Plan,
        number: usize,
        previous: &str,
        known: &Known,
    ) -> Result<Self, String> {
        let form = Form::ALL.into_iter().find(|form| form.name() == other.format);
        let form = form.ok_or_else(|| format!("`{}` is no form of a statement", other.format))?;
        Self::in_form(form, plan, number, previous, known)
    }

    fn in_form(
        form: Form,
        plan: &Plan,
        number: usize,
        previous: &str,
        known: &Known,
    ) -> Result<Self, String> {
        let step = plan.step(number).ok_or("the plan has no such step")?;
        let issuer = known.issuer.as_ref().map(|issuer| signer(form, issuer));
        let issuer = issuer.transpose()?;
        if issuer.as_ref().map(|issuer| issuer.name.as_str()) != step.issuer() {
            return Err("the CA that signs is not the one of the plan".to_owned());
        }
        let mut statement = Self {
            format: form.name().to_owned(),
            plan: plan.hash.clone(),
            step: number,
            of: plan.steps.len(),
            previous: previous.to_owned(),
            operation: step.operation().to_owned(),
            base_url: plan.base_url.clone(),
            time: plan.time,
            name: None,
            subject: None,
            issuer,
            key: None,
            profile: known.profile.as_deref().map(profile_digest).transpose()?,
            validity: None,
            ca_url: None,
            crl_url: None,
            listed: known.listed.clone(),
            revoked: Vec::new(),
        };
        statement.fill(step, known)?;
        Ok(statement)
    }

    fn fill(&mut self, step: &Step, known: &Known) -> Result<(), String> {
        match step {
            Step::Root(step) => {
                (self.name, self.subject) = (Some(step.name.clone()), Some(step.subject.clone()));
                (self.key, self.validity) = (Some(new_key(&step.key)), step.validity);
                self.put(&step.addresses);
            }
            Step::Intermediate(step) => {
                (self.name, self.subject) = (Some(step.name.clone()), Some(step.subject.clone()));
                self.validity = step.validity;
                self.key = match &step.key {
                    Some(key) => Some(new_key(key)),
                    None => Some(requested_key(known)?),
                };
                self.put(&step.addresses);
            }
            Step::CrossSign(step) => {
                (self.name, self.subject) = (Some(step.name.clone()), Some(step.subject.clone()));
                (self.key, self.validity) = (Some(shown_key(known)?), step.validity);
            }
            Step::RollOver(step) => {
                let old = known
                    .issuer
                    .as_ref()
                    .ok_or("the CA that is rolled over is not known")?;
                let certificate = old.certificate()?;
                (self.name, self.subject) =
                    (Some(step.issuer.clone()), Some(certificate.subject().to_string()));
                let algorithm = step.algorithm.unwrap_or(certificate.public_key().algorithm());
                let kept = Some(old.signature_algorithm).filter(|kept| kept.is_usable_with(algorithm));
                self.key = Some(new_key(&NewKey {
                    algorithm,
                    signature_algorithm: step.signature_algorithm.or(kept),
                    token: step.token.clone().unwrap_or_else(|| old.token.clone()),
                }));
                self.validity = step.validity;
                self.put(&step.addresses);
            }
            Step::Crl(step) => {
                self.validity = Some(step.validity);
                let revoked = step.revoke.iter().map(|one| RevokedNow {
                    serial: one.serial,
                    reason: one.reason,
                    invalidity_date: one.invalidity_date,
                });
                self.revoked = revoked.collect();
            }
        }
        Ok(())
    }

    fn put(&mut self, addresses: &Addresses) {
        (self.ca_url, self.crl_url) = (addresses.ca_url.clone(), addresses.crl_url.clone());
    }

    /// The canonical octets.
    pub fn octets(&self) -> Vec<u8> {
        // Nothing in it can fail to be written: keys are texts, numbers are finite.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// SHA-256 of the canonical octets: the step hash.
    pub fn hash(&self) -> String {
        sha256(&self.octets())
    }
}

fn signer(form: Form, known: &super::known::KnownIssuer) -> Result<Signer, String> {
    let certificate = known.certificate()?;
    let address = |url: &String| (form >= Form::Second).then(|| url.clone());
    Ok(Signer {
        id: known.id,
        name: known.name.clone(),
        generation: known.generation,
        key: certificate.public_key().fingerprint().to_string(),
        certificate: sha256(certificate.der()),
        signature_algorithm: known.signature_algorithm,
        ca_url: address(&known.ca_url),
        ocsp_url: address(&known.ocsp_url),
        crl_url: address(&known.crl_url),
    })
}

fn profile_digest(json: &str) -> Result<ProfileDigest, String> {
    let profile: pki::profile::Profile =
        serde_json::from_str(json).map_err(|error| format!("the profile: {error}"))?;
    Ok(ProfileDigest {
        name: profile.name,
        sha256: sha256(json.as_bytes()),
    })
}

fn new_key(key: &NewKey) -> CertifiedKey {
    let default = SignatureAlgorithm::default_for(key.algorithm);
    CertifiedKey {
        algorithm: key.algorithm,
        signature_algorithm: Some(key.signature_algorithm.unwrap_or(default)),
        token: Some(key.token.clone()),
        fingerprint: None,
        shown_by: None,
    }
}

fn requested_key(known: &Known) -> Result<CertifiedKey, String> {
    let text = known.input.as_ref().ok_or("the request is missing")?;
    let csr = Csr::parse(text.as_bytes()).map_err(|fault| fault.to_string())?;
    Ok(elsewhere(csr.public_key(), csr.der()))
}

fn shown_key(known: &Known) -> Result<CertifiedKey, String> {
    let text = known.input.as_ref().ok_or("the certificate is missing")?;
    let certificate = Certificate::parse(text.as_bytes()).map_err(|fault| fault.to_string())?;
    Ok(elsewhere(certificate.public_key(), certificate.der()))
}

fn elsewhere(key: &PublicKey, shown_by: &[u8]) -> CertifiedKey {
    CertifiedKey {
        algorithm: key.algorithm(),
        signature_algorithm: None,
        token: None,
        fingerprint: Some(key.fingerprint().to_string()),
        shown_by: Some(sha256(shown_by)),
    }
}
