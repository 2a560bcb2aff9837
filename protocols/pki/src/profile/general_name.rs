//! Subject alternative names as the GeneralName of RFC 5280 §4.2.1.6.

use std::net::IpAddr;

use der::asn1::{Any, Ia5String, OctetString};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use crate::SubjectAltName;
use crate::san::UPN;

/// The name as it stands in the extension.
pub(super) fn general_name(name: &SubjectAltName) -> der::Result<GeneralName> {
    Ok(match name {
        SubjectAltName::Dns(text) => GeneralName::DnsName(Ia5String::new(text)?),
        SubjectAltName::Email(text) => GeneralName::Rfc822Name(Ia5String::new(text)?),
        SubjectAltName::Uri(text) => GeneralName::UniformResourceIdentifier(Ia5String::new(text)?),
        SubjectAltName::Ip(IpAddr::V4(address)) => {
            GeneralName::IpAddress(OctetString::new(address.octets())?)
        }
        SubjectAltName::Ip(IpAddr::V6(address)) => {
            GeneralName::IpAddress(OctetString::new(address.octets())?)
        }
        SubjectAltName::Upn(text) => GeneralName::OtherName(OtherName {
            type_id: UPN,
            value: Any::encode_from(text)?,
        }),
    })
}
