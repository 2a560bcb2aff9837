//! Subject alternative names (RFC 5280 §4.2.1.6): the five types this product certifies.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use const_oid::{AssociatedOid as _, ObjectIdentifier};
use der::asn1::{Any, Utf8StringRef};
use der::{Decode as _, Encode as _, TagNumber, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName as SubjectAltNameSyntax;
use x509_cert::ext::pkix::name::GeneralName;

use crate::encode;
use crate::extensions::Extensions;

/// `szOID_NT_PRINCIPAL_NAME`: the otherName type of Microsoft user principal names.
pub const UPN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");
/// More names than any profile lets through; read before the profile is known.
pub const MAX_NAMES: usize = 1000;

/// One name. As text: `dns:a.example`, `ip:192.0.2.1`, `email:a@b.example`, `uri:https://a.example/x`, `upn:a@corp.example`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SubjectAltName {
    /// A DNS name of A-labels in lower case, perhaps with `*` as its whole left-most label.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// A mailbox.
    Email(String),
    /// An absolute URI.
    Uri(String),
    /// A Microsoft user principal name.
    Upn(String),
}

/// Why something is no acceptable subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SanFault {
    /// The extension or a name in it cannot be read.
    #[error("the subject alternative names cannot be read")]
    Malformed,
    /// A type of name that this product does not certify.
    #[error("names of the type {0} are not supported; use DNS, IP, email, URI or UPN")]
    ForeignType(&'static str),
    /// The value is not one of its type.
    #[error("`{value}` is not a {kind}: {why}")]
    Invalid {
        /// The type.
        kind: &'static str,
        /// The value, printable and cut.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More than [`MAX_NAMES`].
    #[error("there are more than {MAX_NAMES} subject alternative names")]
    TooMany,
}

impl SanFault {
    /// The stable code of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "san_malformed",
            Self::ForeignType(_) => "san_type_not_allowed",
            Self::Invalid { .. } => "san_invalid",
            Self::TooMany => "san_too_many",
        }
    }

    fn invalid(kind: &'static str, value: &str, why: &'static str) -> Self {
        Self::Invalid {
            kind,
            value: value.chars().take(100).flat_map(char::escape_debug).collect(),
            why,
        }
    }
}

impl SubjectAltName {
    /// A checked DNS name; U-labels become A-labels.
    pub fn dns(text: &str) -> Result<Self, SanFault> {
        let fault = |why| SanFault::invalid("DNS name", text, why);
        if text.len() > 1024 {
            return Err(fault("it is longer than 253 octets"));
        }
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(text).map_err(|_| fault("it is not an internationalised domain name"))?
        };
        if ascii.len() > 253 {
            return Err(fault("it is longer than 253 octets"));
        }
        if ascii.parse::<Ipv4Addr>().is_ok() {
            return Err(fault("it is an IP address; write ip:…"));
        }
        let labels = ascii.strip_prefix("*.").unwrap_or(&ascii);
        if labels.contains('*') {
            return Err(fault("`*` stands only for the whole left-most label"));
        }
        if labels.len() != ascii.len() && !labels.contains('.') {
            return Err(fault("a wildcard directly under a top-level domain"));
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !labels.split('.').all(is_label) {
            return Err(fault(
                "its labels are 1 to 63 letters, digits and inner hyphens, joined by dots",
            ));
        }
        Ok(Self::Dns(ascii))
    }

    /// A checked mailbox (RFC 5321 §4.1.2, ASCII local part, no quoting).
    pub fn email(text: &str) -> Result<Self, SanFault> {
        mailbox(text, "mailbox").map(Self::Email)
    }

    /// A checked user principal name, which has the form of a mailbox.
    pub fn upn(text: &str) -> Result<Self, SanFault> {
        mailbox(text, "user principal name").map(Self::Upn)
    }

