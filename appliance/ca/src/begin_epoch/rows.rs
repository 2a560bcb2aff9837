//! The rows of what is taken in again, made of its certificate and of the entry that tells of it.

use jiff::Timestamp;
use pki::Certificate;
use store::audit::LoggedEntry;
use store::certificates::CertificateRow;
use store::issuers::IssuerRow;
use store::orders::OrderRow;
use uuid::Uuid;

use super::lost::Details;

/// An orphan whose end is not known stays on the list as long as its issuer may be asked.
pub(super) fn end_of(issuer: &IssuerRow, now: Timestamp) -> i64 {
    let certificate = issuer.certificate.as_deref().map(Certificate::from_der);
    let end = certificate.and_then(Result::ok).map(|own| own.not_after());
    end.unwrap_or(now).as_millisecond()
}

/// The row of a certificate that is taken in again, by its entry.
pub(super) fn row_of(
    one: &LoggedEntry,
    issuer_id: Uuid,
    certificate: &Certificate,
    details: &Details,
) -> CertificateRow {
    CertificateRow {
        id: details.certificate_id.unwrap_or_else(crate::clock::new_id),
        issuer_id,
        serial: certificate.serial().as_bytes().to_vec(),
        profile: details.profile.clone().unwrap_or_default(),
        subject: details
            .subject
            .clone()
            .unwrap_or_else(|| certificate.subject().to_string()),
        der: certificate.der().to_vec(),
        not_before: certificate.not_before().as_millisecond(),
        not_after: certificate.not_after().as_millisecond(),
        requester: details.requester.clone().unwrap_or_default(),
        order_id: details.order_id.unwrap_or_else(crate::clock::new_id),
        replaces: details.replaces,
        created_at: one.entry.at,
        revoked_at: None,
        revocation_reason: None,
    }
}

/// The order that it was issued by.
pub(super) fn order_of(row: &CertificateRow, names: &[String]) -> OrderRow {
    OrderRow {
        id: row.order_id,
        at: row.created_at,
        requester: row.requester.clone(),
        profile: row.profile.clone(),
        issuer_id: Some(row.issuer_id),
        subject: row.subject.clone(),
        names: names.join(" "),
        state: "issued".to_owned(),
        code: None,
        message: None,
        details: None,
        certificate_id: Some(row.id),
    }
}
