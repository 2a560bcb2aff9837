//! Issuing a certificate for a request that somebody made.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pki::lint::Finding;
use pki::profile::{IssuerView, Profile, order_from_csr};
use pki::{Certificate, Csr, Serial, Verified};
use serde_json::json;
use store::orders::OrderRow;
use uuid::Uuid;

use crate::audit;
use crate::authority::Authority;
use crate::certify::{Certification, Prepared};
use crate::clock;
use crate::companion::Companion;
use crate::error::{Error, Refusal, Result};
use crate::issuer::{Chain, Issuer, IssuerState};
use crate::permit;
use crate::principal::{Principal, Role};

/// A certificate that is asked for.
#[derive(Clone, Debug, Default)]
pub struct IssueRequest {
    /// PKCS#10, PEM or DER.
    pub csr: Vec<u8>,
    /// The profile.
    pub profile: String,
    /// The issuer, by identifier or name; may be left out when only one comes into question.
    pub issuer: Option<String>,
    /// How long it shall live; the profile's default when absent.
    pub validity: Option<Duration>,
    /// The security identifier of the holder's account in Active Directory. Only from an admin or operator, who vouches
    /// for it.
    pub microsoft_sid: Option<String>,
}

/// A certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its identifier.
    pub id: Uuid,
    /// The order it came of.
    pub order_id: Uuid,
    /// Its serial.
    pub serial: Serial,
    /// Who issued it.
    pub issuer_id: Uuid,
    /// Under which profile.
    pub profile: String,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
    /// Whose it is, as text.
    pub subject: String,
    /// Its subject alternative names, as text.
    pub names: Vec<String>,
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// The certificates above it.
    pub chain: Arc<Chain>,
    /// What the lint remarked.
    pub findings: Vec<Finding>,
}

/// What is known of an order when it is refused.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) order_id: Uuid,
    pub(crate) action: &'static str,
    pub(crate) profile: String,
    pub(crate) issuer_id: Option<Uuid>,
    /// The request. Its subject and names are put into words only when it is refused.
    pub(crate) csr: Option<Arc<Verified<Csr>>>,
    pub(crate) subject: String,
    pub(crate) names: String,
}

impl Authority {
    /// Issues a certificate. A refusal is recorded, and explained by its order's identifier.
    pub async fn issue(&self, principal: &Principal, request: IssueRequest) -> Result<Issued> {
        let mut attempt = Attempt {
            order_id: clock::new_id(),
            action: "certificate.issue",
            profile: request.profile.chars().take(64).collect(),
            ..Attempt::default()
        };
        match self.admit(principal, &request, &mut attempt) {
            Ok(prepared) => self.carry_out(prepared).await,
            Err(error) => Err(self.record_refusal(principal, attempt, error).await),
        }
    }

    /// Reads a request and checks its signature.
    pub(crate) fn verified_csr(&self, csr: &[u8]) -> Result<Arc<Verified<Csr>>> {
        self.inner().verified_requests.verify(csr).map_err(|fault| {
            let mut message = fault.to_string();
            if let Some(cause) = std::error::Error::source(&fault) {
                message = format!("{message}: {cause}");
            }
            Refusal::of_requester(fault.code(), message).into()
        })
    }

    /// Everything before the intent.
    fn admit(
        &self,
        principal: &Principal,
        request: &IssueRequest,
        attempt: &mut Attempt,
    ) -> Result<Prepared> {
        let profile = self.profile_of_request(&request.profile)?;
        let issuer = self.issuer_for(principal, request.issuer.as_deref())?;
        let entry = issuer.entry();
        attempt.issuer_id = Some(entry.id);
        let permit = permit::to_issue(principal, &entry, &profile)?;
        let csr = attempt.csr.insert(self.verified_csr(&request.csr)?);
        let mut order = order_from_csr(&profile, csr)?;
        order.validity = request.validity;
        order.ms_sid = vouched_sid(principal, request, &profile)?;
        let certification = Certification {
            view: self.view_of_active(&issuer)?,
            issuer,
            profile,
            order,
            order_id: attempt.order_id,
            requester: principal.name.clone(),
            replaces: None,
            action: attempt.action,
            companion: Companion::None,
        };
        self.prepare(&permit, certification)
    }

    pub(crate) fn profile_of_request(&self, name: &str) -> Result<Arc<Profile>> {
        let profiles = self.inner().profiles.load();
        let entry = profiles.get(name).ok_or_else(|| {
            let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
            let shown: String = name.chars().take(64).collect();
            let message = format!("there is no profile `{shown}`; there are {}", known.join(", "));
            Error::from(Refusal::of_requester("unknown_profile", message))
        })?;
        Ok(Arc::clone(&entry.profile))
    }

