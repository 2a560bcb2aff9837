//! subjectKeyIdentifier is there and not critical: authorities must have it, and end entities are found by it.

use x509_cert::ext::pkix::SubjectKeyIdentifier;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "subject_key_id",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.2",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    match view.extension::<SubjectKeyIdentifier>() {
        None => Err("subjectKeyIdentifier is missing".to_owned()),
        Some((true, _)) => Err("subjectKeyIdentifier is critical".to_owned()),
        Some((false, id)) if id.0.as_bytes().is_empty() => Err("subjectKeyIdentifier is empty".to_owned()),
        Some((false, _)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use const_oid::AssociatedOid;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn missing_empty_and_critical_identifiers_are_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, SubjectKeyIdentifier::OID, true, &[0x04, 0x01, 0x01]);
        assert!(check(&view).is_err());
        sample::set(&mut view, SubjectKeyIdentifier::OID, false, &[0x04, 0x00]);
        assert!(check(&view).is_err());
        sample::remove(&mut view, SubjectKeyIdentifier::OID);
        assert!(check(&view).is_err());
    }
}
