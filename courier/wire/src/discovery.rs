//! What a courier found on its host: certificates by their octets, and where each one lies.

use serde::{Deserialize, Serialize};

use crate::code::Detail;

/// A page of what a scan found.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DiscoveryPage {
    /// A UUID of the courier's choice, the same on all pages of a scan.
    pub scan: String,
    /// Whether it is the last one.
    pub last: bool,
    /// The certificates.
    pub certificates: Vec<FoundCertificate>,
    /// What was looked at; on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ScanCounts>,
}

/// A certificate, and where it lies.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FoundCertificate {
    /// DER, base64.
    pub der: String,
    /// Every file it is in.
    pub places: Vec<FoundPlace>,
}

/// A file with a certificate.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FoundPlace {
    /// Its path.
    pub path: String,
    /// Whether the courier put it there.
    #[serde(default)]
    pub managed: bool,
    /// Whether others than its owner may read the private key that lies in it or beside it.
    #[serde(default)]
    pub key_exposed: bool,
}

/// What a scan looked at.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ScanCounts {
    /// Files that were read.
    pub files: u64,
    /// Files and folders that could not be.
    pub unreadable: u64,
    /// Files that were left out: too long, no certificate in them, or beyond the most that are looked at.
    pub skipped: u64,
}

/// What came of a page.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DiscoveryAnswer {
    /// Always true.
    pub success: bool,
    /// How many certificates were noted.
    pub accepted: u32,
    /// Those that were not, by their place in the page.
    #[serde(default)]
    pub refused: Vec<Detail>,
}
