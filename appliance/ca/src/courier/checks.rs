//! What is held against an order of a courier before anything is recorded or signed: key, registered domains, allowed names,
//! policies, limits of the record and the profile, quotas. All that is wrong of one kind is told at once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pki::policy::{self, Judgement, Request};
use pki::profile::Profile;
use pki::{DistinguishedName, KeyAlgorithm, SubjectAltName};
use serde_json::json;

use super::domain::Registration;
use super::key_name;
use super::nonce::sha256;
use super::order::{days, fingerprint};
use super::ordered::{CourierOrderRequest, OrderKey, OrderKind, OrderWarning};
use super::platform::{Keyless, Ready, check_bound, check_key_mode};
use super::remark;
use super::session::CourierSession;
use super::wanted::{Wanted, WantedKey};
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Refusal, Result};
use crate::issue::Attempt;
use crate::permit;

/// Longest request, in octets.
const MOST_CSR: usize = 16 * 1024;
/// Most names of a certificate.
const MOST_NAMES: usize = 100;
/// The span of a quota.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// An order that may be signed.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) ready: Ready,
    pub(super) warnings: Vec<OrderWarning>,
    pub(super) replaces: Option<Replaced>,
    names: Vec<SubjectAltName>,
    key: Option<[u8; 32]>,
    profile: String,
}

/// The certificate that is replaced.
#[derive(Clone, Debug)]
pub(super) struct Replaced {
    pub(super) fingerprint: [u8; 32],
    certificate: store::certificates::CertificateRow,
}

/// What an order would come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Preflight {
    /// The names, as `dns:web01.example.com`.
    pub names: Vec<String>,
    /// Under which profile.
    pub profile: String,
    /// What is remarked.
    pub warnings: Vec<OrderWarning>,
}

impl Replaced {
    /// Whether it has all names that are wanted, under the same profile.
    fn covers(&self, wanted: &Wanted, profile: &Profile) -> bool {
        let Ok(certificate) = pki::Certificate::from_der(&self.certificate.der) else {
            return false;
        };
        let names = certificate.subject_alt_names().unwrap_or_default();
        self.certificate.profile == profile.name && wanted.names.iter().all(|name| names.contains(name))
    }
}

impl Checked {
    /// The names as they are told.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().map(ToString::to_string).collect()
    }

    /// By which the same names are found, in whatever order they were asked for.
    pub(super) fn names_digest(&self) -> [u8; 32] {
        let mut names = self.names();
        names.sort_unstable();
        sha256(names.join("\n").as_bytes())
    }

    /// The fingerprint of the key, when there is one already.
    pub(super) fn key_fingerprint(&self) -> Option<[u8; 32]> {
        self.key
    }

    pub(super) fn profile_name(&self) -> String {
        self.profile.clone()
    }
}

impl Authority {
    /// Everything that is looked at before an order, without placing one.
    pub async fn preflight_courier_order(
        &self,
        session: &CourierSession,
        request: &CourierOrderRequest,
    ) -> Result<Preflight> {
        if matches!(request.key, OrderKey::Platform { .. }) {
            check_bound(session)?;
        }
        let mut attempt = Attempt::default();
        let checked = self.check_courier_order(session, request, &mut attempt).await?;
        Ok(Preflight {
            names: checked.names(),
            profile: checked.profile,
            warnings: checked.warnings,
        })
    }

