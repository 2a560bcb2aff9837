//! A delegated OCSP responder's certificate has that one purpose: whoever holds it can call any certificate good.

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::ExtendedKeyUsage;

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "purpose_ocsp_signing",
    severity: Severity::Error,
    citation: "RFC 6960 §4.2.2.2",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if !view.is_authority() && view.has_purpose(ExtendedKeyUsage::OcspSigning) && view.purposes().len() > 1 {
        return Err("OCSPSigning stands beside other purposes".to_owned());
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

    use const_oid::AssociatedOid;
    use der::Encode;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn it_stands_alone() {
        let mut view = sample::of("ocsp-signer");
        assert_eq!(check(&view), Ok(()));
        let both = [ExtendedKeyUsage::OcspSigning, ExtendedKeyUsage::ServerAuth]
            .map(ExtendedKeyUsage::oid)
            .to_vec();
        let both = x509_cert::ext::pkix::ExtendedKeyUsage(both).to_der().unwrap();
        sample::set(
            &mut view,
            x509_cert::ext::pkix::ExtendedKeyUsage::OID,
            false,
            &both,
        );
        assert!(check(&view).is_err());
    }
}
