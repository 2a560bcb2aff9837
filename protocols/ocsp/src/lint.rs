//! Rules that a response must pass before it is signed, one to a file, each with the clause it stands on.
//!
//! The rules judge the octets about to be signed, read back by the parser of the client side, and not the input they
//! were made from: a fault of the writer is found like a fault of the caller.

mod extended_revoke_declared;
mod extensions_not_critical;
mod extensions_unique;
mod has_status;
mod next_update_after_this_update;
mod next_update_present;
mod next_update_within_responder;
mod nonce_length;
mod produced_within_responder;
mod reason_not_remove_from_crl;
mod reason_not_unspecified;
mod responder_authorised;
mod responder_by_key;
mod responder_is_signer;
mod revoked_before_produced;
mod statuses_agree;
mod this_update_not_after_produced;

#[cfg(test)]
mod sample;

use jiff::Timestamp;
use pki::lint::{Finding, Report, Rule, Severity};
use pki::{Certificate, Linted, OcspTbs, Tbs};

use const_oid::db::rfc5280::ID_KP_OCSP_SIGNING;

use crate::response_data::ResponseData;

/// What the rules need to know of the signer. Made once per responder certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responder {
    key_id: [u8; 20],
    not_before: Timestamp,
    not_after: Timestamp,
    is_authorised: bool,
}

impl Responder {
    /// The CA answers with its own key.
    pub fn ca(certificate: &Certificate) -> Self {
        Self {
            is_authorised: certificate.is_ca(),
            ..Self::delegated(certificate)
        }
    }

    /// A responder with a certificate of its own answers for the CA.
    pub fn delegated(certificate: &Certificate) -> Self {
        Self {
            key_id: certificate.public_key().key_id(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            is_authorised: certificate.extended_key_usage().contains(&ID_KP_OCSP_SIGNING),
        }
    }
}

/// What a rule looks at.
#[derive(Debug, Clone)]
pub struct View {
    data: ResponseData,
    responder: Responder,
}

/// All rules, in the order they are reported.
pub const RULES: &[Rule<View>] = &[
    has_status::RULE,
    statuses_agree::RULE,
    responder_by_key::RULE,
    responder_is_signer::RULE,
    responder_authorised::RULE,
    produced_within_responder::RULE,
    this_update_not_after_produced::RULE,
    next_update_present::RULE,
    next_update_after_this_update::RULE,
    next_update_within_responder::RULE,
    revoked_before_produced::RULE,
    reason_not_remove_from_crl::RULE,
    reason_not_unspecified::RULE,
    extended_revoke_declared::RULE,
    nonce_length::RULE,
    extensions_unique::RULE,
    extensions_not_critical::RULE,
];

/// Runs the rules over the bytes to sign; the proof is what the signer and [`crate::Template::assemble`] take.
pub fn check(tbs: Tbs<OcspTbs>, responder: &Responder) -> Result<Linted<Tbs<OcspTbs>>, Report> {
    let data = ResponseData::parse(tbs.der()).map_err(|fault| unreadable(&fault))?;
    pki::lint::run(
        tbs,
        &View {
            data,
            responder: *responder,
        },
        RULES,
    )
}

fn unreadable(fault: &der::Error) -> Report {
    Report {
        findings: vec![Finding {
            rule: "ocsp_well_formed".to_owned(),
            severity: Severity::Error,
            citation: "RFC 6960 §4.2.1".to_owned(),
            message: format!("the octets are not the DER of a ResponseData: {fault}"),
        }],
    }
}

#[cfg(test)]
mod tests;
