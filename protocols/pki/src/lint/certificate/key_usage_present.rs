//! keyUsage is there, critical, and has at least one bit: every key made use of here is bound to what it may do.

use x509_cert::ext::pkix::KeyUsage;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "key_usage_present",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.3",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    match view.extension::<KeyUsage>() {
        None => Err("keyUsage is missing".to_owned()),
        Some((_, usage)) if usage.0.is_empty() => Err("keyUsage has no bit set".to_owned()),
        Some((false, _)) => Err("keyUsage is not critical".to_owned()),
        Some((true, _)) => Ok(()),
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
    fn missing_empty_and_uncritical_usages_are_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, KeyUsage::OID, false, &[0x03, 0x02, 0x07, 0x80]);
        assert!(check(&view).is_err());
        sample::set(&mut view, KeyUsage::OID, true, &[0x03, 0x01, 0x00]);
        assert!(check(&view).is_err());
        sample::remove(&mut view, KeyUsage::OID);
        assert!(check(&view).is_err());
    }
}
