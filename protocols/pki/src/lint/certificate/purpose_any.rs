//! anyExtendedKeyUsage is not written: beside other purposes it undoes them.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "purpose_any",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.12",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if view.purposes().iter().any(|purpose| purpose.is_any()) {
        Err("anyExtendedKeyUsage is among the purposes".to_owned())
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

    use const_oid::AssociatedOid;
    use x509_cert::ext::pkix::ExtendedKeyUsage;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn the_purpose_of_everything_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(
            &mut view,
            ExtendedKeyUsage::OID,
            false,
            &[0x30, 0x06, 0x06, 0x04, 0x55, 0x1d, 0x25, 0x00],
        );
        assert!(check(&view).is_err());
    }
}
