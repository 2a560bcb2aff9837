//! Distinguished names (RFC 5280 §4.1.2.4), written as text by RFC 4514.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::asn1::{Any, AnyRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};
use x509_cert::name::Name;

/// commonName.
pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// Longest name read, in octets.
pub const MAX_NAME_LEN: usize = 8 * 1024;

/// A name, kept as the octets it came in: an issuer field must repeat its authority's subject octet for octet.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DistinguishedName {
    der: Vec<u8>,
}

/// Why something is no acceptable name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// Neither DER of a Name nor RFC 4514 text.
    #[error("the name cannot be read: {0}")]
    Malformed(String),
    /// A NUL or another control character in a value.
    #[error("a name holds a control character")]
    ControlCharacter,
    /// Over [`MAX_NAME_LEN`].
    #[error("the name is longer than {MAX_NAME_LEN} octets")]
    TooLong,
}

impl DistinguishedName {
    /// The name without any attribute.
    pub fn empty() -> Self {
        Self {
            der: vec![0x30, 0x00],
        }
    }

    /// Reads DER, strictly.
    pub fn from_der(der: &[u8]) -> Result<Self, NameFault> {
        if der.len() > MAX_NAME_LEN {
            return Err(NameFault::TooLong);
        }
        let name = Name::from_der(der).map_err(|error| NameFault::Malformed(error.to_string()))?;
        if name
            .iter()
            .any(|attribute| has_control_character(&attribute.value))
        {
            return Err(NameFault::ControlCharacter);
        }
        Ok(Self { der: der.to_vec() })
    }

    /// Reads RFC 4514 text such as `CN=host.example,O=Example,C=CH`; the first written attribute is the last encoded.
    /// Empty text is the empty name.
    pub fn parse(text: &str) -> Result<Self, NameFault> {
        if text.len() > MAX_NAME_LEN {
            return Err(NameFault::TooLong);
        }
        if text.trim().is_empty() {
            return Ok(Self::empty());
        }
        let name = Name::from_str(text).map_err(|error| NameFault::Malformed(error.to_string()))?;
        let der = name
            .to_der()
            .map_err(|error| NameFault::Malformed(error.to_string()))?;
        Self::from_der(&der)
    }

    /// The octets.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it has no attribute.
    pub fn is_empty(&self) -> bool {
        self.der == [0x30, 0x00]
    }

    /// The values of an attribute in the order they are encoded, of those that are texts.
    pub fn values_of(&self, attribute: ObjectIdentifier) -> Vec<String> {
        self.texts_of(attribute).into_iter().flatten().collect()
    }

    /// The same, with nothing for a value that is there and is no text.
    pub(crate) fn texts_of(&self, attribute: ObjectIdentifier) -> Vec<Option<String>> {
        let Ok(name) = Name::from_der(&self.der) else {
            return Vec::new();
        };
        let values = name.iter().filter(|found| found.oid == attribute);
        values.map(|found| text(&found.value)).collect()
    }

    /// The last (most specific) common name.
    pub fn common_name(&self) -> Option<String> {
        let name = Name::from_der(&self.der).ok()?;
        let value = name
            .iter()
            .filter(|attribute| attribute.oid == COMMON_NAME)
            .last()?
            .value
            .clone();
        text(&value)
    }
}

/// The text of a directory string.
pub(crate) fn text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::BmpString => {
            let units: Vec<u16> = value
                .value()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|pair| u16::from_be_bytes(*pair))
                .collect();
            String::from_utf16(&units).ok()
        }
        Tag::TeletexString => Some(value.value().iter().copied().map(char::from).collect()),
        _ => String::from_utf8(value.value().to_vec()).ok(),
    }
}

/// Whether it is the tag of a string that attributes are written in.
pub(crate) fn is_text(tag: Tag) -> bool {
    matches!(
        tag,
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString | Tag::BmpString
    )
}

fn has_control_character(value: &Any) -> bool {
    is_text(value.tag()) && text(value).is_none_or(|text| text.chars().any(char::is_control))
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match plain_text(&self.der) {
            Some(text) => f.write_str(&text),
            None => Name::from_der(&self.der).map_err(|_| fmt::Error)?.fmt(f),
        }
    }
}

/// The types that nearly every name is made of, as RFC 4514 §3 and common use write them.
const SHORT: [(ObjectIdentifier, &str); 7] = [
    (COMMON_NAME, "CN="),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O="),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU="),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C="),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST="),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L="),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"), "DC="),
];

/// RFC 4514 text of a name that has only these types and nothing to escape; any other takes the long way, which looks each
/// type up in a table of hundreds.
fn plain_text(der: &[u8]) -> Option<String> {
    let mut rdns = Vec::new();
    let mut reader = SliceReader::new(der).ok()?;
    let read = reader.sequence(|names| {
        while !names.is_finished() {
            rdns.push(AnyRef::decode(names)?.value());
        }
        der::Result::Ok(())
    });
    read.ok()?;
    let mut text = String::with_capacity(der.len());
    for rdn in rdns.into_iter().rev() {
        let mut attributes = SliceReader::new(rdn).ok()?;
        let mut separator = if text.is_empty() { "" } else { "," };
        while !attributes.is_finished() {
            let attribute = attributes.sequence(|inner| {
                der::Result::Ok((ObjectIdentifier::decode(inner)?, AnyRef::decode(inner)?))
            });
            let (oid, value) = attribute.ok()?;
            let (_, short) = SHORT.iter().find(|(known, _)| *known == oid)?;
            let value = is_plain(value).then(|| std::str::from_utf8(value.value()).ok())??;
            for part in [separator, short, value] {
                text.push_str(part);
            }
            separator = "+";
        }
    }
    Some(text)
}

