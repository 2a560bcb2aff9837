//! Lint before signing: rules over the bytes that are about to be signed.
//!
//! The builders of this crate should make only good objects; the lint does not trust them. It reads the finished bytes
//! again, as a relying party would, and holds them against the standards, one rule per file. A finding of severity error
//! refuses. What passes becomes a [`Linted`] value, the only thing that can be signed.

mod certificate;
mod certificate_view;
mod crl;
mod crl_view;
mod finding;
mod linted;
mod time_field;

use crate::{OcspTbs, Tbs};

pub use certificate::{Context, RULES as CERTIFICATE_RULES, certificate};
pub use certificate_view::CertificateView;
pub use crl::{CrlContext, RULES as CRL_RULES, crl, crl_entry, crl_parts};
pub use crl_view::CrlView;
pub use finding::{Finding, Report, Rule, Severity};
pub use linted::Linted;

/// Lints an OCSP response about to be signed, by rules that live with the OCSP codec.
///
/// Certificates and CRLs have their own doors, [`certificate`] and [`crl`], and no other: nobody outside can choose the
/// rules they are held against. The view must be made of the very bytes in `tbs`.
pub fn run<V>(tbs: Tbs<OcspTbs>, view: &V, rules: &[Rule<V>]) -> Result<Linted<Tbs<OcspTbs>>, Report> {
    judge(tbs, view, rules)
}

/// Holds a view of the TBS bytes against a table of rules.
fn judge<K, V>(tbs: Tbs<K>, view: &V, rules: &[Rule<V>]) -> Result<Linted<Tbs<K>>, Report> {
    judge_as(tbs, view, rules)
}

/// Holds a view of something about to be signed against a table of rules.
fn judge_as<T, V>(value: T, view: &V, rules: &[Rule<V>]) -> Result<Linted<T>, Report> {
    let findings: Vec<Finding> = rules.iter().filter_map(|rule| rule.finding(view)).collect();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        Err(Report { findings })
    } else {
        Ok(Linted::new(value, findings))
    }
}
