//! Which attributes of a requested subject are accepted, and which of them enter the certificate.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::asn1::{Any, PrintableString};
use der::{Decode, Encode, Tag, Tagged};
use serde::{Deserialize, Serialize};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::name::DirectoryString;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

use crate::profile::ProfileRefusal;
use crate::{DistinguishedName, SubjectAltName};

/// A type of subject attribute, written as its short name (`CN`, `O`, `serialNumber`) or as a dotted identifier.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttributeType(ObjectIdentifier);

const NAMED: [(&str, ObjectIdentifier); 16] = [
    ("CN", ObjectIdentifier::new_unwrap("2.5.4.3")),
    ("SN", ObjectIdentifier::new_unwrap("2.5.4.4")),
    ("serialNumber", ObjectIdentifier::new_unwrap("2.5.4.5")),
    ("C", ObjectIdentifier::new_unwrap("2.5.4.6")),
    ("L", ObjectIdentifier::new_unwrap("2.5.4.7")),
    ("ST", ObjectIdentifier::new_unwrap("2.5.4.8")),
    ("STREET", ObjectIdentifier::new_unwrap("2.5.4.9")),
    ("O", ObjectIdentifier::new_unwrap("2.5.4.10")),
    ("OU", ObjectIdentifier::new_unwrap("2.5.4.11")),
    ("title", ObjectIdentifier::new_unwrap("2.5.4.12")),
    ("GN", ObjectIdentifier::new_unwrap("2.5.4.42")),
    ("organizationIdentifier", ObjectIdentifier::new_unwrap("2.5.4.97")),
    ("UID", ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1")),
    ("DC", ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25")),
    (
        "emailAddress",
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"),
    ),
    (
        "unstructuredName",
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.2"),
    ),
];

impl AttributeType {
    /// commonName.
    pub const COMMON_NAME: Self = Self(ObjectIdentifier::new_unwrap("2.5.4.3"));

    /// The object identifier of the type.
    pub fn oid(self) -> ObjectIdentifier {
        self.0
    }

    /// The named types with these short names; a name that is not known is left out.
    pub(super) fn named(names: &[&str]) -> Vec<Self> {
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

/// Which attributes a subject may have. An attribute that is not `allowed` refuses the request; one that is allowed
/// but not `taken` is left out of the certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubjectPolicy {
    /// Types that may stand in the request.
    pub allowed: Vec<AttributeType>,
    /// Types that enter the certificate.
    pub taken: Vec<AttributeType>,
    /// Types that must be there.
    pub required: Vec<AttributeType>,
    /// Whether the common name must be one of the DNS names, addresses or mailboxes of the certificate.
    pub common_name_in_names: bool,
}

impl Default for SubjectPolicy {
    fn default() -> Self {
        Self {
            allowed: AttributeType::named(&[
                "CN",
                "O",
                "OU",
                "C",
                "ST",
                "L",
                "serialNumber",
                "DC",
                "UID",
                "emailAddress",
            ]),
            taken: AttributeType::named(&["CN", "O", "OU", "C", "ST", "L", "serialNumber", "DC", "UID"]),
            required: Vec::new(),
            common_name_in_names: false,
        }
    }
}

impl SubjectPolicy {
    /// The subject of the certificate: the taken attributes of the wanted one, in their order.
    pub(super) fn apply(
        &self,
        asked: &DistinguishedName,
        names: &[SubjectAltName],
    ) -> Result<DistinguishedName, ProfileRefusal> {
        let wanted = Name::from_der(asked.der())?;
        if let Some(stranger) = wanted
            .iter()
            .find(|attribute| !self.allowed.contains(&AttributeType(attribute.oid)))
        {
            return Err(ProfileRefusal::new(
                "subject_attribute_not_allowed",
                format!(
                    "the subject has {}, which the profile does not allow",
                    AttributeType(stranger.oid)
                ),
            ));
        }
        if let Some(missing) = self
            .required
            .iter()
            .find(|required| !wanted.iter().any(|attribute| attribute.oid == required.0))
        {
            return Err(ProfileRefusal::new(
                "subject_attribute_required",
                format!("the subject has no {missing}, which the profile asks for"),
            ));
        }
        self.admit_common_name(&wanted, names)?;
        let is_taken_as_it_is = |attribute: &AttributeTypeAndValue| {
            self.taken.contains(&AttributeType(attribute.oid)) && !is_translated(&attribute.value)
        };
        // What was read of several attributes in one RDN is sorted; what was asked for need not be.
        let stays = |rdn: &RelativeDistinguishedName| rdn.len() == 1 && rdn.iter().all(is_taken_as_it_is);
        if wanted.iter_rdn().all(stays) {
            return Ok(asked.clone());
        }
        let taken = wanted
            .iter_rdn()
            .map(|rdn| self.take(rdn))
            .filter(|rdn| !matches!(rdn, Ok(rdn) if rdn.is_empty()));
        let taken: Vec<RelativeDistinguishedName> = taken.collect::<Result<_, der::Error>>()?;
        let der = RdnSequence::from(taken).to_der()?;
        DistinguishedName::from_der(&der).map_err(|fault| {
            ProfileRefusal::new("subject_invalid", format!("the subject cannot be used: {fault}"))
        })
    }

    /// The taken attributes of one RDN.
    fn take(&self, rdn: &RelativeDistinguishedName) -> der::Result<RelativeDistinguishedName> {
        let taken: der::Result<Vec<AttributeTypeAndValue>> = rdn
            .iter()
            .filter(|attribute| self.taken.contains(&AttributeType(attribute.oid)))
            .map(|attribute| {
                Ok(AttributeTypeAndValue {
                    oid: attribute.oid,
                    value: as_utf8(&attribute.value)?,
                })
            })
            .collect();
        RelativeDistinguishedName::try_from(taken?)
    }

    fn admit_common_name(&self, wanted: &Name, names: &[SubjectAltName]) -> Result<(), ProfileRefusal> {
        if !self.common_name_in_names {
            return Ok(());
        }
        let stranger = wanted
            .iter()
            .filter(|attribute| attribute.oid == AttributeType::COMMON_NAME.0)
            .map(|attribute| {
                DirectoryString::try_from(&attribute.value)
                    .map(String::from)
                    .unwrap_or_default()
            })
            .find(|common_name| !names.iter().any(|name| is_same(name, common_name)));
        stranger.map_or(Ok(()), |common_name| {
            Err(ProfileRefusal::new(
                "common_name_not_in_names",
                format!("the common name `{common_name}` is not among the subject alternative names"),
            ))
        })
    }
}

/// Whether a common name says the same as a subject alternative name.
fn is_same(name: &SubjectAltName, common_name: &str) -> bool {
    match name {
        SubjectAltName::Dns(text) | SubjectAltName::Email(text) => text.eq_ignore_ascii_case(common_name),
        SubjectAltName::Ip(address) => common_name
            .parse()
            .is_ok_and(|parsed: std::net::IpAddr| parsed == *address),
        SubjectAltName::Uri(text) | SubjectAltName::Upn(text) => text == common_name,
    }
}

/// RFC 5280 §4.1.2.4: new names are written as PrintableString or UTF8String. The older string types that Windows and
/// some devices still send, and PrintableStrings that are none, are translated.
fn as_utf8(value: &Any) -> der::Result<Any> {
    match value.tag() {
        _ if !is_translated(value) => Ok(value.clone()),
        Tag::PrintableString => Any::new(Tag::Utf8String, value.value()),
        _ => {
            let text = String::from(DirectoryString::try_from(value)?);
            Any::new(Tag::Utf8String, text.into_bytes())
        }
    }
}

fn is_translated(value: &Any) -> bool {
    match value.tag() {
        Tag::TeletexString | Tag::BmpString => true,
        Tag::PrintableString => value.value().is_ascii() && value.decode_as::<PrintableString>().is_err(),
        _ => false,
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(_, oid)| *oid == self.0) {
            Some((name, _)) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// The text names no attribute type.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a subject attribute: write a short name such as CN, O, OU, C, ST, L or a dotted object identifier"
)]
pub struct AttributeTypeFault(String);

impl FromStr for AttributeType {
    type Err = AttributeTypeFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NAMED
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, oid)| *oid)
            .or_else(|| ObjectIdentifier::new(text).ok())
            .map(Self)
            .ok_or_else(|| AttributeTypeFault(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for AttributeType {
    type Error = AttributeTypeFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AttributeType> for String {
    fn from(attribute: AttributeType) -> Self {
        attribute.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn attribute_types_are_named_or_dotted() {
        for (name, oid) in NAMED {
            assert_eq!(name.parse::<AttributeType>().unwrap(), AttributeType(oid));
            assert_eq!(
                oid.to_string().parse::<AttributeType>().unwrap().to_string(),
                name
            );
        }
        assert_eq!("1.2.3".parse::<AttributeType>().unwrap().to_string(), "1.2.3");
        assert!("cn".parse::<AttributeType>().is_err());
        assert_eq!(SubjectPolicy::default().allowed.len(), 10);
        assert_eq!(SubjectPolicy::default().taken.len(), 9);
    }

    #[test]
    fn older_string_types_become_utf8() {
        let value = Any::new(Tag::BmpString, vec![0x00, b'H', 0x00, 0xe9]).unwrap();
        let translated = as_utf8(&value).unwrap();
        assert_eq!(translated.tag(), Tag::Utf8String);
        assert_eq!(translated.value(), "Hé".as_bytes());
        let value = Any::new(Tag::PrintableString, b"*.example_1.com".to_vec()).unwrap();
        assert_eq!(as_utf8(&value).unwrap().tag(), Tag::Utf8String);
        let kept = Any::new(Tag::PrintableString, b"Hello".to_vec()).unwrap();
        assert_eq!(as_utf8(&kept).unwrap(), kept);
    }
}
