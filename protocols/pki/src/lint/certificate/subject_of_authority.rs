//! An authority has a subject, because what it issues names it as issuer.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "subject_of_authority",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.6",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if view.is_authority() && view.subject.is_empty() {
        Err("an authority has an empty subject".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn only_end_entities_may_be_nameless() {
        let mut view = sample::leaf();
        view.subject = x509_cert::name::Name::default();
        assert_eq!(check(&view), Ok(()));
        let mut view = sample::of("sub-ca");
        assert_eq!(check(&view), Ok(()));
        view.subject = x509_cert::name::Name::default();
        assert!(check(&view).is_err());
    }
}