    /// The named issuer; or the only one that comes into question: active, in the caller's scope, and not a root when
    /// there is any other.
    pub(crate) fn issuer_for(&self, principal: &Principal, named: Option<&str>) -> Result<Arc<Issuer>> {
        if let Some(name) = named {
            return self.inner().registry.resolve(name).map_err(|_| {
                let shown: String = name.chars().take(64).collect();
                Refusal::of_requester("unknown_issuer", format!("there is no issuer `{shown}`")).into()
            });
        }
        let mut candidates = self.inner().registry.all();
        candidates.retain(|issuer| {
            let entry = issuer.entry();
            entry.state == IssuerState::Active && principal.may_use_issuer(&entry)
        });
        let is_root = |issuer: &Arc<Issuer>| {
            issuer
                .entry()
                .certificate
                .as_ref()
                .is_some_and(|one| one.issuer() == one.subject())
        };
        if candidates.iter().any(|issuer| !is_root(issuer)) {
            candidates.retain(|issuer| !is_root(issuer));
        }
        match candidates.as_slice() {
            [only] => Ok(Arc::clone(only)),
            [] => {
                Err(Refusal::of_us("no_issuer", "there is no active issuer that the caller may use").into())
            }
            several => {
                let choice: Vec<String> = several.iter().map(|issuer| issuer.entry().name.clone()).collect();
                let message = format!(
                    "several issuers come into question, name one: {}",
                    choice.join(", ")
                );
                Err(Refusal::of_requester("issuer_required", message).into())
            }
        }
    }

    /// The view of an issuer that may issue now: active, and not revoked by its own issuer here.
    pub(crate) fn view_of_active(&self, issuer: &Issuer) -> Result<Arc<IssuerView>> {
        let entry = issuer.entry();
        let view = entry
            .view()
            .filter(|_| entry.state == IssuerState::Active)
            .ok_or_else(|| {
                let message = format!("the issuer {} is {} and issues nothing", entry.name, entry.state);
                Error::from(Refusal::of_policy("issuer_not_active", message))
            })?;
        if self.revocation_of(&entry).is_some() {
            let message = format!("the certificate of the issuer {} is revoked", entry.name);
            return Err(Refusal::of_policy("issuer_revoked", message).into());
        }
        Ok(view)
    }

    /// Records why an order came to nothing, and gives the error back with the order's identifier.
    pub(crate) async fn record_refusal(
        &self,
        principal: &Principal,
        attempt: Attempt,
        error: Error,
    ) -> Error {
        self.inner().metrics.refused(error.code());
        let (code, message, details) = (error.code(), error.to_string(), error.details());
        let at = self.inner().clock.now();
        let order_id = attempt.order_id;
        let (subject, names) = match &attempt.csr {
            Some(csr) => (csr.subject().to_string(), names_of(csr)),
            None => (attempt.subject, attempt.names),
        };
        let order = OrderRow {
            id: order_id,
            at: at.as_millisecond(),
            requester: principal.name.clone(),
            profile: attempt.profile,
            issuer_id: attempt.issuer_id,
            subject,
            names,
            state: "refused".to_owned(),
            code: Some(code.to_owned()),
            message: Some(message.clone()),
            details: (!details.is_null()).then(|| details.to_string()),
            certificate_id: None,
        };
        let logged = json!({ "message": message, "profile": order.profile, "subject": order.subject });
        let entry = audit::entry(at, &principal.actor(), attempt.action, order_id, code, &logged);
        tracing::info!(%order_id, code, message, actor = principal.actor(), "certificate refused");
        if let Err(failure) = self
            .change(entry, move |tx| store::orders::insert(tx, &order))
            .await
        {
            tracing::warn!(%failure, %order_id, "the refusal could not be recorded");
            return error;
        }
        match error {
            Error::Refused(mut refusal) => {
                refusal.order_id = Some(order_id);
                Error::Refused(refusal)
            }
            other => other,
        }
    }
}

/// The names a request asks for, as far as they can be read.
pub(crate) fn names_of(csr: &Verified<Csr>) -> String {
    let names = csr.subject_alt_names().unwrap_or_default();
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn vouched_sid(principal: &Principal, request: &IssueRequest, profile: &Profile) -> Result<Option<String>> {
    match (&request.microsoft_sid, principal.role) {
        (None, _) => Ok(None),
        (Some(_), _) if !profile.microsoft_sid => {
            let message = format!("the profile {} carries no security identifier", profile.name);
            Err(Refusal::of_requester("ms_sid_not_allowed", message).into())
        }
        (Some(sid), Role::Admin | Role::Operator) => Ok(Some(sid.clone())),
        (Some(_), _) => {
            let message = "only an admin or operator may vouch for a security identifier";
            Err(Error::forbidden("role_insufficient", message))
        }
    }
}
