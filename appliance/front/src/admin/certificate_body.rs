//! Certificates and what is asked about them, as JSON.

use std::time::Duration;

use ca::{
    CertRef, CertificateEntry, CertificateStatus, Filter, IssueRequest, Issued, NeverRecorded, RenewRequest,
    RevokeRequest, Revoked,
};
use jiff::Timestamp;
use pki::profile::Lifetime;
use pki::{Certificate, RevocationReason};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::problem::Problem;

/// A certificate that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssueBody {
    /// PKCS#10 in PEM.
    pub(super) csr_pem: String,
    /// The profile's name.
    pub(super) profile: String,
    /// The issuer, by identifier or name; may be left out when only one comes into question.
    pub(super) issuer_id: Option<String>,
    /// How many days it shall live; the profile's default when absent.
    pub(super) validity_days: Option<u32>,
    /// How long it shall live, for lifetimes below a day: `45m`, `12h`. Not together with `validity_days`.
    #[schema(value_type = Option<String>)]
    pub(super) validity: Option<Lifetime>,
    /// The security identifier of the holder's account in Active Directory (admins and operators only).
    pub(super) microsoft_sid: Option<String>,
}

/// A renewal that is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenewBody {
    /// PKCS#10 in PEM for a new key; the same key is certified again when absent.
    pub(super) csr_pem: Option<String>,
    /// How many days it shall live; as long as the old one when absent.
    pub(super) validity_days: Option<u32>,
}

/// A revocation that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeBody {
    /// A CRLReason of RFC 5280 §5.3.1: `keyCompromise`, `superseded`, `certificateHold`, …; `removeFromCRL` releases a hold.
    #[schema(value_type = String)]
    pub(super) reason: RevocationReason,
    /// Since when its key is known or suspected to be bad.
    pub(super) invalidity_date: Option<Timestamp>,
}

/// How a certificate stands after a revocation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevokedBody {
    pub(super) id: Uuid,
    pub(super) serial: String,
    pub(super) issuer_id: Uuid,
    /// `revoked`, or `valid` after a hold was released.
    pub(super) status: String,
    /// Whether it stood that way already.
    pub(super) already: bool,
    pub(super) revoked_at: Option<Timestamp>,
    pub(super) reason: Option<String>,
}

/// A serial that is revoked without a certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NeverRecordedBody {
    /// Lower-case hexadecimal.
    pub(super) serial: String,
    pub(super) issuer_id: Uuid,
    /// The name of the CA.
    pub(super) issuer: String,
    /// Always `revoked`.
    pub(super) status: &'static str,
    pub(super) revoked_at: Timestamp,
    pub(super) revocation_reason: String,
    /// When a certificate with this serial would end.
    pub(super) not_after: Timestamp,
    /// Why there is nothing more.
    pub(super) note: &'static str,
}

/// What is known of a serial that is revoked without a certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NeverRecordedList {
    pub(super) items: Vec<NeverRecordedBody>,
}

impl From<NeverRecorded> for NeverRecordedBody {
    fn from(known: NeverRecorded) -> Self {
        Self {
            serial: known.serial.to_string(),
            issuer_id: known.issuer_id,
            issuer: known.issuer_name,
            status: "revoked",
            revoked_at: known.revoked_at,
            revocation_reason: known.reason.to_string(),
            not_after: known.not_after,
            note: "no certificate: signed and never recorded",
        }
    }
}

/// One certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CertificateBody {
    pub(super) id: Uuid,
    /// Lower-case hexadecimal.
    pub(super) serial: String,
    pub(super) issuer_id: Uuid,
    /// The name of the CA; absent in the answer to an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    pub(super) profile: String,
    /// `valid`, `expired` or `revoked`.
    pub(super) status: String,
    pub(super) subject: String,
    /// As `dns:a.example`, `ip:192.0.2.1`, …
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) order_id: Uuid,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requester: Option<String>,
    /// The certificate it renews.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revocation_reason: Option<String>,
    /// SHA-256 of the certificate, hexadecimal.
    pub(super) fingerprint_sha256: String,
    pub(super) certificate_pem: String,
    /// The certificates above it, nearest first, without a self-signed root.
    pub(super) chain_pem: String,
    /// What the lint remarked, as `rule: message`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) findings: Vec<String>,
}

/// A page of certificates.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CertificateList {
    pub(super) items: Vec<CertificateBody>,
    /// The `cursor` of the next page; null on the last one.
    pub(super) next: Option<Uuid>,
}

/// Which certificates to list. Everything given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Of this issuer, by identifier or name.
    pub(super) issuer: Option<String>,
    /// Under this profile.
    pub(super) profile: Option<String>,
    /// `valid`, `revoked` or `expired`.
    pub(super) status: Option<String>,
    /// With this subject alternative name, or with this text in the subject.
    pub(super) name: Option<String>,
    /// Ending before this time.
    pub(super) expires_before: Option<Timestamp>,
    /// Of this requester.
    pub(super) requester: Option<String>,
    /// At most so many: 1 to 1000, 100 when absent.
    pub(super) limit: Option<u32>,
    /// The `next` of the page before.
    pub(super) cursor: Option<Uuid>,
}

