//! The rules for certificate revocation lists, one per file.

mod authority_key_id;
mod delta_indicator;
mod entries_not_empty;
mod entries_sorted;
mod entry_dates;
mod entry_extensions;
mod entry_reasons;
mod entry_serials;
mod extensions;
mod freshest;
mod issuer_name;
mod issuing_distribution_point;
mod number;
#[cfg(test)]
pub(crate) mod sample;
mod signature_algorithm;
mod time_encoding;
mod updates;
mod version_2;

pub(super) use entry_reasons::REMOVE_FROM_CRL;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use crate::crl::{CrlParts, EncodedEntry, RevokedEntry, entry_der};
use crate::lint::crl_view::EntryView;
use crate::lint::{CrlView, Linted, Report, Rule, Severity, judge, judge_as};
use crate::profile::IssuerView;
use crate::{CrlTbs, Serial, Tbs};

/// `id-ce-issuingDistributionPoint`, RFC 5280 §5.2.5; x509-cert gives its type another identifier.
pub(crate) const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// What the rules for revocation lists need to know besides the bytes.
#[derive(Clone, Copy, Debug)]
pub struct CrlContext<'a> {
    /// Who will sign.
    pub issuer: &'a IssuerView,
    /// The number of the last list of the same scope; `None` before the first.
    pub previous_number: Option<u64>,
    /// The address that the issuing distribution point must have when the list covers a part of the certificates.
    pub distribution_point: Option<&'a str>,
    /// The time of the lint.
    pub now: Timestamp,
}

/// Every rule for revocation lists, in the order of the fields they are about.
pub static RULES: &[Rule<CrlView>] = &[
    version_2::RULE,
    signature_algorithm::RULE,
    issuer_name::RULE,
    updates::RULE,
    time_encoding::RULE,
    entries_not_empty::RULE,
    entries_sorted::RULE,
    entry_serials::RULE,
    entry_dates::RULE,
    entry_extensions::RULE,
    entry_reasons::RULE,
    extensions::RULE,
    authority_key_id::RULE,
    number::RULE,
    delta_indicator::RULE,
    freshest::RULE,
    issuing_distribution_point::RULE,
];

/// The rules that look at one entry by itself: they are run once in an entry's life, when it is encoded.
static ENTRY_RULES: &[Rule<EntryView>] = &[
    time_encoding::ENTRY_RULE,
    entry_serials::ENTRY_RULE,
    entry_extensions::ENTRY_RULE,
    entry_reasons::ENTRY_RULE,
];

/// Encodes an entry, reads it back and lints it. Lists are put together from such entries.
pub fn crl_entry(entry: &RevokedEntry) -> Result<Linted<EncodedEntry>, Report> {
    let unreadable = |cause: String| {
        let message = format!("the bytes are not an entry: {cause}");
        Report::unreadable("crl_encoding", "RFC 5280 §5.1", message)
    };
    let mut der = Vec::with_capacity(64);
    entry_der(entry, &mut der);
    let view = EntryView::from_der(&der).map_err(|cause| unreadable(cause.to_string()))?;
    let findings: Vec<_> = ENTRY_RULES
        .iter()
        .filter_map(|rule| rule.finding(&view))
        .collect();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Report { findings });
    }
    let encoded = EncodedEntry {
        serial: Serial::from_unsigned(&view.serial).map_err(|fault| unreadable(fault.to_string()))?,
        revoked_at: view.revoked_at.at.as_second(),
        is_removal: view.reason == Some(REMOVE_FROM_CRL),
        der,
    };
    Ok(Linted::new(encoded, findings))
}

/// Lints a revocation list whose entries are linted already: every rule looks at what stands around them, and at the two
/// ends of every segment with the newest date in it.
pub fn crl_parts(parts: CrlParts, context: &CrlContext<'_>) -> Result<Linted<CrlParts>, Report> {
    match CrlView::read_parts(&parts, context) {
        Ok(view) => judge_as(parts, &view, RULES),
        Err(cause) => Err(Report::unreadable(
            "crl_encoding",
            "RFC 5280 §5.1",
            format!("the pieces are not a TBSCertList: {cause}"),
        )),
    }
}

/// Lints a revocation list about to be signed.
pub fn crl(tbs: Tbs<CrlTbs>, context: &CrlContext<'_>) -> Result<Linted<Tbs<CrlTbs>>, Report> {
    match CrlView::read(&tbs, context) {
        Ok(view) => judge(tbs, &view, RULES),
        Err(cause) => Err(Report::unreadable(
            "crl_encoding",
            "RFC 5280 §5.1",
            format!("the bytes are not a TBSCertList: {cause}"),
        )),
    }
}

/// The octets of a non-negative integer without its leading zeros; compare their count first, then the octets.
pub(crate) fn magnitude(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.get(zeros..).unwrap_or_default()
}
