//! A certificate says where its status can be learned, or that it cannot be.

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::extension_ids::{ACCESS_OCSP, NO_REV_AVAIL, OCSP_NO_CHECK};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "revocation_pointer",
    severity: Severity::Warning,
    citation: "RFC 5280 §4.2.1.13, §4.2.2.1",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let is_told = view.has_crl_pointer()
        || view.access(ACCESS_OCSP).next().is_some()
        || view.raw(NO_REV_AVAIL).is_some()
        || view.raw(OCSP_NO_CHECK).is_some();
    if is_told || view.is_self_signed() {
        Ok(())
    } else {
        Err("neither a CRL nor an OCSP responder is named".to_owned())
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
    use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, CrlDistributionPoints};

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn a_certificate_without_any_pointer_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        assert_eq!(check(&sample::of("root")), Ok(()));
        assert_eq!(check(&sample::of("ocsp-signer")), Ok(()));
        sample::remove(&mut view, CrlDistributionPoints::OID);
        assert_eq!(check(&view), Ok(()));
        sample::remove(&mut view, AuthorityInfoAccessSyntax::OID);
        assert!(check(&view).is_err());
        sample::set(&mut view, NO_REV_AVAIL, false, &[0x05, 0x00]);
        assert_eq!(check(&view), Ok(()));
    }
}
