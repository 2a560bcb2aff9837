//! What couriers and the appliance say to each other: requests, answers and errors of `/api/v1/courier/`, and how long they may be.
//!
//! Requests are read strictly: a member that is not known is an error, so that nobody believes to have asked for something. Answers
//! are read leniently: an appliance may tell more than a courier knows. Secrets are wiped when they are dropped and never shown.

mod bridge;
mod certificate;
mod code;
mod discovery;
mod order;
mod secret;
mod sign_in;

pub use bridge::{
    ASSERTION_AGE, ASSERTION_HEADER, ASSERTION_TYPE, Assertion, BRIDGE_HEADERS, BRIDGE_PROTOCOL,
    BridgeCertificate, BridgeHeartbeat, BridgeRegistration, BridgeRenewal, BridgeStanding, MAX_ASSERTION,
    attested_request,
};
pub use certificate::{
    CertificateAnswer, CertificateStatus, Fingerprints, RenewalInfo, Revocation, RevocationRequest, Statuses,
    Window,
};
pub use code::{Code, Detail, Envelope, Reasons};
pub use discovery::{DiscoveryAnswer, DiscoveryPage, FoundCertificate, FoundPlace, ScanCounts};
pub use order::{
    Ack, AckFile, AckHook, Certificate, KeyAnswer, KeySpec, Order, OrderAnswer, OrderError, OrderRequest,
    Orders, Preflight, Replaced, RequestedBy, Sans, Subject, Warning,
};
pub use secret::Secret;
pub use sign_in::{
    AuthRequest, Challenge, Client, Courier, Credential, Health, Opened, OwnRecord, Profile, Report, Session,
    SignedRequest, Verified,
};

/// Longest body of a request, in octets.
pub const MAX_BODY: usize = 64 * 1024;
/// Longest certificate request, in octets of PEM.
pub const MAX_CSR: usize = 16 * 1024;
/// Most subject alternative names.
pub const MAX_NAMES: usize = 100;
/// Most certificates on a page of what was found.
pub const MAX_FOUND: usize = 50;
/// Most places of a certificate that are told.
pub const MAX_PLACES: usize = 16;
/// Longest path that is told, in octets.
pub const MAX_PATH: usize = 1024;
/// Longest wait for an order in one request, in seconds.
pub const MAX_WAIT_SECONDS: u64 = 25;
/// Most certificates whose status is asked for at once.
pub const MAX_FINGERPRINTS: usize = 100;
