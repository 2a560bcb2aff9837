//! Pointers to CRLs, responders and issuers are http or ldap addresses in extensions that are not critical. An https
//! address cannot be fetched without checking another certificate, which may lead in a circle.

use const_oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName, GeneralNames};
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, CrlDistributionPoints};

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::extension_ids::{ACCESS_CA_ISSUERS, ACCESS_OCSP};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "pointer_addresses",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.13, §4.2.2.1",
    check,
};

const POINTERS: [ObjectIdentifier; 2] = [CrlDistributionPoints::OID, AuthorityInfoAccessSyntax::OID];

fn check(view: &CertificateView) -> Result<(), String> {
    if let Some(oid) = POINTERS
        .into_iter()
        .find(|oid| view.raw(*oid).is_some_and(|extension| extension.critical))
    {
        return Err(format!("the extension {oid} is critical"));
    }
    let points = view
        .extension::<CrlDistributionPoints>()
        .map(|(_, points)| points.0)
        .unwrap_or_default();
    let mut addresses = points
        .iter()
        .map(full_name)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .chain(
            [ACCESS_OCSP, ACCESS_CA_ISSUERS]
                .into_iter()
                .flat_map(|method| view.access(method)),
        );
    addresses.try_for_each(|address| match address {
        GeneralName::UniformResourceIdentifier(text) if is_fetchable(text.as_str()) => Ok(()),
        GeneralName::UniformResourceIdentifier(text) => Err(format!(
            "`{}` is not an http or ldap address",
            text.as_str().escape_debug()
        )),
        _ => Err("a pointer is not an address".to_owned()),
    })
}

/// RFC 5280 §4.2.1.13: a point has a name or a CRL issuer; the ones made here have a name.
fn full_name(point: &DistributionPoint) -> Result<&GeneralNames, String> {
    match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) if !names.is_empty() => Ok(names),
        _ => Err("a CRL distribution point has no full name".to_owned()),
    }
}

fn is_fetchable(text: &str) -> bool {
    ["http://", "ldap://"]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        && text.bytes().all(|byte| byte.is_ascii_graphic())
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
    fn addresses_can_be_fetched_without_a_certificate() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        let points = view
            .raw(CrlDistributionPoints::OID)
            .unwrap()
            .extn_value
            .as_bytes()
            .to_vec();
        sample::set(&mut view, CrlDistributionPoints::OID, true, &points);
        assert!(check(&view).is_err());
        for text in ["https://a/crl", "http://", "http://a b", "a", ""] {
            let mut view = sample::leaf();
            sample::set(
                &mut view,
                CrlDistributionPoints::OID,
                false,
                &sample::distribution_point(text),
            );
            assert!(check(&view).is_err(), "{text}");
        }
        sample::set(
            &mut view,
            CrlDistributionPoints::OID,
            false,
            &sample::distribution_point("ldap://a/cn=x"),
        );
        assert_eq!(check(&view), Ok(()));
        sample::set(
            &mut view,
            CrlDistributionPoints::OID,
            false,
            &[0x30, 0x02, 0x30, 0x00],
        );
        assert!(check(&view).is_err());
    }
}
