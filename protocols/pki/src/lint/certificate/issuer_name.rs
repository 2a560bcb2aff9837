//! The issuer field is the signer's subject octet for octet, and never empty: relying parties chain by it.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "issuer_name",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.4",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if view.signer.subject.is_empty() {
        return Err("the issuer has no name".to_owned());
    }
    if view.issuer_der == view.signer.subject.der() {
        Ok(())
    } else {
        Err(format!(
            "the issuer field is not the signer's subject `{}`",
            view.signer.subject
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use crate::DistinguishedName;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn another_name_or_none_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.issuer_der = DistinguishedName::parse("CN=Somebody else")
            .unwrap()
            .der()
            .to_vec();
        assert!(check(&view).is_err());
        let mut view = sample::leaf();
        view.issuer_der = vec![0x30, 0x00];
        view.signer.subject = DistinguishedName::from_der(&[0x30, 0x00]).unwrap();
        assert!(check(&view).is_err());
    }
}