/// Whether a value is a string without anything that RFC 4514 escapes, or that its type does not allow.
fn is_plain(value: AnyRef<'_>) -> bool {
    let also: &[u8] = match value.tag() {
        Tag::PrintableString => b" -.:/()=?'",
        Tag::Utf8String | Tag::Ia5String => b" -.:/()=?'*_@",
        _ => return false,
    };
    let octets = value.value();
    let is_padded = octets.first() == Some(&b' ') || octets.last() == Some(&b' ');
    !is_padded
        && octets
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || also.contains(octet))
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({self})")
    }
}

impl FromStr for DistinguishedName {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        Self::parse(text)
    }
}

impl serde::Serialize for DistinguishedName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for DistinguishedName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use crate::encode;
    use proptest::prelude::*;

    #[test]
    fn text_and_octets_agree() {
        let name = DistinguishedName::parse("CN=host.example,O=Example Ltd,C=CH").unwrap();
        assert_eq!(name.to_string(), "CN=host.example,O=Example Ltd,C=CH");
        assert_eq!(name.common_name().unwrap(), "host.example");
        assert_eq!(DistinguishedName::from_der(name.der()).unwrap(), name);
        assert!(DistinguishedName::parse("").unwrap().is_empty());
        assert_eq!(DistinguishedName::empty().common_name(), None);
    }

    #[test]
    fn the_short_way_writes_what_the_long_way_does() {
        let names = [
            "CN=host.example,OU=Unit (1),O=Example Ltd,L=Bern,ST=BE,C=CH,DC=example,DC=org",
            "CN=*.a_b.example+OU=x@y,O=it's: a/b=c?",
            "CN=a\\,b",
            "CN=\\ padded",
            "CN=padded\\ ",
            "CN=\\#1",
            "CN=Zürich",
            "UID=42,CN=a",
            "1.2.3.4=#0c0161",
            "",
        ];
        for text in names {
            let name = DistinguishedName::parse(text).unwrap();
            let long = Name::from_der(name.der()).unwrap().to_string();
            assert_eq!(name.to_string(), long, "{text}");
            let has_short = plain_text(name.der()).is_some();
            let plain = text.is_ascii() && !text.contains('\\') && !text.starts_with(['U', '1']);
            assert_eq!(has_short, plain, "{text}");
        }
        // An underscore is in no PrintableString.
        let odd = [
            0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x01, b'_',
        ];
        assert_eq!(plain_text(&odd), None);
    }

    #[test]
    fn values_come_in_their_order() {
        let name = DistinguishedName::parse("CN=b,CN=a,OU=two,OU=one+O=Ex\\,ample").unwrap();
        let of = |attribute: &str| name.values_of(attribute.parse().unwrap());
        assert_eq!(of("2.5.4.3"), ["a", "b"]);
        assert_eq!(of("2.5.4.11"), ["one", "two"]);
        assert_eq!(of("2.5.4.10"), ["Ex,ample"]);
        assert_eq!(of("2.5.4.6"), [""; 0]);
        // O=<ff> as OCTET STRING: there, and no text.
        let odd = [
            0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x04, 0x01, 0xff,
        ];
        let odd = DistinguishedName::from_der(&odd).unwrap();
        let organization = "2.5.4.10".parse().unwrap();
        assert_eq!(odd.values_of(organization), [""; 0]);
        assert_eq!(odd.texts_of(organization), [None]);
    }

    #[test]
    fn a_nul_is_refused() {
        // CN=a<NUL>b as UTF8String
        let der = [
            0x30, 0x0e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x03, b'a', 0, b'b',
        ];
        assert_eq!(
            DistinguishedName::from_der(&der),
            Err(NameFault::ControlCharacter)
        );
    }

    #[test]
    fn truncation_is_refused_at_every_octet() {
        let name = DistinguishedName::parse("CN=host.example,O=Example Ltd,C=CH").unwrap();
        for end in 0..name.der().len() {
            assert!(DistinguishedName::from_der(name.der().get(..end).unwrap()).is_err());
        }
    }

    proptest! {
        #[test]
        fn both_ways_of_writing_agree(
            value in "[ -~é]{0,12}",
            tag in proptest::sample::select(&[Tag::PrintableString, Tag::Utf8String, Tag::Ia5String, Tag::BmpString][..]),
            (oid, _) in proptest::sample::select(&SHORT[..]),
        ) {
            let (oid, value) = (oid.to_der().unwrap(), Any::new(tag, value.as_bytes()).unwrap().to_der().unwrap());
            let rdn = encode::wrap(encode::SET, &[&encode::wrap(encode::SEQUENCE, &[&oid, &value])]);
            let der = encode::wrap(encode::SEQUENCE, &[&rdn]);
            if let (Some(short), Ok(long)) = (plain_text(&der), Name::from_der(&der)) {
                prop_assert_eq!(short, long.to_string());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[ -~]{0,80}") {
            if let Ok(name) = DistinguishedName::parse(&text) {
                prop_assert_eq!(DistinguishedName::from_der(name.der()).unwrap(), name);
            }
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(name) = DistinguishedName::from_der(&octets) {
                prop_assert_eq!(name.der(), octets);
            }
        }
    }
}