    /// A checked absolute URI (RFC 3986): a scheme, then something, all printable ASCII without blanks.
    pub fn uri(text: &str) -> Result<Self, SanFault> {
        let fault = |why| SanFault::invalid("URI", text, why);
        if text.len() > 2048 {
            return Err(fault("it is longer than 2048 octets"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault("it holds something other than printable ASCII"));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| fault("it has no scheme"))?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme || rest.is_empty() {
            return Err(fault("it is not absolute"));
        }
        if text.bytes().any(|byte| b"<>\"{}|\\^`".contains(&byte)) {
            return Err(fault("it holds a character that must be escaped"));
        }
        Ok(Self::Uri(text.to_owned()))
    }

    /// Whether the text fits the string type that the name is written in: all but user principal names are ASCII.
    pub(crate) fn is_encodable(&self) -> bool {
        match self {
            Self::Dns(text) | Self::Email(text) | Self::Uri(text) => text.is_ascii(),
            Self::Ip(_) | Self::Upn(_) => true,
        }
    }

    /// DER of the `GeneralName` of RFC 5280 §4.2.1.6, of one that is encodable.
    pub(crate) fn to_general_name(&self) -> Vec<u8> {
        match self {
            Self::Email(text) => encode::wrap(0x81, &[text.as_bytes()]),
            Self::Dns(text) => encode::wrap(0x82, &[text.as_bytes()]),
            Self::Uri(text) => encode::wrap(0x86, &[text.as_bytes()]),
            Self::Ip(IpAddr::V4(address)) => encode::wrap(0x87, &[&address.octets()]),
            Self::Ip(IpAddr::V6(address)) => encode::wrap(0x87, &[&address.octets()]),
            Self::Upn(text) => {
                let oid = UPN.to_der().unwrap_or_default();
                let value = encode::wrap(0xa0, &[&encode::wrap(0x0c, &[text.as_bytes()])]);
                encode::wrap(0xa0, &[&oid, &value])
            }
        }
    }

    /// Reads a GeneralName of a request or a certificate.
    pub fn from_general_name(name: &GeneralName) -> Result<Self, SanFault> {
        match name {
            GeneralName::DnsName(text) => Self::dns(text.as_str()),
            GeneralName::Rfc822Name(text) => Self::email(text.as_str()),
            GeneralName::UniformResourceIdentifier(text) => Self::uri(text.as_str()),
            GeneralName::IpAddress(octets) => {
                let octets = octets.as_bytes();
                if let Ok(four) = <[u8; 4]>::try_from(octets) {
                    Ok(Self::Ip(Ipv4Addr::from(four).into()))
                } else if let Ok(sixteen) = <[u8; 16]>::try_from(octets) {
                    Ok(Self::Ip(Ipv6Addr::from(sixteen).into()))
                } else {
                    Err(SanFault::invalid(
                        "IP address",
                        "",
                        "it has neither 4 nor 16 octets",
                    ))
                }
            }
            GeneralName::OtherName(other) if other.type_id == UPN => {
                let text: Utf8StringRef<'_> = other.value.decode_as().map_err(|_| SanFault::Malformed)?;
                Self::upn(text.as_str())
            }
            GeneralName::OtherName(_) => Err(SanFault::ForeignType("otherName")),
            GeneralName::DirectoryName(_) => Err(SanFault::ForeignType("directoryName")),
            GeneralName::EdiPartyName(_) => Err(SanFault::ForeignType("ediPartyName")),
            GeneralName::RegisteredId(_) => Err(SanFault::ForeignType("registeredID")),
        }
    }
}

/// The names in the extension of a request or a certificate, of whatever type; none without the extension.
pub(crate) fn general_names(extensions: &Extensions) -> Result<Vec<GeneralName>, SanFault> {
    match extensions.value::<SubjectAltNameSyntax>() {
        Ok(names) => Ok(names.map(|names| names.0).unwrap_or_default()),
        Err(_) if has_x400_address(extensions) => Err(SanFault::ForeignType("x400Address")),
        Err(_) => Err(SanFault::Malformed),
    }
}

/// The syntax of GeneralName here leaves this one type out: RFC 5280 §4.2.1.6, `x400Address [3]`.
fn has_x400_address(extensions: &Extensions) -> bool {
    let names = extensions
        .raw(SubjectAltNameSyntax::OID)
        .and_then(|extension| Vec::<Any>::from_der(extension.extn_value.as_bytes()).ok());
    names
        .unwrap_or_default()
        .iter()
        .any(|name| name.tag().is_context_specific() && name.tag().number() == TagNumber(3))
}

fn mailbox(text: &str, kind: &'static str) -> Result<String, SanFault> {
    let fault = |why| SanFault::invalid(kind, text, why);
    let (local, host) = text.rsplit_once('@').ok_or_else(|| fault("it has no `@`"))?;
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    if local.len() > 64 || !local.split('.').all(is_atom) {
        return Err(fault("the part before `@` is not a dotted word"));
    }
    match SubjectAltName::dns(host) {
        Ok(SubjectAltName::Dns(host)) if !host.starts_with('*') => Ok(format!("{local}@{host}")),
        _ => Err(fault("the part after `@` is not a domain")),
    }
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) => write!(f, "dns:{text}"),
            Self::Ip(address) => write!(f, "ip:{address}"),
            Self::Email(text) => write!(f, "email:{text}"),
            Self::Uri(text) => write!(f, "uri:{text}"),
            Self::Upn(text) => write!(f, "upn:{text}"),
        }
    }
}

