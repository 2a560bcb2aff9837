//! The issuer field is the signer's subject octet for octet, and never empty.

use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_issuer_name",
    severity: Severity::Error,
    citation: "RFC 5280 §5.1.2.3",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    if view.signer.subject.is_empty() || view.issuer_der != view.signer.subject.der() {
        return Err(format!(
            "the issuer field is not the signer's subject `{}`",
            view.signer.subject
        ));
    }
    Ok(())
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
    use crate::lint::crl::sample;

    #[test]
    fn another_name_or_none_is_found() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        view.issuer_der = DistinguishedName::parse("CN=Somebody else")
            .unwrap()
            .der()
            .to_vec();
        assert!(check(&view).is_err());
        view.issuer_der = vec![0x30, 0x00];
        view.signer.subject = DistinguishedName::from_der(&[0x30, 0x00]).unwrap();
        assert!(check(&view).is_err());
    }
}
