//! How the certificates of a courier stand, when it should renew them, and what it says of its runs.

use jiff::{SignedDuration, Timestamp};
use pki::crl::RevocationReason;
use store::certificates::CertificateRow;
use store::courier_presence::Report;

use super::session::CourierSession;
use crate::audit;
use crate::authority::Authority;
use crate::certificates::{CertRef, reason_of};
use crate::clock::from_millis;
use crate::error::{Error, Result};
use crate::issuer::IssuerState;
use crate::principal::Scope;
use crate::revoke::{RevokeRequest, Revoked};

/// CAs above a certificate that are looked at.
const MOST_ABOVE: usize = 8;
/// When a courier shall look again (RFC 9773 §4.3).
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(6);
/// Longest report, in octets of JSON.
const MOST_REPORT: usize = 16 * 1024;

/// How a certificate stands.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateStanding {
    /// SHA-256 of it.
    pub fingerprint: [u8; 32],
    /// How it stands.
    pub state: CertificateState,
    /// When it should be renewed; absent when it is not known here.
    pub window: Option<RenewalWindow>,
}

/// How a certificate of a courier stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateState {
    /// It is none of this courier's.
    Unknown,
    /// It is good.
    Active,
    /// It is good, and another one has taken its place.
    Superseded,
    /// It is revoked.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
    /// Its time is over.
    Expired,
}

impl CertificateState {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Revoked { .. } => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// When a certificate should be renewed: at any instant between two. One that has passed means now.
#[derive(Clone, Debug, PartialEq)]
pub struct RenewalWindow {
    /// The first instant.
    pub start: Timestamp,
    /// The last instant.
    pub end: Timestamp,
    /// Why it is earlier than usual.
    pub explanation: Option<String>,
    /// When to look again.
    pub retry_after: SignedDuration,
}

impl Authority {
    /// How certificates of the courier stand. What belongs to others is unknown.
    pub async fn courier_certificates(
        &self,
        session: &CourierSession,
        fingerprints: Vec<[u8; 32]>,
    ) -> Result<Vec<CertificateStanding>> {
        let mut all = Vec::with_capacity(fingerprints.len());
        for fingerprint in fingerprints {
            let standing = match self.own_certificate(session, fingerprint).await? {
                None => CertificateStanding {
                    fingerprint,
                    state: CertificateState::Unknown,
                    window: None,
                },
                Some((row, is_superseded)) => CertificateStanding {
                    fingerprint,
                    state: self.state_of(&row, is_superseded),
                    window: Some(self.window_of(&row)),
                },
            };
            all.push(standing);
        }
        Ok(all)
    }

    /// When a certificate of the courier should be renewed.
    pub async fn courier_renewal_window(
        &self,
        session: &CourierSession,
        fingerprint: [u8; 32],
    ) -> Result<RenewalWindow> {
        match self.own_certificate(session, fingerprint).await? {
            Some((row, _)) => Ok(self.window_of(&row)),
            None => Err(Error::not_found("certificate", audit::hexadecimal(&fingerprint))),
        }
    }

    /// Revokes a certificate of the courier, where its record lets it.
    pub async fn revoke_courier_certificate(
        &self,
        session: &CourierSession,
        fingerprint: [u8; 32],
        reason: RevocationReason,
    ) -> Result<Revoked> {
        let Some((row, _)) = self.own_certificate(session, fingerprint).await? else {
            return Err(Error::not_found("certificate", audit::hexadecimal(&fingerprint)));
        };
        if !session.courier.record.may_revoke {
            let message = "the record of the courier does not let it revoke";
            return Err(Error::forbidden("revocation_not_allowed", message));
        }
        let request = RevokeRequest {
            certificate: CertRef::Id(row.id),
            reason,
            invalidity_date: None,
        };
        // Its record may no longer have the profile; the certificate is its own all the same.
        let mut principal = session.principal();
        principal.profiles = Scope::Only([row.profile].into());
        self.revoke(&principal, request).await
    }

    /// Notes what a courier says of its runs.
    pub async fn note_courier_report(
        &self,
        session: &CourierSession,
        report: serde_json::Value,
        next_run_at: Option<Timestamp>,
        failures: u32,
    ) -> Result<()> {
        let body = report.to_string();
        if body.len() > MOST_REPORT {
            let message = format!("a report has at most {MOST_REPORT} octets");
            return Err(crate::error::Refusal::of_requester("validation_error", message).into());
        }
        let (courier, at) = (session.courier.id, self.inner().clock.now().as_millisecond());
        let write = self.inner().store.write(move |tx| {
            let report = Report {
                body: &body,
                next_run_at: next_run_at.map(Timestamp::as_millisecond),
                failures: i64::from(failures),
            };
            store::courier_presence::report(tx, courier, &report, at)
        });
        Ok(write.await?)
    }