    pub(super) async fn check_courier_order(
        &self,
        session: &CourierSession,
        request: &CourierOrderRequest,
        attempt: &mut Attempt,
    ) -> Result<Checked> {
        let record = &session.courier.record;
        check_key_mode(session, request)?;
        if let OrderKey::Local { csr } = &request.key {
            if csr.len() > MOST_CSR {
                return Err(wrong(
                    "validation_error",
                    "csr_pem",
                    format!("longer than {MOST_CSR} octets"),
                ));
            }
            attempt.csr = Some(self.verified_csr(csr.as_bytes())?);
        }
        let replaces = self.replaced(session, request).await?;
        let profile = self.profile_of_courier(session, request, replaces.as_ref())?;
        attempt.profile.clone_from(&profile.name);
        let principal = session.principal();
        let issuer = self.issuer_for(&principal, record.issuer.as_deref())?;
        attempt.issuer_id = Some(issuer.entry().id);
        let permit = permit::to_issue(&principal, &issuer.entry(), &profile)?;
        let wanted = wanted(request, &profile, attempt)?;
        check_key_of_courier(session, wanted.algorithm)?;
        check_names(&wanted.subject, &wanted.names)?;
        self.check_registered(&wanted.names).await?;
        check_allowed(session, &wanted.names)?;
        let validity = validity_of(session, request, &profile)?;
        let judgement = self
            .judge(request, &wanted, validity, &profile, replaces.as_ref())
            .await?;
        let mut warnings = warnings_of(&judgement)?;
        let subject = profile.admitted_subject(wanted.algorithm, &judgement.subject, &wanted.names)?;
        warnings.extend(wanted.ignored);
        warnings.extend(remark::other_subject(
            &wanted.subject,
            &judgement.subject,
            &subject,
        ));
        self.check_quota(session).await?;
        let key = match &wanted.key {
            WantedKey::Given(key) => Some(key.fingerprint().0),
            WantedKey::ToBeMade(_) => None,
        };
        if let Some(key) = key {
            self.check_key_owner(session, key).await?;
        }
        let names = wanted.names.clone();
        let keyless = Keyless {
            permit,
            view: self.view_of_active(&issuer)?,
            issuer,
            subject: judgement.subject,
            names: wanted.names,
            validity,
            algorithm: wanted.algorithm,
            order_id: attempt.order_id,
            requester: principal.name.clone(),
            replaces: replaces.as_ref().map(|replaced| replaced.certificate.id),
            action: match request.kind {
                OrderKind::Issue => "certificate.issue",
                OrderKind::Renew => "certificate.renew",
            },
            profile: std::sync::Arc::clone(&profile),
        };
        Ok(Checked {
            ready: self.ready(keyless, wanted.key, session.courier.id)?,
            warnings,
            replaces,
            names,
            key,
            profile: profile.name.clone(),
        })
    }

    /// The certificate of this courier that is to be replaced.
    async fn replaced(
        &self,
        session: &CourierSession,
        request: &CourierOrderRequest,
    ) -> Result<Option<Replaced>> {
        let Some(text) = &request.replaces else {
            return match request.kind {
                OrderKind::Issue => Ok(None),
                OrderKind::Renew => Err(wrong(
                    "validation_error",
                    "replaces",
                    "a renewal names what it replaces",
                )),
            };
        };
        let print = fingerprint(text).ok_or_else(|| {
            wrong(
                "validation_error",
                "replaces.fingerprint_sha256",
                "not of 64 hexadecimal digits",
            )
        })?;
        let courier = session.courier.id;
        let read = self.inner().store.read(move |reader| {
            let order = store::courier_orders::with_fingerprint(reader, courier, &print)?;
            let id = order.and_then(|order| order.certificate_id);
            id.map_or(Ok(None), |id| store::certificates::find(reader, id))
        });
        let certificate = read.await?.ok_or_else(|| Error::not_found("certificate", text))?;
        if request.kind == OrderKind::Renew && certificate.revoked_at.is_some() {
            let message = "a revoked certificate is not renewed: ask for a new one";
            return Err(Refusal::of_policy("certificate_revoked", message).into());
        }
        Ok(Some(Replaced {
            fingerprint: print,
            certificate,
        }))
    }

    /// The profile that is named, that of what is replaced, or the first of the record.
    fn profile_of_courier(
        &self,
        session: &CourierSession,
        request: &CourierOrderRequest,
        replaces: Option<&Replaced>,
    ) -> Result<std::sync::Arc<Profile>> {
        let allowed = &session.courier.record.profiles;
        let of_replaced = replaces
            .map(|replaced| &replaced.certificate.profile)
            .filter(|profile| allowed.contains(profile));
        let name = request.profile.as_ref().or(of_replaced).or(allowed.first());
        let name = name.ok_or_else(|| {
            Error::forbidden(
                "profile_not_allowed",
                "the record of the courier allows no profile",
            )
        })?;
        if !allowed.contains(name) {
            let message = format!("the courier may use {}", allowed.join(", "));
            return Err(Error::forbidden("profile_not_allowed", message));
        }
        self.profile_of_request(name)
    }

