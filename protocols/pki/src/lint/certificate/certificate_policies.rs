//! Each policy stands once; qualifiers are CPS pointers that are addresses, or notices of at most 200 characters.

use der::asn1::Ia5String;
use der::{Decode, SliceReader, Tag};
use x509_cert::ext::pkix::CertificatePolicies;
use x509_cert::ext::pkix::certpolicy::PolicyQualifierInfo;

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::certificate_policy::{CPS, LONGEST_NOTICE, USER_NOTICE};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "certificate_policies",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.4",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let Some((_, policies)) = view.extension::<CertificatePolicies>() else {
        return Ok(());
    };
    let oids: Vec<_> = policies.0.iter().map(|policy| policy.policy_identifier).collect();
    if let Some((_, oid)) = oids
        .iter()
        .enumerate()
        .find(|(index, oid)| oids.iter().skip(index + 1).any(|o| o == *oid))
    {
        return Err(format!("the policy {oid} stands twice"));
    }
    policies
        .0
        .iter()
        .flat_map(|policy| policy.policy_qualifiers.iter().flatten())
        .try_for_each(check_qualifier)
}

fn check_qualifier(qualifier: &PolicyQualifierInfo) -> Result<(), String> {
    let value = qualifier
        .qualifier
        .as_ref()
        .ok_or_else(|| "a policy qualifier is empty".to_owned())?;
    match qualifier.policy_qualifier_id {
        CPS => match value.decode_as::<Ia5String>() {
            Ok(text) if text.as_str().starts_with("http://") || text.as_str().starts_with("https://") => {
                Ok(())
            }
            _ => Err("a CPS pointer is not an http or https address".to_owned()),
        },
        USER_NOTICE => {
            let text = SliceReader::new(value.value()).and_then(|mut reader| String::decode(&mut reader));
            match text {
                Ok(text)
                    if value_is_sequence(value) && (1..=LONGEST_NOTICE).contains(&text.chars().count()) =>
                {
                    Ok(())
                }
                _ => Err("a user notice is not a UTF8String of 1 to 200 characters".to_owned()),
            }
        }
        other => Err(format!("the policy qualifier {other} is not one of RFC 5280")),
    }
}

fn value_is_sequence(value: &der::Any) -> bool {
    der::Tagged::tag(value) == Tag::Sequence
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use const_oid::{AssociatedOid, ObjectIdentifier};
    use der::{Any, Encode};
    use x509_cert::ext::pkix::certpolicy::PolicyInformation;

    use super::*;
    use crate::lint::certificate::sample;

    fn policies(qualifiers: Vec<PolicyQualifierInfo>, copies: usize) -> Vec<u8> {
        let policy = PolicyInformation {
            policy_identifier: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1"),
            policy_qualifiers: (!qualifiers.is_empty()).then_some(qualifiers),
        };
        CertificatePolicies(vec![policy; copies]).to_der().unwrap()
    }

    fn qualifier(policy_qualifier_id: ObjectIdentifier, value: &Any) -> PolicyQualifierInfo {
        PolicyQualifierInfo {
            policy_qualifier_id,
            qualifier: Some(value.clone()),
        }
    }

    #[test]
    fn policies_and_their_qualifiers_are_held_to_the_clause() {
        let ia5 = |text: &str| Any::encode_from(&Ia5String::new(text).unwrap()).unwrap();
        let notice = |text: &str| Any::new(Tag::Sequence, text.to_owned().to_der().unwrap()).unwrap();
        let good = vec![
            qualifier(CPS, &ia5("https://example.com/cps")),
            qualifier(USER_NOTICE, &notice("internal use")),
        ];
        let bad = [
            policies(vec![], 2),
            policies(vec![qualifier(CPS, &ia5("ftp://example.com"))], 1),
            policies(vec![qualifier(USER_NOTICE, &notice(&"x".repeat(201)))], 1),
            policies(vec![qualifier(USER_NOTICE, &ia5("text"))], 1),
            policies(
                vec![qualifier(ObjectIdentifier::new_unwrap("1.2.3"), &ia5("text"))],
                1,
            ),
            policies(
                vec![PolicyQualifierInfo {
                    policy_qualifier_id: CPS,
                    qualifier: None,
                }],
                1,
            ),
        ];
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, CertificatePolicies::OID, false, &policies(good, 1));
        assert_eq!(check(&view), Ok(()));
        for der in bad {
            sample::set(&mut view, CertificatePolicies::OID, false, &der);
            assert!(check(&view).is_err(), "{der:02x?}");
        }
    }
}
