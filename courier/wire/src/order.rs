//! Orders.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A certificate is asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// `issue` or `renew`.
    pub kind: String,
    /// Where the key is made: `local` or `platform`.
    pub key_mode: String,
    /// The request, PKCS#10 in PEM; with `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr_pem: Option<String>,
    /// The profile; that of what is replaced, or the first of the record, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How many days it shall live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity_days: Option<u32>,
    /// What is replaced; with `renew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaced>,
    /// `name`: what the courier calls the certificate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// With `local` they have to agree with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// With `local` they have to agree with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sans: Option<Sans>,
    /// The kind of key; with `platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_spec: Option<KeySpec>,
    /// The digest that a request would be signed with, for the policies: `sha256`, `sha384` or `sha512`; with `platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// For whom the key is encrypted, a JWK; with `platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub recipient: Option<Value>,
    /// With `platform`: a proof (RFC 9449) by the key of the session with `htm` `POST` and as `htu` the thumbprint of the recipient,
    /// `urn:ietf:params:oauth:jwk-thumbprint:sha-256:…` (RFC 9278); made anew each time that the order is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_proof: Option<String>,
}

/// A kind of key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// `ec-256`, `ec-384`, `ec-521`, `rsa-2048`, `rsa-3072`, `rsa-4096` or `ed25519`.
    pub algorithm: String,
}

/// A key that the appliance made.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyAnswer {
    /// Always true.
    pub success: bool,
    /// PKCS#8, encrypted to the recipient of the order: a JWE in compact form (RFC 7516).
    pub jwe: String,
}

/// A certificate that is replaced.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// SHA-256 of it, in hexadecimal.
    pub fingerprint_sha256: String,
}

/// A subject.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Subject {
    /// CN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// O.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// OU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizational_unit: Option<String>,
    /// C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// ST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// L.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
}

/// Subject alternative names.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Sans {
    /// Names of the DNS.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip: Vec<String>,
    /// Mailboxes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub email: Vec<String>,
    /// URIs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uri: Vec<String>,
}

/// An order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrderAnswer {
    /// Always true.
    pub success: bool,
    /// The order.
    pub order: Order,
}

/// Orders.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Orders {
    /// Always true.
    pub success: bool,
    /// The orders, the oldest first.
    pub orders: Vec<Order>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Order {
    /// Its identifier.
    pub uuid: String,
    /// `pending`, `checking`, `pending_approval`, `signing`, `issued`, `delivered`, `installed`, `rejected`, `failed`,
    /// `cancelled` or `expired`.
    pub status: String,
    /// `issue` or `renew`.
    pub kind: String,
    /// `local` or `platform`.
    pub key_mode: String,
    /// Who asked.
    pub requested_by: RequestedBy,
    /// The names.
    pub names: Vec<String>,
    /// Under which profile.
    pub profile: String,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last moved on.
    pub updated_at: Timestamp,
    /// Until when somebody must have come for it.
    pub expires_at: Timestamp,
    /// What was remarked.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Why it ended in vain.
    #[serde(default)]
    pub error: Option<OrderError>,
    /// What came of it.
    #[serde(default)]
    pub certificate: Option<Certificate>,
}

/// Who asked for an order.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RequestedBy {
    /// `courier`.
    pub r#type: String,
    /// Its identifier.
    pub uuid: String,
    /// Its name.
    pub name: String,
}

/// What a policy remarked without refusing.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Warning {
    /// The policy.
    #[serde(default)]
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// One sentence for people.
    pub message: String,
}

/// Why an order ended in vain.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrderError {
    /// Stable code.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// Whether the same may succeed later.
    pub retryable: bool,
}

/// The certificate of an order.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// Its serial, in hexadecimal.
    pub serial: String,
    /// SHA-256 of it, in hexadecimal.
    pub fingerprint_sha256: String,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
}

/// What an order would come to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Preflight {
    /// Always true.
    pub success: bool,
    /// The names.
    pub names: Vec<String>,
    /// Under which profile.
    pub profile: String,
    /// What is remarked.
    pub warnings: Vec<Warning>,
}

/// A certificate is in use.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// When it was installed.
    pub installed_at: Timestamp,
    /// SHA-256 of it, in hexadecimal.
    pub fingerprint_sha256: String,
    /// Where it lies, without what lies there.
    #[serde(default)]
    pub files: Vec<AckFile>,
    /// What became of the hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<AckHook>,
    /// SHA-256 of the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_fingerprint_sha256: Option<String>,
}

/// A file that was written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AckFile {
    /// What it is for: `certificate`, `private_key`, …
    pub role: String,
    /// SHA-256 of its path.
    pub path_hash: String,
}

/// What became of a hook.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AckHook {
    /// What it was run for.
    pub event: String,
    /// What it ended with.
    pub exit_code: Option<i32>,
    /// Whether it took too long.
    pub timed_out: bool,
}