    async fn check_registered(&self, names: &[SubjectAltName]) -> Result<()> {
        let registrations = self.registrations(names).await?;
        let of = |wanted: Registration| -> Vec<String> {
            let pairs = names.iter().zip(&registrations);
            pairs
                .filter(|(_, registration)| **registration == wanted)
                .map(|(name, _)| name.to_string())
                .collect()
        };
        for (registration, code, problem) in [
            (
                Registration::Missing,
                "domain_not_registered",
                "under no registered domain",
            ),
            (
                Registration::Disabled,
                "domain_disabled",
                "under a domain that is disabled",
            ),
        ] {
            let offending = of(registration);
            if !offending.is_empty() {
                return Err(names_refused(code, &offending, problem));
            }
        }
        Ok(())
    }

    async fn judge(
        &self,
        request: &CourierOrderRequest,
        wanted: &Wanted,
        validity: Duration,
        profile: &Profile,
        replaces: Option<&Replaced>,
    ) -> Result<Judgement> {
        let policies = self.enabled_policies().await?;
        let now = self.inner().clock.now();
        // Longer wishes are cut to what the profile allows.
        let most = Duration::from_secs(profile.max_ttl.as_seconds());
        let validity = validity.min(most);
        let request = Request {
            // What asks for more than it replaces is no renewal.
            action: match replaces {
                Some(before) if request.kind == OrderKind::Renew && before.covers(wanted, profile) => {
                    policy::Action::Renew
                }
                _ => policy::Action::Generate,
            },
            names: &wanted.names,
            subject: &wanted.subject,
            key: wanted.algorithm,
            signature: wanted.signature,
            validity_days: u32::try_from(validity.as_secs().div_ceil(86_400)).unwrap_or(u32::MAX),
            profile,
            asks_for_ca: wanted.asks_for_ca,
            replaced_not_after: replaces.map(|one| from_millis(one.certificate.not_after)),
            now,
        };
        Ok(policy::judge(&policies, &request))
    }

    async fn check_quota(&self, session: &CourierSession) -> Result<()> {
        let Some(most) = session.courier.record.quotas.certificates_per_day else {
            return Ok(());
        };
        let since = quota_since(self.inner().clock.now());
        let courier = session.courier.id;
        let read = self.inner().store.read(move |reader| {
            store::courier_orders::count_issued_since(reader, courier, since.as_millisecond())
        });
        if read.await? >= i64::from(most) {
            let message =
                format!("the courier may have {most} certificates within 24 hours, and has had them");
            return Err(Error::forbidden("quota_exceeded", message));
        }
        Ok(())
    }
}

