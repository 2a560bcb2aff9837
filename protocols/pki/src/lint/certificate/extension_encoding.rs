//! Every extension made here holds the DER of its type, whole and nothing after it.

use const_oid::AssociatedOid;
use der::asn1::Null;
use der::{Decode, Error};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralNames;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies,
    CrlDistributionPoints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName, SubjectKeyIdentifier,
};

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::extension_ids::{MICROSOFT_SID, NO_REV_AVAIL, OCSP_NO_CHECK, TLS_FEATURE};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "extension_encoding",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    view.extensions.iter().try_for_each(|extension| {
        read(extension)
            .map_err(|cause| format!("the extension {} cannot be read: {cause}", extension.extn_id))
    })
}

/// Reads the value as the type of its identifier; identifiers that are not known are passed over.
fn read(extension: &Extension) -> Result<(), Error> {
    let der = extension.extn_value.as_bytes();
    match extension.extn_id {
        BasicConstraints::OID => BasicConstraints::from_der(der).map(drop),
        KeyUsage::OID => KeyUsage::from_der(der).map(drop),
        ExtendedKeyUsage::OID => not_empty(&ExtendedKeyUsage::from_der(der)?.0),
        SubjectAltName::OID => not_empty(&SubjectAltName::from_der(der)?.0),
        SubjectKeyIdentifier::OID => SubjectKeyIdentifier::from_der(der).map(drop),
        AuthorityKeyIdentifier::OID => AuthorityKeyIdentifier::from_der(der).map(drop),
        NameConstraints::OID => NameConstraints::from_der(der).map(drop),
        CertificatePolicies::OID => not_empty(&CertificatePolicies::from_der(der)?.0),
        CrlDistributionPoints::OID => not_empty(&CrlDistributionPoints::from_der(der)?.0),
        AuthorityInfoAccessSyntax::OID => not_empty(&AuthorityInfoAccessSyntax::from_der(der)?.0),
        NO_REV_AVAIL | OCSP_NO_CHECK => Null::from_der(der).map(drop),
        TLS_FEATURE => not_empty(&Vec::<u16>::from_der(der)?),
        MICROSOFT_SID => not_empty(&GeneralNames::from_der(der)?),
        _ => Ok(()),
    }
}

/// `SEQUENCE SIZE (1..MAX)`.
fn not_empty<T>(list: &[T]) -> Result<(), Error> {
    if list.is_empty() {
        Err(der::ErrorKind::Failed.into())
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
    fn values_of_another_type_and_trailing_octets_are_found() {
        for profile in ["tls-server", "sub-ca", "ocsp-signer"] {
            let good = sample::of(profile);
            assert_eq!(check(&good), Ok(()), "{profile}");
            for index in 0..good.extensions.len() {
                let extension = &good.extensions[index];
                let trailing = [extension.extn_value.as_bytes(), &[0x00]].concat();
                for value in [&[0x0c, 0x01, 0x41][..], &[], &trailing] {
                    let mut view = good.clone();
                    sample::set(&mut view, extension.extn_id, extension.critical, value);
                    assert!(check(&view).is_err(), "{} {value:?}", extension.extn_id);
                }
            }
        }
    }

    #[test]
    fn empty_lists_are_found() {
        for oid in [
            SubjectAltName::OID,
            ExtendedKeyUsage::OID,
            CrlDistributionPoints::OID,
            TLS_FEATURE,
        ] {
            let mut view = sample::leaf();
            sample::set(&mut view, oid, false, &[0x30, 0x00]);
            assert!(check(&view).is_err(), "{oid}");
        }
    }
}
