//! Name constraints (RFC 5280 §4.2.1.10): may a certificate bear its names under this authority?
//!
//! Answers are strict: a subtree of a type that is not compared here refuses every name of that type, and so does a
//! name that cannot be read.

use std::mem::discriminant;

use const_oid::ObjectIdentifier;
use der::Decode;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::{Name, RelativeDistinguishedName};

use crate::certificate::Certificate;
use crate::name;

const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// Whether every name of `certificate` lies within the constraints.
pub(super) fn allow(constraints: &NameConstraints, certificate: &Certificate) -> bool {
    let Some(names) = names_of(certificate) else {
        return false;
    };
    let permitted = constraints.permitted_subtrees.as_deref().unwrap_or_default();
    let excluded = constraints.excluded_subtrees.as_deref().unwrap_or_default();
    // RFC 5280 §4.2.1.10: minimum is zero and maximum absent.
    if permitted
        .iter()
        .chain(excluded)
        .any(|subtree| subtree.minimum != 0 || subtree.maximum.is_some())
    {
        return false;
    }
    names.iter().all(|name| {
        let mut of_its_type = permitted
            .iter()
            .filter(|subtree| is_same_type(&subtree.base, name))
            .peekable();
        let is_permitted =
            of_its_type.peek().is_none() || of_its_type.any(|subtree| is_within(name, &subtree.base));
        is_permitted && !excluded.iter().any(|subtree| touches(name, &subtree.base))
    })
}

/// The subject, the subject alternative names, and the mailboxes that old certificates keep in the subject instead.
fn names_of(certificate: &Certificate) -> Option<Vec<GeneralName>> {
    let mut names = certificate.general_names().ok()?;
    let has_mailbox = names
        .iter()
        .any(|name| matches!(name, GeneralName::Rfc822Name(_)));
    let subject = Name::from_der(certificate.subject().der()).ok()?;
    if !has_mailbox {
        for attribute in subject.iter().filter(|attribute| attribute.oid == EMAIL_ADDRESS) {
            let mailbox = der::asn1::Ia5String::new(&name::text(&attribute.value)?).ok()?;
            names.push(GeneralName::Rfc822Name(mailbox));
        }
    }
    if !subject.is_empty() {
        names.push(GeneralName::DirectoryName(subject));
    }
    Some(names)
}

fn is_same_type(base: &GeneralName, name: &GeneralName) -> bool {
    match (base, name) {
        (GeneralName::OtherName(base), GeneralName::OtherName(name)) => base.type_id == name.type_id,
        _ => discriminant(base) == discriminant(name),
    }
}

fn is_within(name: &GeneralName, base: &GeneralName) -> bool {
    match (name, base) {
        (GeneralName::DnsName(name), GeneralName::DnsName(base)) => is_below(
            name.as_str().strip_prefix("*.").unwrap_or(name.as_str()),
            base.as_str(),
        ),
        (GeneralName::Rfc822Name(name), GeneralName::Rfc822Name(base)) => {
            is_mailbox_of(name.as_str(), base.as_str())
        }
        (GeneralName::UniformResourceIdentifier(name), GeneralName::UniformResourceIdentifier(base)) => {
            uri_host(name.as_str()).is_some_and(|host| is_host_of(host, base.as_str()))
        }
        (GeneralName::IpAddress(name), GeneralName::IpAddress(base)) => {
            is_in_range(name.as_bytes(), base.as_bytes())
        }
        (GeneralName::DirectoryName(name), GeneralName::DirectoryName(base)) => is_under(name, base),
        _ => false,
    }
}

