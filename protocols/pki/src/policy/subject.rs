//! The subject under policies: which values it has, and how one is put in.

use const_oid::ObjectIdentifier;
use der::{Decode, Encode, Reader, SliceReader};
use x509_cert::name::RelativeDistinguishedName;

use super::rule::SubjectValues;
use crate::encode::{self, SEQUENCE, SET};
use crate::name::{COMMON_NAME, DistinguishedName};

const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;

/// An attribute: how requests call it, and its type.
pub(super) struct Attribute {
    pub(super) field: &'static str,
    oid: ObjectIdentifier,
}

const COUNTRY: Attribute = attribute("subject.country", "2.5.4.6");
const STATE: Attribute = attribute("subject.state", "2.5.4.8");
const LOCALITY: Attribute = attribute("subject.locality", "2.5.4.7");
const ORGANIZATION: Attribute = attribute("subject.organization", "2.5.4.10");
const ORGANIZATIONAL_UNIT: Attribute = attribute("subject.organizational_unit", "2.5.4.11");
const NAME: Attribute = Attribute {
    field: "subject.common_name",
    oid: COMMON_NAME,
};
const DOMAIN_COMPONENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25");

/// In which order names are encoded, the widest first.
const WIDEST_FIRST: [ObjectIdentifier; 6] = [
    DOMAIN_COMPONENT,
    COUNTRY.oid,
    STATE.oid,
    LOCALITY.oid,
    ORGANIZATION.oid,
    ORGANIZATIONAL_UNIT.oid,
];

const fn attribute(field: &'static str, oid: &'static str) -> Attribute {
    Attribute {
        field,
        oid: ObjectIdentifier::new_unwrap(oid),
    }
}

impl SubjectValues {
    /// What is wanted, the widest first.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (Attribute, &str)> {
        [
            (COUNTRY, &self.country),
            (STATE, &self.state),
            (LOCALITY, &self.locality),
            (ORGANIZATION, &self.organization),
            (ORGANIZATIONAL_UNIT, &self.organizational_unit),
        ]
        .into_iter()
        .filter_map(|(attribute, value)| Some((attribute, value.as_deref()?)))
    }

    /// The subject that has these values and a common name, the widest first; or what is wrong with one of them.
    pub fn to_name(&self, common_name: Option<&str>) -> Result<DistinguishedName, String> {
        if *self != Self::default()
            && let Some(problem) = self.problem()
        {
            return Err(problem);
        }
        let common_name = common_name.map(|value| (NAME, value));
        if let Some(problem) = common_name
            .iter()
            .find_map(|(attribute, value)| attribute.problem(value))
        {
            return Err(problem);
        }
        let mut values = self.wanted().chain(common_name);
        values.try_fold(DistinguishedName::empty(), |name, (attribute, value)| {
            let with_value = attribute.put_into(&name, value);
            with_value.ok_or_else(|| format!("{} cannot be encoded", attribute.field))
        })
    }

    /// What is wrong with them: their lengths are those of RFC 5280 appendix A.1.
    pub(super) fn problem(&self) -> Option<String> {
        if *self == Self::default() {
            return Some("no value is given".to_owned());
        }
        self.wanted()
            .find_map(|(attribute, value)| attribute.problem(value))
    }
}

impl Attribute {
    fn problem(&self, value: &str) -> Option<String> {
        let most = match self.oid {
            oid if oid == COUNTRY.oid => {
                let is_country = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase());
                return (!is_country).then(|| "a country is two capital letters".to_owned());
            }
            oid if oid == STATE.oid || oid == LOCALITY.oid => 128,
            _ => 64,
        };
        let is_fit = !value.is_empty()
            && value.trim() == value
            && value.chars().count() <= most
            && !value.contains(char::is_control);
        (!is_fit).then(|| {
            format!(
                "{} has 1 to {most} characters and no blanks around it",
                self.field
            )
        })
    }

    /// Its values; nothing for one that is no text.
    pub(super) fn values(&self, name: &DistinguishedName) -> Vec<Option<String>> {
        name.texts_of(self.oid)
    }

    /// The name with this value where it is usually written; nothing when it cannot be encoded.
    pub(super) fn put_into(&self, name: &DistinguishedName, value: &str) -> Option<DistinguishedName> {
        let tag = if self.oid == COUNTRY.oid {
            PRINTABLE_STRING
        } else {
            UTF8_STRING
        };
        let oid = self.oid.to_der().ok()?;
        let pair = encode::wrap(SEQUENCE, &[&oid, &encode::wrap(tag, &[value.as_bytes()])]);
        let added = encode::wrap(SET, &[&pair]);
        let mut rdns = Vec::new();
        let mut reader = SliceReader::new(name.der()).ok()?;
        let read = reader.sequence(|names| {
            while !names.is_finished() {
                rdns.push(names.tlv_bytes()?);
            }
            der::Result::Ok(())
        });
        read.ok()?;
        let narrower = rdns.iter().position(|rdn| place_of(rdn) > place(self.oid));
        rdns.insert(narrower.unwrap_or(rdns.len()), &added);
        DistinguishedName::from_der(&encode::wrap(SEQUENCE, &rdns)).ok()
    }
}

fn place(oid: ObjectIdentifier) -> usize {
    let known = WIDEST_FIRST.iter().position(|known| *known == oid);
    known.unwrap_or(WIDEST_FIRST.len())
}

fn place_of(rdn: &[u8]) -> usize {
    let rdn = RelativeDistinguishedName::from_der(rdn).ok();
    let first = rdn.as_ref().and_then(|rdn| rdn.iter().next());
    first.map_or(WIDEST_FIRST.len(), |attribute| place(attribute.oid))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_subject_is_put_together_the_widest_first() {
        let values = SubjectValues {
            organization: Some("Example, AG".to_owned()),
            country: Some("CH".to_owned()),
            ..SubjectValues::default()
        };
        let name = values.to_name(Some("web01.example.com")).unwrap();
        assert_eq!(name.to_string(), "CN=web01.example.com,O=Example\\, AG,C=CH");
        let nothing = SubjectValues::default();
        assert!(nothing.to_name(None).unwrap().is_empty());
        assert!(nothing.to_name(Some("")).is_err() && nothing.to_name(Some(&"a".repeat(65))).is_err());
        let country = SubjectValues {
            country: Some("Switzerland".to_owned()),
            ..nothing
        };
        assert!(country.to_name(Some("a.example.com")).is_err());
    }
}
