//! A time stamping authority's certificate has that one purpose, and the extension is critical.

use x509_cert::ext::pkix::ExtendedKeyUsage as ExtendedKeyUsageSyntax;

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::ExtendedKeyUsage;

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "purpose_time_stamping",
    severity: Severity::Error,
    citation: "RFC 3161 §2.3",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if view.is_authority() || !view.has_purpose(ExtendedKeyUsage::TimeStamping) {
        return Ok(());
    }
    if view.purposes().len() > 1 {
        return Err("timeStamping stands beside other purposes".to_owned());
    }
    match view.extension::<ExtendedKeyUsageSyntax>() {
        Some((true, _)) => Ok(()),
        _ => Err("extendedKeyUsage with timeStamping is not critical".to_owned()),
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
    use der::Encode;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn it_stands_alone_and_critical() {
        let purposes = |list: &[ExtendedKeyUsage]| {
            ExtendedKeyUsageSyntax(list.iter().map(|usage| usage.oid()).collect())
                .to_der()
                .unwrap()
        };
        let mut view = sample::of("timestamping");
        assert_eq!(check(&view), Ok(()));
        assert_eq!(check(&sample::leaf()), Ok(()));
        sample::set(
            &mut view,
            ExtendedKeyUsageSyntax::OID,
            false,
            &purposes(&[ExtendedKeyUsage::TimeStamping]),
        );
        assert!(check(&view).is_err());
        let both = purposes(&[ExtendedKeyUsage::TimeStamping, ExtendedKeyUsage::CodeSigning]);
        sample::set(&mut view, ExtendedKeyUsageSyntax::OID, true, &both);
        assert!(check(&view).is_err());
    }
}
