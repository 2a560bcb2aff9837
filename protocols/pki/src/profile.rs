//! Certificate profiles: what may be asked of an issuer and what a certificate of each sort looks like, as data.
//!
//! A profile is read from TOML or JSON (unknown keys are errors), checked as a whole by [`Profile::check`], and applied
//! by two pure functions: [`order_from_csr`] decides whether a request may become an order, [`build`] turns an order
//! into the bytes to sign. Nothing is ever copied from a request that the profile does not name, and the same
//! (profile, order, issuer, serial, time) always gives the same bytes.

mod authority;
mod build;
pub(crate) mod certificate_policy;
mod check;
pub(crate) mod extension_ids;
mod extensions;
mod ip_range;
mod issuer_view;
mod lifetime;
mod name_policy;
mod order;
mod pattern;
mod ready;
mod refusal;
mod subject_policy;
mod usage;
mod validity;

use serde::{Deserialize, Serialize};

use crate::KeyAlgorithm;

pub use authority::{AuthorityPolicy, NameConstraintsPolicy, Subtree, SubtreeFault};
pub use build::{Template, build};
pub use certificate_policy::CertificatePolicy;
pub use check::Problem;
pub use ip_range::{IpRange, IpRangeFault};
pub use issuer_view::{IssuerView, Urls};
pub use lifetime::{Lifetime, LifetimeFault};
pub use name_policy::NamePolicy;
pub use order::{Order, order_from_csr, without_repeats};
pub use pattern::{Pattern, PatternFault};
pub use refusal::ProfileRefusal;
pub use subject_policy::{AttributeType, AttributeTypeFault, SubjectPolicy};
pub(crate) use usage::KEY_USAGE_NAMES;
pub use usage::{ExtendedKeyUsage, ExtendedKeyUsageFault};

/// One sort of certificate.
// stored: profiles are kept as JSON
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: lower-case letters, digits and hyphens, 1 to 64 of them.
    pub name: String,
    /// One line for people choosing a profile.
    #[serde(default)]
    pub description: String,
    /// The kinds and sizes of key a certificate may be asked for.
    #[serde(default = "default_key_algorithms")]
    pub key_algorithms: Vec<KeyAlgorithm>,
    /// The purposes written into the extendedKeyUsage extension, from which the key usage follows; empty leaves the
    /// extension out. RFC 5280 §4.2.1.12.
    #[serde(default)]
    pub extended_key_usages: Vec<ExtendedKeyUsage>,
    /// Which subject alternative names may be asked for.
    #[serde(default)]
    pub names: NamePolicy,
    /// Which attributes the subject may have.
    #[serde(default)]
    pub subject: SubjectPolicy,
    /// How long a certificate lives when the order does not say.
    pub default_validity: Lifetime,
    /// The longest a certificate may live, counted from issuance; longer wishes are cut to this.
    pub max_ttl: Lifetime,
    /// How far notBefore lies before issuance, for relying parties whose clocks are slow.
    #[serde(default = "default_backdate")]
    pub backdate: Lifetime,
    /// A certificate living less than this is short-lived: no CRL or OCSP pointers, no must-staple, and the noRevAvail
    /// extension instead (RFC 9608). Zero turns this off.
    #[serde(default = "default_short_lived_below")]
    pub short_lived_below: Lifetime,
    /// Whether TLS servers must staple an OCSP response (RFC 7633).
    #[serde(default)]
    pub must_staple: bool,
    /// Whether relying parties shall not ask for the certificate's own status; for OCSP responders only
    /// (RFC 6960 §4.2.2.2.1).
    #[serde(default)]
    pub ocsp_no_check: bool,
    /// Whether the Microsoft security identifier extension (1.3.6.1.4.1.311.25.2) is written when the order's trusted
    /// field has a value. It is never taken from a request.
    #[serde(default)]
    pub microsoft_sid: bool,
    /// Which pointers to the issuer's services are written.
    #[serde(default)]
    pub pointers: Pointers,
    /// The certificate policies written, RFC 5280 §4.2.1.4; empty leaves the extension out.
    #[serde(default)]
    pub certificate_policies: Vec<CertificatePolicy>,
    /// Present in profiles of certification authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<AuthorityPolicy>,
}

/// Which pointers to the issuer's services a certificate carries. Each is written when it is on here and the issuer
/// has such an address.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pointers {
    /// Where the issuer's certificate is, RFC 5280 §4.2.2.1.
    pub ca_issuers: bool,
    /// Where the OCSP responder is, RFC 5280 §4.2.2.1.
    pub ocsp: bool,
    /// Where the CRL is, RFC 5280 §4.2.1.13.
    pub crl: bool,
}

impl Default for Pointers {
    fn default() -> Self {
        Self {
            ca_issuers: true,
            ocsp: true,
            crl: true,
        }
    }
}

impl Profile {
    /// A profile of this name with a validity and nothing else: no purposes, no names, the default kinds of key.
    pub fn new(name: &str, default_validity: Lifetime, max_ttl: Lifetime) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            key_algorithms: default_key_algorithms(),
            extended_key_usages: Vec::new(),
            names: NamePolicy::default(),
            subject: SubjectPolicy::default(),
            default_validity,
            max_ttl,
            backdate: default_backdate(),
            short_lived_below: default_short_lived_below(),
            must_staple: false,
            ocsp_no_check: false,
            microsoft_sid: false,
            pointers: Pointers::default(),
            certificate_policies: Vec::new(),
            authority: None,
        }
    }

    /// The profiles every appliance starts with, ordered as they are shown.
    pub fn ready() -> &'static [Self] {
        ready::all()
    }

    /// The ready-made profile of this name.
    pub fn ready_named(name: &str) -> Option<&'static Self> {
        Self::ready().iter().find(|profile| profile.name == name)
    }

    /// Everything that is wrong with the profile, not only the first thing; empty when it can be used.
    pub fn check(&self) -> Vec<Problem> {
        check::problems(self)
    }

    /// Whether certificates of this profile are certification authorities.
    pub fn is_authority(&self) -> bool {
        self.authority.is_some()
    }
}

fn default_key_algorithms() -> Vec<KeyAlgorithm> {
    use KeyAlgorithm::{Ed25519, MlDsa44, MlDsa65, MlDsa87, P256, P384, P521, Rsa};
    vec![
        Rsa(2048),
        Rsa(3072),
        Rsa(4096),
        P256,
        P384,
        P521,
        Ed25519,
        MlDsa44,
        MlDsa65,
        MlDsa87,
    ]
}

fn default_backdate() -> Lifetime {
    Lifetime::minutes(5)
}

fn default_short_lived_below() -> Lifetime {
    Lifetime::hours(1)
}
