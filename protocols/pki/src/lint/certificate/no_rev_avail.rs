//! A certificate without revocation information names no CRL and no OCSP responder, and is not an authority's.

use const_oid::AssociatedOid;
use x509_cert::ext::pkix::FreshestCrl;

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::extension_ids::{ACCESS_OCSP, NO_REV_AVAIL};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "no_rev_avail",
    severity: Severity::Error,
    citation: "RFC 9608 §2, §3",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let Some(extension) = view.raw(NO_REV_AVAIL) else {
        return Ok(());
    };
    if extension.critical {
        Err("noRevAvail is critical".to_owned())
    } else if view.is_authority() {
        Err("an authority has noRevAvail".to_owned())
    } else if view.has_crl_pointer() || view.raw(FreshestCrl::OID).is_some() {
        Err("noRevAvail stands beside a CRL distribution point".to_owned())
    } else if view.access(ACCESS_OCSP).next().is_some() {
        Err("noRevAvail stands beside an OCSP responder".to_owned())
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

    use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, CrlDistributionPoints};

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn it_excludes_every_pointer() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, NO_REV_AVAIL, false, &[0x05, 0x00]);
        assert!(check(&view).is_err());
        sample::remove(&mut view, CrlDistributionPoints::OID);
        assert!(check(&view).is_err());
        sample::remove(&mut view, AuthorityInfoAccessSyntax::OID);
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, NO_REV_AVAIL, true, &[0x05, 0x00]);
        assert!(check(&view).is_err());
        let mut view = sample::of("root");
        sample::set(&mut view, NO_REV_AVAIL, false, &[0x05, 0x00]);
        assert!(check(&view).is_err());
    }
}
