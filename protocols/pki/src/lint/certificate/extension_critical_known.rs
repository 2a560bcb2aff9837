//! Only extensions that every relying party knows are critical: an unknown critical extension makes the certificate useless.

use const_oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::ext::pkix::constraints::PolicyConstraints;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, InhibitAnyPolicy, KeyUsage, NameConstraints, PolicyMappings,
    SubjectAltName,
};

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "extension_critical_known",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2",
    check,
};

/// What may be critical.
const KNOWN: [ObjectIdentifier; 8] = [
    BasicConstraints::OID,
    KeyUsage::OID,
    ExtendedKeyUsage::OID,
    SubjectAltName::OID,
    NameConstraints::OID,
    PolicyConstraints::OID,
    PolicyMappings::OID,
    InhibitAnyPolicy::OID,
];

fn check(view: &CertificateView) -> Result<(), String> {
    let stranger = view
        .extensions
        .iter()
        .find(|extension| extension.critical && !KNOWN.contains(&extension.extn_id));
    stranger.map_or(Ok(()), |extension| {
        Err(format!(
            "the extension {} is critical, which relying parties need not understand",
            extension.extn_id
        ))
    })
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
    fn an_unknown_critical_extension_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        let private = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");
        sample::set(&mut view, private, false, &[0x05, 0x00]);
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, private, true, &[0x05, 0x00]);
        assert!(check(&view).is_err());
    }
}
