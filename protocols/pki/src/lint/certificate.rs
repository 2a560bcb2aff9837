//! The rules for certificates, one per file.

mod authority_key_id;
mod basic_constraints;
mod certificate_policies;
mod common_name_in_names;
mod extension_critical_known;
mod extension_encoding;
mod extension_repeats;
mod issuer_name;
mod key_usage_fits_key;
mod key_usage_fits_purpose;
mod key_usage_present;
mod mail_names;
mod microsoft_sid;
mod must_staple;
mod name_constraints;
mod name_repeats;
mod name_syntax;
mod name_wildcard;
mod no_rev_avail;
mod ocsp_no_check;
mod path_length;
mod pointer_addresses;
mod purpose_any;
mod purpose_ocsp_signing;
mod purpose_time_stamping;
mod revocation_pointer;
#[cfg(test)]
pub(crate) mod sample;
mod serial_entropy;
mod serial_length;
mod serial_positive;
mod server_names;
mod signature_algorithm;
mod subject_country;
mod subject_key;
mod subject_key_id;
mod subject_of_authority;
mod subject_or_names;
mod subject_strings;
mod unique_identifiers;
mod validity_encoding;
mod validity_order;
mod validity_within_issuer;
mod version_3;

use jiff::Timestamp;

use crate::lint::{CertificateView, Linted, Report, Rule, judge};
use crate::profile::IssuerView;
use crate::{CertificateTbs, Tbs};

/// What the rules for certificates need to know besides the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Who will sign.
    pub issuer: &'a IssuerView,
    /// The time of the lint.
    pub now: Timestamp,
}

/// Every rule for certificates, in the order of the fields they are about.
pub static RULES: &[Rule<CertificateView>] = &[
    version_3::RULE,
    serial_length::RULE,
    serial_positive::RULE,
    serial_entropy::RULE,
    signature_algorithm::RULE,
    issuer_name::RULE,
    validity_order::RULE,
    validity_encoding::RULE,
    validity_within_issuer::RULE,
    subject_of_authority::RULE,
    subject_or_names::RULE,
    subject_strings::RULE,
    subject_country::RULE,
    subject_key::RULE,
    unique_identifiers::RULE,
    extension_repeats::RULE,
    extension_critical_known::RULE,
    extension_encoding::RULE,
    basic_constraints::RULE,
    path_length::RULE,
    key_usage_present::RULE,
    key_usage_fits_key::RULE,
    key_usage_fits_purpose::RULE,
    purpose_any::RULE,
    purpose_time_stamping::RULE,
    purpose_ocsp_signing::RULE,
    name_syntax::RULE,
    name_wildcard::RULE,
    name_repeats::RULE,
    server_names::RULE,
    mail_names::RULE,
    common_name_in_names::RULE,
    subject_key_id::RULE,
    authority_key_id::RULE,
    name_constraints::RULE,
    certificate_policies::RULE,
    pointer_addresses::RULE,
    revocation_pointer::RULE,
    must_staple::RULE,
    no_rev_avail::RULE,
    ocsp_no_check::RULE,
    microsoft_sid::RULE,
];

/// Lints a certificate about to be signed.
pub fn certificate(
    tbs: Tbs<CertificateTbs>,
    context: &Context<'_>,
) -> Result<Linted<Tbs<CertificateTbs>>, Report> {
    match CertificateView::read(&tbs, context) {
        Ok(view) => judge(tbs, &view, RULES),
        Err(cause) => Err(Report::unreadable(
            "certificate_encoding",
            "RFC 5280 §4.1",
            format!("the bytes are not a TBSCertificate: {cause}"),
        )),
    }
}
