//! The subject under policies: which values it has, and how one is put in.

use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use x509_cert::name::Name;

use super::rule::SubjectValues;
use crate::encode::{self, SEQUENCE};
use crate::name::{DistinguishedName, text};

const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;

/// An attribute: how requests call it, and its type.
pub(super) struct Attribute {
    pub(super) field: &'static str,
    oid: ObjectIdentifier,
}

/// In the order in which names are usually written, the widest first.
pub(super) const COUNTRY: Attribute = attribute("subject.country", "2.5.4.6");
pub(super) const STATE: Attribute = attribute("subject.state", "2.5.4.8");
pub(super) const LOCALITY: Attribute = attribute("subject.locality", "2.5.4.7");
pub(super) const ORGANIZATION: Attribute = attribute("subject.organization", "2.5.4.10");
pub(super) const ORGANIZATIONAL_UNIT: Attribute = attribute("subject.organizational_unit", "2.5.4.11");

const fn attribute(field: &'static str, oid: &'static str) -> Attribute {
    Attribute {
        field,
        oid: ObjectIdentifier::new_unwrap(oid),
    }
}

impl SubjectValues {
    /// What is wanted, the most specific first: each that is put in goes before those that are there.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (Attribute, &str)> {
        [
            (ORGANIZATIONAL_UNIT, &self.organizational_unit),
            (ORGANIZATION, &self.organization),
            (LOCALITY, &self.locality),
            (STATE, &self.state),
            (COUNTRY, &self.country),
        ]
        .into_iter()
        .filter_map(|(attribute, value)| Some((attribute, value.as_deref()?)))
    }
}

impl DistinguishedName {
    /// The values of an attribute, in the order they are encoded.
    pub fn values_of(&self, oid: ObjectIdentifier) -> Vec<String> {
        let Ok(name) = Name::from_der(self.der()) else {
            return Vec::new();
        };
        let values = name.iter().filter(|attribute| attribute.oid == oid);
        values.filter_map(|attribute| text(&attribute.value)).collect()
    }
}

impl Attribute {
    pub(super) fn values(&self, name: &DistinguishedName) -> Vec<String> {
        name.values_of(self.oid)
    }

    /// The name with this value before all others; nothing when it cannot be encoded.
    pub(super) fn put_into(&self, name: &DistinguishedName, value: &str) -> Option<DistinguishedName> {
        let tag = if self.oid == COUNTRY.oid {
            PRINTABLE_STRING
        } else {
            UTF8_STRING
        };
        let oid = self.oid.to_der().ok()?;
        let pair = encode::wrap(SEQUENCE, &[&oid, &encode::wrap(tag, &[value.as_bytes()])]);
        let rdn = encode::wrap(SET, &[&pair]);
        let before = der::asn1::AnyRef::from_der(name.der()).ok()?;
        DistinguishedName::from_der(&encode::wrap(SEQUENCE, &[&rdn, before.value()])).ok()
    }
}
