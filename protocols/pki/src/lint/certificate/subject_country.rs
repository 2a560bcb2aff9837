//! A country is a PrintableString of two capital letters.

use const_oid::db::rfc4519::COUNTRY_NAME;
use der::{Tag, Tagged};

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "subject_country",
    severity: Severity::Error,
    citation: "RFC 5280 appendix A.1, ISO 3166-1",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let wrong = view
        .subject
        .iter()
        .filter(|attribute| attribute.oid == COUNTRY_NAME)
        .find(|attribute| {
            let value = attribute.value.value();
            attribute.value.tag() != Tag::PrintableString
                || value.len() != 2
                || !value.iter().all(u8::is_ascii_uppercase)
        });
    wrong.map_or(Ok(()), |attribute| {
        Err(format!(
            "the country `{}` is not two capital letters",
            String::from_utf8_lossy(attribute.value.value()).escape_debug()
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

    use der::{Decode, Encode};
    use x509_cert::attr::AttributeTypeAndValue;
    use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

    use super::*;
    use crate::lint::certificate::sample;

    fn country(tag: Tag, text: &str) -> Name {
        let value = der::Any::new(tag, text.as_bytes()).unwrap();
        let rdn = RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue {
            oid: COUNTRY_NAME,
            value,
        }])
        .unwrap();
        Name::from_der(&RdnSequence::from(vec![rdn]).to_der().unwrap()).unwrap()
    }

    #[test]
    fn a_country_has_two_capitals() {
        let mut view = sample::leaf();
        for (tag, text, is_right) in [
            (Tag::PrintableString, "CH", true),
            (Tag::PrintableString, "ch", false),
            (Tag::PrintableString, "CHE", false),
            (Tag::PrintableString, "", false),
            (Tag::Utf8String, "CH", false),
        ] {
            view.subject = country(tag, text);
            assert_eq!(check(&view).is_ok(), is_right, "{tag} {text}");
        }
    }
}
