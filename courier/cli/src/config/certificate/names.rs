//! Subject and names of a certificate.

use std::net::IpAddr;

use pki::{DistinguishedName, SubjectAltName};

use crate::config::section::Section;

/// Longest common name (RFC 5280, upper bound of commonName).
const MAX_COMMON_NAME: usize = 64;
/// Longest of the other parts (RFC 5280 allows 128 for a place and a state, 64 for an organisation).
const MAX_PART: usize = 64;

pub(super) fn read(certificate: &Section<'_>) -> (DistinguishedName, Vec<SubjectAltName>) {
    let section = certificate.below("subject", "certificate.subject");
    let sans = certificate.below("sans", "certificate.sans");
    let common_name = part(&section, "common_name", MAX_COMMON_NAME);
    let mut names = names(&sans);
    if let Some(name) = common_name.as_deref().and_then(name_of) {
        if !names.contains(&name) {
            names.insert(0, name);
        }
    } else if !names
        .iter()
        .any(|name| matches!(name, SubjectAltName::Dns(_) | SubjectAltName::Ip(_)))
        && common_name.is_none()
    {
        certificate.problem(
            "sans",
            "has no DNS name and no IP address, and there is no subject.common_name",
        );
    }
    let first = names.iter().find_map(|name| match name {
        SubjectAltName::Dns(name) if name.len() <= MAX_COMMON_NAME => Some(name.clone()),
        _ => None,
    });
    let subject = subject(&section, common_name.or(first));
    (subject, names)
}

/// The common name as a name, when it is one.
fn name_of(common_name: &str) -> Option<SubjectAltName> {
    if let Ok(address) = common_name.parse::<IpAddr>() {
        return Some(SubjectAltName::Ip(address));
    }
    // A single word is a title rather than a host.
    SubjectAltName::dns(without_dot(common_name))
        .ok()
        .filter(|_| common_name.contains('.') || common_name == "localhost")
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn names(section: &Section<'_>) -> Vec<SubjectAltName> {
    let mut names = Vec::new();
    let mut take = |key: &str, parse: &dyn Fn(&str) -> Result<SubjectAltName, String>| {
        for (number, text) in section.texts(key).iter().enumerate() {
            let name = section.noted(&format!("{key}[{number}]"), parse(text));
            names.extend(name.filter(|name| !names.contains(name)));
        }
    };
    take("dns", &|text| {
        SubjectAltName::dns(without_dot(text)).map_err(|fault| fault.to_string())
    });
    take("ip", &|text| {
        let address = text.parse().map(SubjectAltName::Ip);
        address.map_err(|_| "is no IP address".to_owned())
    });
    take("email", &|text| {
        SubjectAltName::email(text).map_err(|fault| fault.to_string())
    });
    take("uri", &|text| {
        SubjectAltName::uri(text).map_err(|fault| fault.to_string())
    });
    if names.len() > pki::san::MAX_NAMES {
        section.problem("dns", format!("are more than {} names", pki::san::MAX_NAMES));
    }
    names
}

fn subject(section: &Section<'_>, common_name: Option<String>) -> DistinguishedName {
    let country = section.parsed("country", |text| {
        if text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_alphabetic()) {
            Ok(text.to_ascii_uppercase())
        } else {
            Err("is no country: two letters (ISO 3166-1)".to_owned())
        }
    });
    let parts = [
        ("CN", common_name),
        ("OU", part(section, "organizational_unit", MAX_PART)),
        ("O", part(section, "organization", MAX_PART)),
        ("L", part(section, "locality", MAX_PART)),
        ("ST", part(section, "state", MAX_PART)),
        ("C", country),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", escaped(&value?))));
    let text: Vec<String> = parts.collect();
    let subject = DistinguishedName::parse(&text.join(",")).map_err(|fault| fault.to_string());
    section
        .noted("common_name", subject)
        .unwrap_or_else(DistinguishedName::empty)
}

fn part(section: &Section<'_>, key: &str, most: usize) -> Option<String> {
    section.parsed(key, |text| {
        let length = text.chars().count();
        if length == 0 || length > most || text.chars().any(char::is_control) {
            return Err(format!("is no text of 1 to {most} characters"));
        }
        Ok(text.to_owned())
    })
}

/// A value in the text of a name (RFC 4514 §2.4).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, letter) in value.char_indices() {
        let is_special = "\"+,;<>\\=".contains(letter)
            || (at == 0 && "# ".contains(letter))
            || (at == last && letter == ' ');
        if is_special {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}
