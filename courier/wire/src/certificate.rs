//! Certificates: how they stand, when they should be renewed, and how they end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A certificate and what stands above it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertificateAnswer {
    /// Always true.
    pub success: bool,
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// What stands above it, nearest first, without a root, PEM.
    pub chain_pem: String,
}

/// Certificates that are asked about.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Fingerprints {
    /// SHA-256 of each, in hexadecimal; at most 100.
    pub fingerprints_sha256: Vec<String>,
}

/// How certificates stand.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Statuses {
    /// Always true.
    pub success: bool,
    /// In the order in which they were asked about.
    pub certificates: Vec<CertificateStatus>,
}

/// How a certificate stands.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertificateStatus {
    /// SHA-256 of it, in hexadecimal.
    pub fingerprint_sha256: String,
    /// `unknown`, `active`, `superseded`, `revoked` or `expired`.
    pub status: String,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_reason: Option<String>,
    /// When it should be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<RenewalInfo>,
}

/// When a certificate should be renewed (RFC 9773).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RenewalInfo {
    /// At any instant within this; one that has passed means now.
    pub suggested_window: Window,
    /// Why it is earlier than usual.
    #[serde(default)]
    pub explanation: Option<String>,
    /// In how many seconds to look again.
    pub retry_after: i64,
}

/// From an instant to another.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Window {
    /// The first instant.
    pub start: Timestamp,
    /// The last instant.
    pub end: Timestamp,
}

/// A certificate shall be revoked.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RevocationRequest {
    /// A reason of RFC 5280 §5.3.1, as `keyCompromise`; `unspecified` when absent.
    pub reason: Option<String>,
}

/// A certificate is revoked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Revocation {
    /// Always true.
    pub success: bool,
    /// Its serial, in hexadecimal.
    pub serial: String,
    /// Whether it was revoked before.
    pub already: bool,
    /// When.
    pub revoked_at: Option<Timestamp>,
}