impl FromStr for SubjectAltName {
    type Err = SanFault;

    fn from_str(text: &str) -> Result<Self, SanFault> {
        match text.split_once(':') {
            Some(("dns", name)) => Self::dns(name),
            Some(("ip", address)) => address
                .parse()
                .map(Self::Ip)
                .map_err(|_| SanFault::invalid("IP address", address, "write 192.0.2.1 or 2001:db8::1")),
            Some(("email", mailbox)) => Self::email(mailbox),
            Some(("uri", uri)) => Self::uri(uri),
            Some(("upn", upn)) => Self::upn(upn),
            _ => Err(SanFault::invalid(
                "name",
                text,
                "write dns:…, ip:…, email:…, uri:… or upn:…",
            )),
        }
    }
}

impl TryFrom<String> for SubjectAltName {
    type Error = SanFault;

    fn try_from(text: String) -> Result<Self, SanFault> {
        text.parse()
    }
}

impl From<SubjectAltName> for String {
    fn from(name: SubjectAltName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_names_print_back() {
        for text in [
            "dns:a.example",
            "dns:*.a.example",
            "dns:localhost",
            "dns:xn--bcher-kva.example",
            "ip:192.0.2.1",
            "ip:2001:db8::1",
            "email:first.last+tag@a.example",
            "uri:spiffe://a.example/ns/x",
            "uri:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "upn:user@corp.example",
        ] {
            assert_eq!(text.parse::<SubjectAltName>().unwrap().to_string(), text);
        }
        assert_eq!(
            "dns:Bücher.Example"
                .parse::<SubjectAltName>()
                .unwrap()
                .to_string(),
            "dns:xn--bcher-kva.example"
        );
    }

    #[test]
    fn crooked_names_are_refused() {
        for text in [
            "dns:a.*.example",
            "dns:a*.example",
            "dns:*.*.example",
            "dns:*",
            "dns:*.example",
            "dns:",
            "dns:.",
            "dns:a..b",
            "dns:-a.example",
            "dns:a\0.example",
            "dns:a b",
            "dns:a_b.example",
            "dns:192.0.2.1",
            "ip:1.2.3",
            "ip:10.0.0.0/8",
            "email:a",
            "email:@a.example",
            "email:a@",
            "email:a@*.example",
            "email:a b@c.example",
            "uri:x",
            "uri:/x",
            "uri:http://a b",
            "uri:http://a\0",
            "x:y",
            "",
            "a.example",
        ] {
            assert!(text.parse::<SubjectAltName>().is_err(), "{text:?}");
        }
        let long = format!("dns:{}.example", "a".repeat(64));
        assert_eq!(long.parse::<SubjectAltName>().unwrap_err().code(), "san_invalid");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(dns|ip|email|uri|upn):.{0,60}") {
            if let Ok(name) = text.parse::<SubjectAltName>() {
                prop_assert_eq!(name.to_string().parse::<SubjectAltName>().unwrap(), name);
            }
        }
    }
}