/// Whether an excluded subtree forbids the name. What cannot be compared is forbidden.
fn touches(name: &GeneralName, base: &GeneralName) -> bool {
    if !is_same_type(base, name) {
        return false;
    }
    match (name, base) {
        (GeneralName::DnsName(name), GeneralName::DnsName(excluded)) => {
            // `*.example` speaks for `a.example` too.
            let parent = excluded
                .as_str()
                .trim_start_matches('.')
                .split_once('.')
                .map(|(_, parent)| parent);
            let wildcard = name.as_str().strip_prefix("*.");
            is_within_dns(name.as_str(), excluded.as_str())
                || wildcard
                    .zip(parent)
                    .is_some_and(|(wildcard, parent)| wildcard.eq_ignore_ascii_case(parent))
        }
        (GeneralName::UniformResourceIdentifier(name), _) if uri_host(name.as_str()).is_none() => true,
        (GeneralName::IpAddress(name), GeneralName::IpAddress(base))
            if base.as_bytes().len() != 2 * name.as_bytes().len() =>
        {
            // The other family of addresses; a base of no family at all forbids everything.
            !matches!(base.as_bytes().len(), 8 | 32)
        }
        (
            GeneralName::DnsName(_)
            | GeneralName::Rfc822Name(_)
            | GeneralName::UniformResourceIdentifier(_)
            | GeneralName::IpAddress(_)
            | GeneralName::DirectoryName(_),
            _,
        ) => is_within(name, base),
        _ => true,
    }
}

fn is_within_dns(name: &str, base: &str) -> bool {
    is_below(name.strip_prefix("*.").unwrap_or(name), base)
}

/// A DNS name equal to the base or with more labels in front; a base that begins with a dot wants at least one more.
fn is_below(name: &str, base: &str) -> bool {
    if base.is_empty() {
        return true;
    }
    let wants_more = base.starts_with('.');
    let base = base.trim_start_matches('.');
    match name
        .len()
        .checked_sub(base.len())
        .and_then(|start| name.split_at_checked(start))
    {
        Some((front, end)) if end.eq_ignore_ascii_case(base) => {
            front.ends_with('.') || (front.is_empty() && !wants_more)
        }
        _ => false,
    }
}

/// A base is a mailbox, a host (all its mailboxes), or a domain after a dot (the mailboxes of all hosts in it).
fn is_mailbox_of(name: &str, base: &str) -> bool {
    let Some((local, host)) = name.rsplit_once('@') else {
        return false;
    };
    match base.rsplit_once('@') {
        Some((base_local, base_host)) => local == base_local && host.eq_ignore_ascii_case(base_host),
        None => is_host_of(host, base),
    }
}

fn is_host_of(host: &str, base: &str) -> bool {
    if base.starts_with('.') {
        is_below(host, base)
    } else {
        base.is_empty() || host.eq_ignore_ascii_case(base)
    }
}

/// The host of a URI; nothing when it has none or an address, which constraints do not cover.
fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split(':').next().unwrap_or_default();
    let is_name = !host.is_empty() && !host.starts_with('[') && host.parse::<std::net::Ipv4Addr>().is_err();
    is_name.then_some(host)
}

/// The base is an address and a mask of the same length.
fn is_in_range(address: &[u8], base: &[u8]) -> bool {
    let Some((network, mask)) = base.split_at_checked(address.len()) else {
        return false;
    };
    !address.is_empty()
        && mask.len() == address.len()
        && address
            .iter()
            .zip(network)
            .zip(mask)
            .all(|((ours, theirs), mask)| ours & mask == theirs & mask)
}

/// A name under another begins with its relative names.
fn is_under(name: &Name, base: &Name) -> bool {
    base.len() <= name.len()
        && base
            .iter_rdn()
            .zip(name.iter_rdn())
            .all(|(base, name)| plain(base) == plain(name))
}