/// From when on certificates count.
pub(super) fn quota_since(now: Timestamp) -> Timestamp {
    now.saturating_sub(DAY).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What is asked for; noted for a refusal, too.
fn wanted(request: &CourierOrderRequest, profile: &Profile, attempt: &mut Attempt) -> Result<Wanted> {
    if let OrderKey::Platform { platform } = &request.key {
        let wanted = Wanted::of_platform(platform)?;
        attempt.subject = wanted.subject.to_string();
        let names: Vec<String> = wanted.names.iter().map(ToString::to_string).collect();
        attempt.names = names.join(" ");
        profile.admit(wanted.algorithm, &wanted.subject, &wanted.names)?;
        return Ok(wanted);
    }
    let csr = attempt.csr.as_ref();
    Wanted::of_csr(
        profile,
        csr.ok_or_else(|| Error::internal("an order without a key"))?,
    )
}

/// How long it shall live, within what the record allows.
fn validity_of(
    session: &CourierSession,
    request: &CourierOrderRequest,
    profile: &Profile,
) -> Result<Duration> {
    let most = session.courier.record.quotas.max_validity_days.map(days);
    let default = default_validity(profile);
    match (request.validity_days.map(days), most) {
        (Some(wanted), _) if wanted.is_zero() => {
            Err(wrong("validation_error", "validity_days", "at least one day"))
        }
        (Some(wanted), Some(most)) if wanted > most => {
            let message = format!("the courier may have at most {} days", most.as_secs() / 86_400);
            Err(wrong("validation_error", "validity_days", message))
        }
        (Some(wanted), _) => Ok(wanted),
        (None, Some(most)) => Ok(most.min(default)),
        (None, None) => Ok(default),
    }
}

fn default_validity(profile: &Profile) -> Duration {
    Duration::from_secs(profile.default_validity.as_seconds())
}

/// The key is one that the record allows.
fn check_key_of_courier(session: &CourierSession, algorithm: KeyAlgorithm) -> Result<()> {
    let allowed = &session.courier.record.quotas.key_algorithms;
    let is_allowed = |name: &String| key_name::parse(name) == Some(algorithm);
    if allowed.is_empty() || allowed.iter().any(is_allowed) {
        return Ok(());
    }
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let message = format!(
        "the key is {}; the courier may have {}",
        key_name::of(algorithm),
        allowed.join(", ")
    );
    Err(Refusal::of_policy("key_algorithm_not_allowed", message).into())
}

/// There are names, not too many of them, and the common name is one of them.
fn check_names(subject: &DistinguishedName, names: &[SubjectAltName]) -> Result<()> {
    if names.is_empty() {
        return Err(wrong(
            "validation_error",
            "sans",
            "a certificate of a courier has a subject alternative name",
        ));
    }
    if names.len() > MOST_NAMES {
        return Err(wrong(
            "validation_error",
            "sans",
            format!("more than {MOST_NAMES} names"),
        ));
    }
    // All of them: who reads the certificate may take any.
    let strange = pki::allowed_name::strange_common_names(subject, names);
    if strange.is_empty() {
        return Ok(());
    }
    let problem = format!("{}: no subject alternative name", strange.join(", "));
    Err(wrong("validation_error", "subject.common_name", problem))
}

fn check_allowed(session: &CourierSession, names: &[SubjectAltName]) -> Result<()> {
    let offending = session.courier.record.allowed_names.uncovered(names);
    let offending: Vec<String> = offending.iter().map(ToString::to_string).collect();
    if offending.is_empty() {
        Ok(())
    } else {
        Err(names_refused(
            "domain_not_allowed",
            &offending,
            "not covered by the list of allowed names",
        ))
    }
}

/// What policies refuse is told as a whole; what they only remark goes on with the order.
fn warnings_of(judgement: &Judgement) -> Result<Vec<OrderWarning>> {
    if !judgement.hard.is_empty() {
        let details: Vec<_> = judgement
            .hard
            .iter()
            .map(|violation| {
                json!({
                    "field": violation.field, "problem": violation.message, "policy": violation.policy,
                    "rule": violation.rule,
                })
            })
            .collect();
        let texts: Vec<String> = judgement
            .hard
            .iter()
            .map(|violation| format!("{} ({}): {}", violation.policy, violation.rule, violation.message))
            .collect();
        let refusal = Refusal::of_policy("policy_denied", texts.join("; "));
        return Err(refusal.with_details(json!(details)).into());
    }
    let soft = judgement.soft.iter().map(|violation| OrderWarning {
        policy: violation.policy.clone(),
        rule: violation.rule.to_string(),
        message: violation.message.clone(),
    });
    Ok(soft.collect())
}

fn names_refused(code: &'static str, offending: &[String], problem: &str) -> Error {
    let details: Vec<_> = offending
        .iter()
        .map(|name| json!({ "field": name, "problem": problem }))
        .collect();
    let message = format!("{}: {problem}", offending.join(", "));
    Refusal::of_policy(code, message)
        .with_details(json!(details))
        .into()
}

pub(super) fn wrong(code: &'static str, field: &str, problem: impl Into<String>) -> Error {
    let problem = problem.into();
    let message = format!("{field}: {problem}");
    let details = json!([{ "field": field, "problem": problem }]);
    Refusal::of_requester(code, message).with_details(details).into()
}
