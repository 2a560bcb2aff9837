//! A certificate without a subject has subject alternative names, critical; with a subject they are not critical.

use x509_cert::ext::pkix::SubjectAltName;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "subject_or_names",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.6, §4.2.1.6",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    match (view.subject.is_empty(), view.extension::<SubjectAltName>()) {
        (true, None) => Err("neither a subject nor a subject alternative name is there".to_owned()),
        (true, Some((false, _))) => {
            Err("the subject is empty, but subjectAltName is not critical".to_owned())
        }
        (false, Some((true, _))) => {
            Err("the subject is not empty, but subjectAltName is critical".to_owned())
        }
        _ => Ok(()),
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
    use x509_cert::name::Name;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn the_names_are_critical_exactly_when_they_stand_alone() {
        let good = sample::leaf();
        assert_eq!(check(&good), Ok(()));
        let names = good
            .raw(SubjectAltName::OID)
            .unwrap()
            .extn_value
            .as_bytes()
            .to_vec();

        let mut view = good.clone();
        sample::set(&mut view, SubjectAltName::OID, true, &names);
        assert!(check(&view).is_err());
        view.subject = Name::default();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, SubjectAltName::OID, false, &names);
        assert!(check(&view).is_err());
        sample::remove(&mut view, SubjectAltName::OID);
        assert!(check(&view).is_err());
    }
}
