//! The status of one certificate (RFC 6960 §2.2, SingleResponse of §4.2.1).

use der::asn1::{GeneralizedTime, Null};
use jiff::Timestamp;
use pki::crl::RevocationReason;
use x509_cert::ext::pkix::CrlReason;

use crate::cert_id::CertId;
use crate::wire;

/// What is known of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertStatus {
    /// Issued and not revoked. Never to be said of a serial that was not issued.
    Good,
    /// Revoked or on hold.
    Revoked {
        /// revocationTime, whole seconds on the wire.
        at: Timestamp,
        /// revocationReason.
        reason: Option<RevocationReason>,
    },
    /// Not issued by the issuer asked about.
    Unknown,
}

/// SingleResponse: a status, and from when to when it is to be relied on. Times are cut to whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleStatus {
    /// The CertID as it was asked.
    pub cert_id: CertId,
    /// The status.
    pub status: CertStatus,
    /// When the status was known to be correct.
    pub this_update: Timestamp,
    /// When newer information will be available at the latest. RFC 9919 §3.2.4 wants it always.
    pub next_update: Option<Timestamp>,
}

/// A time that no GeneralizedTime of RFC 5280 §4.1.2.5.2 can carry: before 1970 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot be written as GeneralizedTime")]
pub struct TimeFault(pub Timestamp);

impl SingleStatus {
    pub(crate) fn to_wire(&self) -> Result<wire::SingleResponse, TimeFault> {
        let cert_status = match self.status {
            CertStatus::Good => wire::CertStatus::Good(Null),
            CertStatus::Unknown => wire::CertStatus::Unknown(Null),
            CertStatus::Revoked { at, reason } => wire::CertStatus::Revoked(wire::RevokedInfo {
                revocation_time: to_generalized(at)?,
                revocation_reason: reason.map(to_crl_reason),
            }),
        };
        Ok(wire::SingleResponse {
            cert_id: self.cert_id,
            cert_status,
            this_update: to_generalized(self.this_update)?,
            next_update: self.next_update.map(to_generalized).transpose()?,
            single_extensions: None,
        })
    }

    pub(crate) fn from_wire(wire: &wire::SingleResponse) -> Option<Self> {
        let status = match &wire.cert_status {
            wire::CertStatus::Good(_) => CertStatus::Good,
            wire::CertStatus::Unknown(_) => CertStatus::Unknown,
            wire::CertStatus::Revoked(revoked) => CertStatus::Revoked {
                at: from_generalized(revoked.revocation_time)?,
                reason: revoked.revocation_reason.map(from_crl_reason),
            },
        };
        Some(Self {
            cert_id: wire.cert_id,
            status,
            this_update: from_generalized(wire.this_update)?,
            next_update: match wire.next_update {
                Some(time) => Some(from_generalized(time)?),
                None => None,
            },
        })
    }
}

pub(crate) fn to_generalized(time: Timestamp) -> Result<GeneralizedTime, TimeFault> {
    u64::try_from(time.as_second())
        .ok()
        .and_then(|seconds| GeneralizedTime::from_unix_duration(std::time::Duration::from_secs(seconds)).ok())
        .ok_or(TimeFault(time))
}

pub(crate) fn from_generalized(time: GeneralizedTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}

const fn to_crl_reason(reason: RevocationReason) -> CrlReason {
    match reason {
        RevocationReason::Unspecified => CrlReason::Unspecified,
        RevocationReason::KeyCompromise => CrlReason::KeyCompromise,
        RevocationReason::CaCompromise => CrlReason::CaCompromise,
        RevocationReason::AffiliationChanged => CrlReason::AffiliationChanged,
        RevocationReason::Superseded => CrlReason::Superseded,
        RevocationReason::CessationOfOperation => CrlReason::CessationOfOperation,
        RevocationReason::CertificateHold => CrlReason::CertificateHold,
        RevocationReason::RemoveFromCrl => CrlReason::RemoveFromCRL,
        RevocationReason::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
        RevocationReason::AaCompromise => CrlReason::AaCompromise,
    }
}

const fn from_crl_reason(reason: CrlReason) -> RevocationReason {
    match reason {
        CrlReason::Unspecified => RevocationReason::Unspecified,
        CrlReason::KeyCompromise => RevocationReason::KeyCompromise,
        CrlReason::CaCompromise => RevocationReason::CaCompromise,
        CrlReason::AffiliationChanged => RevocationReason::AffiliationChanged,
        CrlReason::Superseded => RevocationReason::Superseded,
        CrlReason::CessationOfOperation => RevocationReason::CessationOfOperation,
        CrlReason::CertificateHold => RevocationReason::CertificateHold,
        CrlReason::RemoveFromCRL => RevocationReason::RemoveFromCrl,
        CrlReason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
        CrlReason::AaCompromise => RevocationReason::AaCompromise,
    }
}