impl IssueBody {
    pub(super) fn into_request(self) -> Result<IssueRequest, Problem> {
        Ok(IssueRequest {
            validity: lifetime(self.validity_days, self.validity)?,
            csr: self.csr_pem.into_bytes(),
            profile: self.profile,
            issuer: self.issuer_id,
            microsoft_sid: self.microsoft_sid,
        })
    }
}

impl RenewBody {
    pub(super) fn into_request(self, certificate: CertRef) -> Result<RenewRequest, Problem> {
        Ok(RenewRequest {
            certificate,
            csr: self.csr_pem.map(String::into_bytes),
            validity: lifetime(self.validity_days, None)?,
        })
    }
}

impl RevokeBody {
    pub(super) fn into_request(self, certificate: CertRef) -> RevokeRequest {
        RevokeRequest {
            certificate,
            reason: self.reason,
            invalidity_date: self.invalidity_date,
        }
    }
}

fn lifetime(days: Option<u32>, text: Option<Lifetime>) -> Result<Option<Duration>, Problem> {
    let invalid = |message: &str| Err(Problem::bad_request("validity_invalid", message));
    match (days, text) {
        (Some(_), Some(_)) => invalid("give one of `validity_days` and `validity`, not both"),
        (Some(0), None) => invalid("`validity_days` is at least 1"),
        (Some(days), None) => Ok(Some(Duration::from_secs(u64::from(days) * 86_400))),
        (None, Some(text)) if text.is_zero() => invalid("`validity` is longer than zero"),
        (None, text) => Ok(text.map(Lifetime::as_duration)),
    }
}

impl From<ListQuery> for Filter {
    fn from(query: ListQuery) -> Self {
        Self {
            issuer: query.issuer,
            profile: query.profile,
            status: query.status,
            name: query.name,
            expires_before: query.expires_before,
            requester: query.requester,
            limit: query.limit,
            cursor: query.cursor,
        }
    }
}

fn fingerprint(certificate: &Certificate) -> String {
    pki::KeyFingerprint(certificate.fingerprint_sha256()).to_string()
}

impl From<Issued> for CertificateBody {
    fn from(issued: Issued) -> Self {
        Self {
            id: issued.id,
            serial: issued.serial.to_string(),
            issuer_id: issued.issuer_id,
            issuer: None,
            profile: issued.profile,
            status: "valid".to_owned(),
            subject: issued.subject,
            names: issued.names,
            not_before: issued.not_before,
            not_after: issued.not_after,
            order_id: issued.order_id,
            requester: None,
            replaces: None,
            revoked_at: None,
            revocation_reason: None,
            fingerprint_sha256: fingerprint(&issued.certificate),
            certificate_pem: issued.certificate.pem(),
            chain_pem: issued.chain.pem().to_owned(),
            findings: issued
                .findings
                .iter()
                .map(|one| format!("{}: {}", one.rule, one.message))
                .collect(),
        }
    }
}

impl From<CertificateEntry> for CertificateBody {
    fn from(entry: CertificateEntry) -> Self {
        let certificate = Certificate::from_der(&entry.der).ok();
        let names = certificate.as_ref().and_then(|one| one.subject_alt_names().ok());
        let (revoked_at, reason) = match entry.status {
            CertificateStatus::Revoked { at, reason, .. } => (Some(at), Some(reason.to_string())),
            _ => (None, None),
        };
        Self {
            id: entry.id,
            serial: entry.serial.to_string(),
            issuer_id: entry.issuer_id,
            issuer: Some(entry.issuer_name),
            profile: entry.profile,
            status: entry.status.name().to_owned(),
            subject: entry.subject,
            names: names
                .unwrap_or_default()
                .iter()
                .map(ToString::to_string)
                .collect(),
            not_before: entry.not_before,
            not_after: entry.not_after,
            order_id: entry.order_id,
            requester: Some(entry.requester),
            replaces: entry.replaces,
            revoked_at,
            revocation_reason: reason,
            fingerprint_sha256: certificate.as_ref().map(fingerprint).unwrap_or_default(),
            certificate_pem: pki::pem::encode("CERTIFICATE", &entry.der),
            chain_pem: entry.chain.pem().to_owned(),
            findings: Vec::new(),
        }
    }
}

impl From<Revoked> for RevokedBody {
    fn from(revoked: Revoked) -> Self {
        Self {
            id: revoked.id,
            serial: revoked.serial.to_string(),
            issuer_id: revoked.issuer_id,
            status: if revoked.revoked_at.is_some() {
                "revoked"
            } else {
                "valid"
            }
            .to_owned(),
            already: revoked.already,
            revoked_at: revoked.revoked_at,
            reason: revoked.reason.map(|reason| reason.to_string()),
        }
    }
}
