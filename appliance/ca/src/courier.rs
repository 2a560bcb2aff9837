//! Couriers: programs on other machines that fetch and renew certificates by themselves. Who they are (`record`, `credential`), how
//! they show it (`session`, `prove`), what they may have (`domain`, `policy`, `checks`), what they ask for (`wanted`, `order`, `status`),
//! and keys that are made for them (`platform`).
//!
//! Nothing of them is kept in memory: each request reads what it needs, so that what an operator changes counts at once on every
//! server.

mod bearing;
mod binding;
mod bridge;
mod checks;
mod credential;
mod discovery;
mod domain;
mod issuer_keys;
mod key_name;
mod key_owner;
mod limit;
mod method;
mod nonce;
mod order;
mod ordered;
mod placing;
mod platform;
mod policy;
mod prove;
mod record;
mod remark;
mod secret;
mod session;
mod settings;
mod settle;
mod spelling;
mod status;
mod turned_away;
mod under_way;
mod wanted;
mod watch;

use std::sync::OnceLock;

use aws_lc_rs::hmac;
use tokio::sync::Semaphore;

pub use bearing::{Bearing, BodyClaim, Forwarded};
pub use binding::{Binding, CertificateBinding, KeySource, SpiffeBinding, TokenBinding};
pub use bridge::{
    AttestedRequest, Bridge, BridgeCertificate, BridgeRegistration, BridgeReport, BridgeStatus,
    BridgeTokenRequest, NewBridgeToken,
};
pub use checks::Preflight;
pub use credential::{Credential, NewClientSecret, SecretRequest};
pub use discovery::{
    Discovered, DiscoveryFilter, DiscoveryScan, DiscoverySummary, FoundOnHost, FoundPage, Place, ScanCounts,
    Triage,
};
pub use domain::Domain;
pub use issuer_keys::{DocumentFetch, Fetching, MOST_DOCUMENT};
pub use method::{Method, MethodSwitch};
pub use nonce::Challenge;
pub use ordered::{
    CourierOrder, CourierOrderRequest, CourierOrderStatus, FetchedCertificate, OrderFault, OrderFilter,
    OrderKey, OrderKind, OrderWarning, OrderedCertificate, PlatformOrder,
};
pub use policy::PolicyEntry;
pub use prove::{RequestSend, Sending, Shown, SignedRequest};
pub use record::{Courier, CourierChange, CourierRecord, CourierStatus, NewCourier, PlatformKeys, Quotas};
pub use session::{Authentication, ClientFacts, CourierSession, OpenedSession};
pub use settings::CourierSettings;
pub use settle::Settled;
pub use status::{CertificateStanding, CertificateState, CourierProfile, CourierView, RenewalWindow};
pub use watch::{Alarm, AlarmFilter, Watched};

/// What is shared by all requests of couriers: keys of others, and a few things that are made once.
#[derive(Debug)]
pub(crate) struct CourierState {
    issuer_keys: issuer_keys::IssuerKeys,
    challenge_key: OnceLock<hmac::Key>,
    /// Secrets that are hashed at the same time: each takes 19 MiB and a core.
    hashing: Semaphore,
    /// Orders that are worked on here.
    under_way: under_way::UnderWay,
    /// One bridge after the other is registered here.
    registering: tokio::sync::Mutex<()>,
}

impl Default for CourierState {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            issuer_keys: issuer_keys::IssuerKeys::default(),
            challenge_key: OnceLock::new(),
            hashing: Semaphore::new(cores),
            under_way: under_way::UnderWay::default(),
            registering: tokio::sync::Mutex::default(),
        }
    }
}
