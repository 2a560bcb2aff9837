//! What the operator decides about couriers as a whole.

use std::time::Duration;

use super::issuer_keys::DocumentFetch;
use super::prove::RequestSend;

/// Settings of couriers.
#[derive(Clone, Debug)]
pub struct CourierSettings {
    /// How the appliance calls itself towards couriers, without a slash at its end: the audience of their tokens, and where proofs of
    /// requests say they go (RFC 9449). By default where couriers reach the API.
    pub identity: String,
    /// How long a session lasts.
    pub session_lifetime: Duration,
    /// Attempts to authenticate per minute and courier from one address (IPv6: network of 64 bits).
    pub attempts_per_courier: u32,
    /// Attempts to authenticate per minute and address.
    pub attempts_per_address: u32,
    /// How long a courier may take to say that a certificate is in use, before that raises an alarm.
    pub acknowledge_within: Duration,
    /// How long a courier may not be seen, before that raises an alarm.
    pub silent_after: Duration,
    /// Whether clients are asked for a certificate on connections, so that couriers may sign in with it.
    pub asks_for_certificates: bool,
    /// Addresses of the security token service of AWS (STS) to which requests are sent that couriers signed; none when empty.
    pub sts_endpoints: Vec<String>,
    /// How those are sent.
    pub send_request: Option<RequestSend>,
    /// How keys of others are fetched; only pinned ones count when absent.
    pub fetch_document: Option<DocumentFetch>,
}

impl CourierSettings {
    /// The defaults under this identity.
    pub fn new(identity: &str) -> Self {
        Self {
            identity: identity.trim_end_matches('/').to_owned(),
            session_lifetime: Duration::from_hours(1),
            attempts_per_courier: 30,
            attempts_per_address: 600,
            acknowledge_within: Duration::from_hours(1),
            silent_after: Duration::from_hours(36),
            asks_for_certificates: false,
            sts_endpoints: Vec::new(),
            send_request: None,
            fetch_document: None,
        }
    }
}