    /// A certificate that came of an order of this courier, and whether another one has taken its place.
    async fn own_certificate(
        &self,
        session: &CourierSession,
        fingerprint: [u8; 32],
    ) -> Result<Option<(CertificateRow, bool)>> {
        let courier = session.courier.id;
        let read = self.inner().store.read(move |reader| {
            let order = store::courier_orders::with_fingerprint(reader, courier, &fingerprint)?;
            let Some(id) = order.and_then(|order| order.certificate_id) else {
                return Ok(None);
            };
            let successor = store::courier_orders::successor(reader, courier, &fingerprint)?;
            let row = store::certificates::find(reader, id)?;
            Ok(row.map(|row| (row, successor.is_some())))
        });
        Ok(read.await?)
    }

    fn state_of(&self, row: &CertificateRow, is_superseded: bool) -> CertificateState {
        match (row.revoked_at, row.revocation_reason) {
            (Some(at), Some(reason)) => CertificateState::Revoked {
                at: from_millis(at),
                reason: reason_of(reason),
            },
            _ if row.not_after < self.inner().clock.now().as_millisecond() => CertificateState::Expired,
            _ if is_superseded => CertificateState::Superseded,
            _ => CertificateState::Active,
        }
    }

    /// The last third of its life begins the window, which lasts a twelfth of it. What is revoked, or whose CA is about to go,
    /// should be renewed now.
    fn window_of(&self, row: &CertificateRow) -> RenewalWindow {
        let now = self.inner().clock.now();
        let at_once = |explanation: &str| RenewalWindow {
            start: now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(now),
            end: now,
            explanation: Some(explanation.to_owned()),
            retry_after: LOOK_AGAIN,
        };
        if row.revoked_at.is_some() {
            return at_once("the certificate is revoked");
        }
        let find = |id| Some(self.inner().registry.find(id)?.entry());
        let Some(issuer) = find(row.issuer_id) else {
            return at_once("its CA is gone");
        };
        if issuer.state == IssuerState::Disabled {
            return at_once("its CA is switched off");
        }
        // A certificate is worth nothing any more when one above it has ended.
        let mut end = row.not_after;
        let mut above = Some(issuer);
        for _ in 0..MOST_ABOVE {
            let Some(one) = above else { break };
            if self.revocation_of(&one).is_some() {
                return at_once("the certificate of a CA above it is revoked");
            }
            let own_end = one.certificate.as_ref().map(pki::Certificate::not_after);
            end = own_end.map_or(end, |own| end.min(own.as_millisecond()));
            above = one.parent.and_then(find);
        }
        let lifetime = end.saturating_sub(row.not_before);
        let is_cut = end < row.not_after;
        RenewalWindow {
            start: from_millis(end.saturating_sub(lifetime / 3)),
            end: from_millis(end.saturating_sub(lifetime / 4)),
            explanation: is_cut.then(|| "a CA above it ends before it does".to_owned()),
            retry_after: LOOK_AGAIN,
        }
    }
}

/// What a courier is told of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct CourierView {
    /// The names it may have.
    pub allowed_names: Vec<String>,
    /// The profiles it may use, each with what it allows.
    pub profiles: Vec<CourierProfile>,
}

/// A profile as couriers see it.
#[derive(Clone, Debug, PartialEq)]
pub struct CourierProfile {
    /// Its name.
    pub name: String,
    /// The kinds of key, as `ec-256`.
    pub key_algorithms: Vec<String>,
    /// How long certificates live when nothing is said, as `90d`.
    pub default_validity: String,
    /// The longest that they live, as `398d`.
    pub max_validity: String,
    /// The most days that the record allows.
    pub max_validity_days: Option<u32>,
}

impl Authority {
    /// What a courier may have, as it is told to the courier itself.
    pub fn courier_view(&self, session: &CourierSession) -> CourierView {
        let record = &session.courier.record;
        let profiles = record.profiles.iter().filter_map(|name| self.profile(name).ok());
        let told = profiles.map(|entry| CourierProfile {
            name: entry.profile.name.clone(),
            key_algorithms: entry
                .profile
                .key_algorithms
                .iter()
                .copied()
                .map(super::key_name::of)
                .collect(),
            default_validity: entry.profile.default_validity.to_string(),
            max_validity: entry.profile.max_ttl.to_string(),
            max_validity_days: record.quotas.max_validity_days,
        });
        CourierView {
            allowed_names: record.allowed_names.iter().map(ToString::to_string).collect(),
            profiles: told.collect(),
        }
    }
}
