//! Subject attributes are PrintableString or UTF8String (mailboxes and domain components IA5String), not empty, without
//! control characters, and no longer than their upper bound.

use const_oid::ObjectIdentifier;
use der::{Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "subject_strings",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.4, appendix A.1",
    check,
};

/// Attributes that are IA5String: emailAddress and domainComponent.
const IA5: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"),
    ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"),
];

/// Upper bounds in characters, RFC 5280 appendix A.1 (`ub-common-name` and its neighbours).
const BOUNDS: [(ObjectIdentifier, usize); 7] = [
    (ObjectIdentifier::new_unwrap("2.5.4.3"), 64),
    (ObjectIdentifier::new_unwrap("2.5.4.5"), 64),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), 128),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), 128),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), 64),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), 64),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"), 255),
];

fn check(view: &CertificateView) -> Result<(), String> {
    view.subject.iter().try_for_each(|attribute| {
        fault(attribute).map_or(Ok(()), |fault| {
            Err(format!("the subject's attribute {} {fault}", attribute.oid))
        })
    })
}

fn fault(attribute: &AttributeTypeAndValue) -> Option<String> {
    let tag = attribute.value.tag();
    let wants_ia5 = IA5.contains(&attribute.oid);
    let is_right_type = if wants_ia5 {
        tag == Tag::Ia5String
    } else {
        matches!(tag, Tag::PrintableString | Tag::Utf8String)
    };
    if !is_right_type {
        return Some(format!("is written as {tag}"));
    }
    let Ok(text) = std::str::from_utf8(attribute.value.value()) else {
        return Some("is not text".to_owned());
    };
    let is_printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    let bound = BOUNDS
        .iter()
        .find(|(oid, _)| *oid == attribute.oid)
        .map_or(32_768, |(_, bound)| *bound);
    if text.trim().is_empty() {
        Some("is empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Some("has a control character".to_owned())
    } else if tag == Tag::PrintableString && !text.chars().all(is_printable) {
        Some("has a character that PrintableString does not have".to_owned())
    } else if tag == Tag::Ia5String && !text.is_ascii() {
        Some("has a character that IA5String does not have".to_owned())
    } else if text.chars().count() > bound {
        Some(format!("has more than {bound} characters"))
    } else {
        None
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
    fn strings_are_held_to_type_content_and_length() {
        assert_eq!(check(&sample::leaf()), Ok(()));
        assert_eq!(check(&sample::of("sub-ca")), Ok(()));
        let long = "x".repeat(65);
        for (oid, tag, text, is_right) in [
            ("2.5.4.3", Tag::Utf8String, "Zoë", true),
            ("2.5.4.3", Tag::PrintableString, "Zoe", true),
            ("2.5.4.3", Tag::TeletexString, "Zoe", false),
            ("2.5.4.3", Tag::PrintableString, "a_b", false),
            ("2.5.4.3", Tag::Utf8String, "a\0b", false),
            ("2.5.4.3", Tag::Utf8String, "", false),
            ("2.5.4.3", Tag::Utf8String, " ", false),
            ("2.5.4.3", Tag::Utf8String, &long, false),
            ("2.5.4.7", Tag::Utf8String, &long, true),
            ("1.2.840.113549.1.9.1", Tag::Ia5String, "a@b", true),
            ("1.2.840.113549.1.9.1", Tag::Utf8String, "a@b", false),
        ] {
            let value = der::Any::new(tag, text.as_bytes()).unwrap();
            let attribute = AttributeTypeAndValue {
                oid: ObjectIdentifier::new(oid).unwrap(),
                value,
            };
            assert_eq!(fault(&attribute).is_none(), is_right, "{oid} {tag} {text:?}");
        }
    }

    #[test]
    fn a_long_common_name_is_found_in_a_certificate() {
        let mut view = sample::leaf();
        view.subject = format!("CN={}", "x".repeat(65)).parse().unwrap();
        assert!(check(&view).is_err());
    }
}
