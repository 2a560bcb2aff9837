//! Bridges: how an instance registers and renews its certificate, and how it attests where a request came from.
//!
//! The assertion is a compact JWS (RFC 7515) by the key of the instance. It is worth something only on a connection that the same
//! instance opened with its certificate, once, and for the request whose digest it names.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// What a bridge offers in ALPN (RFC 7301) when it shows its certificate: only who offers it is asked for one. Behind it HTTP/1.1 is
/// spoken.
pub const BRIDGE_PROTOCOL: &[u8] = b"chancery-bridge/1";
/// The header with the assertion.
pub const ASSERTION_HEADER: &str = "chancery-bridge-assertion";
/// What every header that a bridge makes begins with: any such header of a client is dropped.
pub const BRIDGE_HEADERS: &str = "chancery-bridge-";
/// `typ` of an assertion.
pub const ASSERTION_TYPE: &str = "chancery-bridge+jwt";
/// How old an assertion may be, and how far ahead, in seconds.
pub const ASSERTION_AGE: i64 = 60;
/// Longest assertion, in octets.
pub const MAX_ASSERTION: usize = 2048;

/// What an instance attests of one request.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The instance.
    pub iss: String,
    /// The address of the client.
    pub client_ip: String,
    /// Seconds since 1970.
    pub iat: i64,
    /// A name that no other assertion of the instance has.
    pub jti: String,
    /// SHA-256 over [`attested_request`], base64url.
    pub request: String,
}

/// The request that an assertion is about, in a form that both sides hash: method, host, path with query, and the digest of the
/// body.
pub fn attested_request(method: &str, host: &str, target: &str, body_sha256: &[u8; 32]) -> Vec<u8> {
    let mut text = Vec::with_capacity(method.len() + host.len() + target.len() + 40);
    for part in [method, host, target] {
        // None of the three has a line feed, so that no two requests have the same form.
        text.extend_from_slice(part.as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice(body_sha256);
    text
}

/// The registration of an instance.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BridgeRegistration {
    /// The token, good for one registration.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub token: Secret,
    /// The certificate request of the key that the instance made, PEM.
    pub csr_pem: String,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The renewal of the certificate of an instance, over a connection with the one that it has.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BridgeRenewal {
    /// The certificate request of the next key, PEM.
    pub csr_pem: String,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The certificate of an instance.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BridgeCertificate {
    /// Always true.
    pub success: bool,
    /// The instance.
    pub instance: String,
    /// Its certificate and those above it, PEM, its own first.
    pub certificate_pem: String,
    /// When it ends; the next one is asked for at two thirds of its life.
    pub not_after: Timestamp,
}

/// What an instance says of itself while it is at work.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BridgeHeartbeat {
    /// `terminate` or `tunnel`.
    pub mode: String,
    /// Connections of couriers at present.
    pub connections_open: u64,
    /// Requests and tunnels since it was started.
    pub requests: u64,
    /// Those of them that did not get through to the appliance.
    pub failures: u64,
    /// Since when it is at work.
    pub started_at: Timestamp,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What an instance is told of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BridgeStanding {
    /// Always true.
    pub success: bool,
    /// `active`, or `pending` while it waits for approval.
    pub status: String,
    /// After how many seconds it says again that it is at work.
    pub next_seconds: u64,
}

impl BridgeStanding {
    /// The status of an instance that waits for approval.
    pub const PENDING: &str = "pending";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_requests_have_the_same_form() {
        let of = |method, host, target| attested_request(method, host, target, &[7; 32]);
        let one = of("GET", "a", "/b");
        for other in [of("GET", "a/", "b"), of("GETa", "", "/b"), of("GET", "a", "/b?c")] {
            assert_ne!(one, other);
        }
        assert_ne!(one, attested_request("GET", "a", "/b", &[8; 32]));
    }
}
