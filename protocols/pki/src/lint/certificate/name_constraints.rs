//! Name constraints are for authorities only, critical, not empty, without distances; bases are written as their type
//! demands.

use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "name_constraints",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.10",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let Some((critical, constraints)) = view.extension::<NameConstraints>() else {
        return Ok(());
    };
    if !view.is_authority() {
        return Err("an end entity has name constraints".to_owned());
    }
    if !critical {
        return Err("nameConstraints is not critical".to_owned());
    }
    let lists = [constraints.permitted_subtrees, constraints.excluded_subtrees];
    if lists.iter().all(Option::is_none) || lists.iter().flatten().any(Vec::is_empty) {
        return Err("nameConstraints constrains nothing".to_owned());
    }
    lists.iter().flatten().flatten().try_for_each(check_subtree)
}

fn check_subtree(subtree: &GeneralSubtree) -> Result<(), String> {
    if subtree.minimum != 0 || subtree.maximum.is_some() {
        return Err("a subtree has a minimum or maximum".to_owned());
    }
    match &subtree.base {
        GeneralName::IpAddress(octets) if !is_network(octets.as_bytes()) => {
            Err("an IP subtree is not an address and a mask of 8 or 32 octets".to_owned())
        }
        GeneralName::DnsName(text) if text.as_str().starts_with('.') || text.as_str().contains('*') => {
            Err(format!(
                "the DNS subtree `{}` has a leading dot or a wildcard",
                text.as_str()
            ))
        }
        GeneralName::UniformResourceIdentifier(text) if text.as_str().contains(['/', ':', '*']) => {
            Err(format!("the URI subtree `{}` is not a host", text.as_str()))
        }
        _ => Ok(()),
    }
}

/// Address, then a mask whose ones all come first.
fn is_network(octets: &[u8]) -> bool {
    let (_, mask) = octets.split_at(octets.len() / 2);
    let bits: Vec<bool> = mask
        .iter()
        .flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1))
        .collect();
    matches!(octets.len(), 8 | 32) && bits.is_sorted_by(|a, b| a >= b)
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
    use der::asn1::{Ia5String, OctetString};

    use super::*;
    use crate::lint::certificate::sample;

    fn constraining(base: GeneralName, minimum: u32) -> Vec<u8> {
        let subtrees = vec![GeneralSubtree {
            base,
            minimum,
            maximum: None,
        }];
        NameConstraints {
            permitted_subtrees: Some(subtrees),
            excluded_subtrees: None,
        }
        .to_der()
        .unwrap()
    }

    #[test]
    fn they_are_critical_and_for_authorities() {
        let good = constraining(GeneralName::DnsName(Ia5String::new("example.com").unwrap()), 0);
        let mut view = sample::of("sub-ca");
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, NameConstraints::OID, true, &good);
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, NameConstraints::OID, false, &good);
        assert!(check(&view).is_err());
        sample::set(&mut view, NameConstraints::OID, true, &[0x30, 0x00]);
        assert!(check(&view).is_err());
        let mut view = sample::leaf();
        sample::set(&mut view, NameConstraints::OID, true, &good);
        assert!(check(&view).is_err());
    }

    #[test]
    fn crooked_subtrees_are_found() {
        let ia5 = |text: &str| Ia5String::new(text).unwrap();
        let ip = |octets: &[u8]| GeneralName::IpAddress(OctetString::new(octets).unwrap());
        let mut view = sample::of("sub-ca");
        sample::set(
            &mut view,
            NameConstraints::OID,
            true,
            &constraining(ip(&[10, 0, 0, 0, 255, 0, 0, 0]), 0),
        );
        assert_eq!(check(&view), Ok(()));
        for der in [
            constraining(ip(&[10, 0, 0, 0]), 0),
            constraining(ip(&[10, 0, 0, 0, 0, 255, 0, 0]), 0),
            constraining(GeneralName::DnsName(ia5(".example.com")), 0),
            constraining(
                GeneralName::UniformResourceIdentifier(ia5("https://example.com")),
                0,
            ),
            constraining(GeneralName::DnsName(ia5("example.com")), 1),
        ] {
            sample::set(&mut view, NameConstraints::OID, true, &der);
            assert!(check(&view).is_err());
        }
    }
}