/// A relative name for comparison: letters of either case and strings of any type are alike (RFC 5280 §7.1).
fn plain(name: &RelativeDistinguishedName) -> Vec<(ObjectIdentifier, Vec<u8>)> {
    let value = |attribute: &AttributeTypeAndValue| match name::text(&attribute.value) {
        Some(text) => text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase()
            .into_bytes(),
        None => attribute.value.value().to_vec(),
    };
    let mut attributes: Vec<_> = name
        .iter()
        .map(|attribute| (attribute.oid, value(attribute)))
        .collect();
    attributes.sort();
    attributes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use crate::name::DistinguishedName;
    use der::asn1::{Ia5String, OctetString};

    fn dns(text: &str) -> GeneralName {
        GeneralName::DnsName(Ia5String::new(text).unwrap())
    }

    fn mailbox(text: &str) -> GeneralName {
        GeneralName::Rfc822Name(Ia5String::new(text).unwrap())
    }

    fn uri(text: &str) -> GeneralName {
        GeneralName::UniformResourceIdentifier(Ia5String::new(text).unwrap())
    }

    fn octets(octets: &[u8]) -> GeneralName {
        GeneralName::IpAddress(OctetString::new(octets).unwrap())
    }

    fn directory(text: &str) -> GeneralName {
        GeneralName::DirectoryName(Name::from_der(DistinguishedName::parse(text).unwrap().der()).unwrap())
    }

    #[test]
    fn names_lie_within_their_subtrees() {
        for (name, base) in [
            (dns("a.example"), dns("example")),
            (dns("A.Example"), dns("a.example")),
            (dns("*.a.example"), dns("a.example")),
            (dns("b.a.example"), dns(".a.example")),
            (dns("anything"), dns("")),
            (mailbox("x@a.example"), mailbox("x@A.example")),
            (mailbox("x@a.example"), mailbox("a.example")),
            (mailbox("x@b.a.example"), mailbox(".a.example")),
            (uri("https://u@a.example:8443/x"), uri("a.example")),
            (uri("https://b.a.example"), uri(".a.example")),
            (octets(&[10, 1, 2, 3]), octets(&[10, 0, 0, 0, 255, 0, 0, 0])),
            (
                directory("CN=x,O=Example Ltd,C=CH"),
                directory("O=example  LTD,C=CH"),
            ),
        ] {
            assert!(is_within(&name, &base), "{name:?} in {base:?}");
            assert!(touches(&name, &base), "{name:?} in {base:?}");
        }
    }

    #[test]
    fn names_lie_outside_other_subtrees() {
        for (name, base) in [
            (dns("ba.example"), dns("a.example")),
            (dns("example"), dns("a.example")),
            (dns("a.example"), dns(".a.example")),
            (mailbox("y@a.example"), mailbox("x@a.example")),
            (mailbox("x@b.a.example"), mailbox("a.example")),
            (mailbox("x@a.example"), mailbox(".a.example")),
            (uri("https://b.a.example/"), uri("a.example")),
            (octets(&[11, 1, 2, 3]), octets(&[10, 0, 0, 0, 255, 0, 0, 0])),
            (octets(&[0; 16]), octets(&[0; 8])),
            (directory("CN=x,O=Other,C=CH"), directory("O=Example Ltd,C=CH")),
            (directory("C=CH"), directory("O=Example Ltd,C=CH")),
        ] {
            assert!(!is_within(&name, &base), "{name:?} in {base:?}");
            assert!(!touches(&name, &base), "{name:?} in {base:?}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_forbidden() {
        assert!(touches(&uri("urn:x:y"), &uri("a.example")));
        assert!(touches(&uri("https://192.0.2.1/"), &uri("a.example")));
        assert!(!is_within(&uri("urn:x:y"), &uri("a.example")));
        assert!(touches(&octets(&[10, 1, 2, 3]), &octets(&[10])));
        let registered = GeneralName::RegisteredId(EMAIL_ADDRESS);
        assert!(touches(&registered, &registered));
        assert!(!is_within(&registered, &registered));
        // A wildcard speaks for the excluded name.
        assert!(touches(&dns("*.example"), &dns("a.example")));
        assert!(!touches(&dns("*.example"), &dns("b.a.example")));
    }
}
