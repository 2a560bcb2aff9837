//! What the operator decides about the authority as a whole. Values, checked by the program that reads them.

use std::path::PathBuf;
use std::time::Duration;

use pki::key::Blocklist;

use crate::courier::CourierSettings;
use crate::retention::Retention;

/// Settings of the authority.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where relying parties reach the public listener, without a slash at its end: `http://pki.example`. It is written
    /// into certificates, so it must be plain `http` and must last.
    pub base_url: String,
    /// How long a CRL is good for: nextUpdate − thisUpdate.
    pub crl_lifetime: Duration,
    /// How often a CRL is made when nothing is revoked.
    pub crl_interval: Duration,
    /// How long a delegated responder's certificate lives; it is renewed after half of that.
    pub responder_lifetime: Duration,
    /// How long an OCSP answer is good for: nextUpdate − thisUpdate; it is signed anew after half of that.
    pub ocsp_lifetime: Duration,
    /// Whether answers about what is revoked are signed before anybody asks.
    pub ocsp_sign_ahead: bool,
    /// Most OCSP answers kept in memory.
    pub ocsp_cache_entries: usize,
    /// Most OCSP answers that are signed on demand at the same time; who comes after is told tryLater at once.
    pub ocsp_on_demand: usize,
    /// Where signed OCSP answers are kept for later starts and beyond what memory holds; nowhere when absent. What is in it
    /// can be lost at any time without harm.
    pub ocsp_folder: Option<PathBuf>,
    /// How often the audit log is looked after: how long an entry may wait for a checkpoint.
    pub audit_interval: Duration,
    /// Where the audit log is written out as files; nowhere when absent.
    pub audit_folder: Option<PathBuf>,
    /// The token for the key of the audit log; where the keys of the CAs are when absent.
    pub audit_token: Option<String>,
    /// How long a signature may take before the request is given up.
    pub sign_deadline: Duration,
    /// Keys that are not certified, beyond those that are known here to be weak.
    pub blocklists: Vec<Blocklist>,
    /// What goes when it is old enough.
    pub retention: Retention,
    /// How far the clock may fall behind the latest time the store has seen before issuing is refused.
    pub clock_tolerance: Duration,
    /// How long a server that shares its store may be without word of what the others change before it signs no OCSP answer any
    /// more that says good or unknown.
    pub store_lag: Duration,
    /// Couriers.
    pub couriers: CourierSettings,
}

impl Settings {
    /// The defaults with this public address; a slash at its end is dropped.
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            crl_lifetime: Duration::from_hours(7 * 24),
            crl_interval: Duration::from_hours(24),
            responder_lifetime: Duration::from_hours(14 * 24),
            ocsp_lifetime: Duration::from_hours(24),
            ocsp_sign_ahead: true,
            ocsp_cache_entries: 100_000,
            ocsp_on_demand: 1024,
            ocsp_folder: None,
            audit_interval: Duration::from_secs(5),
            audit_folder: None,
            audit_token: None,
            sign_deadline: Duration::from_secs(10),
            blocklists: Vec::new(),
            retention: Retention::for_ever(),
            clock_tolerance: Duration::from_mins(1),
            store_lag: Duration::from_secs(20),
            couriers: CourierSettings::new(base_url),
        }
    }
}
