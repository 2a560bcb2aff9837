//! `[couriers]`: how the appliance calls itself towards couriers, and what it asks of those whose tokens they show.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Longest session: a day.
const MOST_MINUTES: u32 = 24 * 60;
/// The hours after which a courier may be called silent: it asks once a day at the most, when it is started every twelve hours.
const LEAST_HOURS: u32 = 26;
/// A year.
const MOST_HOURS: u32 = 366 * 24;
/// Most attempts that can be set.
const MOST_ATTEMPTS: u32 = 1_000_000;

/// `[couriers]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Couriers {
    /// The audience of tokens for this appliance.
    pub(crate) identity: Option<String>,
    /// Minutes that a session lasts.
    pub(crate) session_minutes: u32,
    /// Attempts to sign in per minute, courier and address.
    pub(crate) attempts_per_courier: u32,
    /// Attempts to sign in per minute and address.
    pub(crate) attempts_per_address: u32,
    /// Minutes within which a courier says that a certificate is in use.
    pub(crate) acknowledge_within_minutes: u32,
    /// Hours that a courier may not be seen.
    pub(crate) silent_after_hours: u32,
    /// Whether connections ask for a certificate.
    pub(crate) client_certificates: bool,
    /// Whether keys are fetched from issuers.
    pub(crate) fetch_keys: bool,
    /// Addresses of STS to which signed requests are sent.
    pub(crate) sts_endpoints: Vec<String>,
    /// Authorities (PEM) that may certify issuers.
    pub(crate) tls_roots: Option<PathBuf>,
}

impl Default for Couriers {
    fn default() -> Self {
        Self {
            identity: None,
            session_minutes: 60,
            attempts_per_courier: 30,
            attempts_per_address: 600,
            acknowledge_within_minutes: 60,
            silent_after_hours: 36,
            client_certificates: false,
            fetch_keys: true,
            sts_endpoints: Vec::new(),
            tls_roots: None,
        }
    }
}

impl Couriers {
    /// What is wrong, each with its key.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let is_odd = |identity: &String| {
            identity.is_empty()
                || identity.len() > 255
                || !identity.bytes().all(|octet| octet.is_ascii_graphic())
        };
        if self.identity.as_ref().is_some_and(is_odd) {
            problems.push((
                "couriers.identity",
                "1 to 255 printable characters without blanks".to_owned(),
            ));
        }
        for (key, value, most) in [
            ("couriers.session_minutes", self.session_minutes, MOST_MINUTES),
            (
                "couriers.attempts_per_courier",
                self.attempts_per_courier,
                MOST_ATTEMPTS,
            ),
            (
                "couriers.attempts_per_address",
                self.attempts_per_address,
                MOST_ATTEMPTS,
            ),
        ] {
            if !(1..=most).contains(&value) {
                problems.push((key, format!("1 to {most}")));
            }
        }
        if !(1..=MOST_MINUTES).contains(&self.acknowledge_within_minutes) {
            problems.push((
                "couriers.acknowledge_within_minutes",
                format!("1 to {MOST_MINUTES}"),
            ));
        }
        if !(LEAST_HOURS..=MOST_HOURS).contains(&self.silent_after_hours) {
            let why = format!("{LEAST_HOURS} to {MOST_HOURS}: a courier with nothing to do asks once a day");
            problems.push(("couriers.silent_after_hours", why));
        }
        problems
    }
}
