//! A list of a scope says which: the issuing distribution point has the address that certificates of the scope carry, and
//! at most one of its only-flags is set. A list that is not partitioned has no distribution point.

use der::Decode;
use x509_cert::ext::pkix::IssuingDistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use crate::lint::crl::ISSUING_DISTRIBUTION_POINT;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_issuing_distribution_point",
    severity: Severity::Error,
    citation: "RFC 5280 §5.2.5",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    let written = view
        .raw(ISSUING_DISTRIBUTION_POINT)
        .map(|extension| IssuingDistributionPoint::from_der(extension.extn_value.as_bytes()))
        .transpose()
        .map_err(|cause| format!("the issuing distribution point cannot be read: {cause}"))?;
    let Some(point) = written else {
        return match &view.distribution_point {
            Some(wanted) => Err(format!("the issuing distribution point {wanted} is missing")),
            None => Ok(()),
        };
    };
    let flags = [
        point.only_contains_user_certs,
        point.only_contains_ca_certs,
        point.only_contains_attribute_certs,
    ];
    if flags.into_iter().filter(|flag| *flag).count() > 1 {
        return Err("the issuing distribution point has more than one only-flag".to_owned());
    }
    if point.indirect_crl {
        return Err("the list says it is indirect, which is not made here".to_owned());
    }
    let addresses = match point.distribution_point {
        Some(DistributionPointName::FullName(names)) => names,
        _ => Vec::new(),
    };
    let is_named = |wanted: &str| {
        addresses.iter().any(
            |name| matches!(name, GeneralName::UniformResourceIdentifier(text) if text.as_str() == wanted),
        )
    };
    match &view.distribution_point {
        Some(wanted) if is_named(wanted) => Ok(()),
        Some(wanted) => Err(format!("the issuing distribution point does not name {wanted}")),
        None if addresses.is_empty() => Ok(()),
        None => Err("the list is of a scope that nobody asked for".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use der::Encode;
    use der::asn1::Ia5String;

    use super::*;
    use crate::lint::crl::sample;

    fn point(address: &str, user: bool, ca: bool) -> Vec<u8> {
        let name = GeneralName::UniformResourceIdentifier(Ia5String::new(address).unwrap());
        IssuingDistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(vec![name])),
            only_contains_user_certs: user,
            only_contains_ca_certs: ca,
            only_some_reasons: None,
            indirect_crl: false,
            only_contains_attribute_certs: false,
        }
        .to_der()
        .unwrap()
    }

    #[test]
    fn the_scope_is_the_one_asked_for() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        view.distribution_point = Some("http://a/1".to_owned());
        assert!(check(&view).is_err());
        sample::set(
            &mut view,
            ISSUING_DISTRIBUTION_POINT,
            true,
            &point("http://a/1", false, false),
        );
        assert_eq!(check(&view), Ok(()));
        sample::set(
            &mut view,
            ISSUING_DISTRIBUTION_POINT,
            true,
            &point("http://a/1", true, true),
        );
        assert!(check(&view).is_err());
        sample::set(
            &mut view,
            ISSUING_DISTRIBUTION_POINT,
            true,
            &point("http://a/2", false, false),
        );
        assert!(check(&view).is_err());
        view.distribution_point = None;
        assert!(check(&view).is_err());
    }
}
