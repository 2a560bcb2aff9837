//! How an entry is written: as text, or as the members it has.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{AllowedName, AllowedNameFault, DomainEntry, Entry, Subdomains};
use crate::san::SubjectAltName;

/// An entry as it may be written in JSON.
pub(super) enum Written {
    Text(String),
    Members(Members),
}

/// A domain with what of it is covered, or a text with the wildcard beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    domain: Option<String>,
    pattern: Option<String>,
    exact: Option<bool>,
    subdomains: Option<Subdomains>,
    #[serde(default)]
    wildcard: bool,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an entry as text or by its members")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Written, A::Error> {
                Members::deserialize(MapAccessDeserializer::new(members)).map(Written::Members)
            }
        }

        deserializer.deserialize_any(Form)
    }
}

impl TryFrom<Written> for AllowedName {
    type Error = AllowedNameFault;

    fn try_from(written: Written) -> Result<Self, AllowedNameFault> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Members(members) => members.try_into(),
        }
    }
}

impl TryFrom<Members> for AllowedName {
    type Error = AllowedNameFault;

    fn try_from(members: Members) -> Result<Self, AllowedNameFault> {
        let Members {
            exact,
            subdomains,
            wildcard,
            ..
        } = members;
        match (members.domain, members.pattern) {
            (Some(domain), None) => DomainEntry {
                domain,
                exact: exact.unwrap_or_default(),
                subdomains: subdomains.unwrap_or_default(),
                wildcard,
            }
            .try_into(),
            (None, Some(pattern)) if exact.is_none() && subdomains.is_none() => {
                let mut name: Self = pattern.parse()?;
                match &mut name.0 {
                    Entry::Domain(entry) => entry.wildcard |= wildcard,
                    _ if wildcard => return Err(AllowedNameFault::Members),
                    _ => {}
                }
                Ok(name)
            }
            _ => Err(AllowedNameFault::Members),
        }
    }
}

impl TryFrom<DomainEntry> for AllowedName {
    type Error = AllowedNameFault;

    fn try_from(entry: DomainEntry) -> Result<Self, AllowedNameFault> {
        if !entry.exact && !entry.wildcard && entry.subdomains == Subdomains::None {
            return Err(AllowedNameFault::Nothing(shown(&entry.domain)));
        }
        Ok(Self(Entry::Domain(DomainEntry {
            domain: domain(&entry.domain)?,
            ..entry
        })))
    }
}

impl FromStr for AllowedName {
    type Err = AllowedNameFault;

    fn from_str(text: &str) -> Result<Self, AllowedNameFault> {
        if let Some(range) = text.strip_prefix("ip:") {
            return ip(range);
        }
        if let Some(mailbox) = text.strip_prefix("email:") {
            return email(mailbox);
        }
        if let Some(address) = text.strip_prefix("uri:") {
            return uri(address);
        }
        // Several of the properties of one domain are joined by `|`, as they are printed.
        if text.contains('|') {
            return joined(text);
        }
        let text = text.strip_prefix("dns:").unwrap_or(text);
        let entry = |exact, subdomains, wildcard, name: &str| {
            let domain = domain(name)?;
            Ok(Self(Entry::Domain(DomainEntry {
                domain,
                exact,
                subdomains,
                wildcard,
            })))
        };
        if let Some(name) = text.strip_prefix("=*.") {
            entry(false, Subdomains::None, true, name)
        } else if let Some(name) = text.strip_prefix("**.") {
            entry(false, Subdomains::Any, false, name)
        } else if let Some(name) = text.strip_prefix("*.") {
            entry(false, Subdomains::One, false, name)
        } else {
            entry(true, Subdomains::None, false, text)
        }
    }
}

impl From<AllowedName> for String {
    fn from(name: AllowedName) -> Self {
        name.to_string()
    }
}

/// The text of an entry, which reads back as the same.
pub(super) fn text(entry: &Entry) -> String {
    match entry {
        Entry::Domain(entry) => {
            let domain = &entry.domain;
            let mut parts = Vec::new();
            if entry.exact {
                parts.push(domain.clone());
            }
            match entry.subdomains {
                Subdomains::None => {}
                Subdomains::One => parts.push(format!("*.{domain}")),
                Subdomains::Any => parts.push(format!("**.{domain}")),
            }
            if entry.wildcard {
                parts.push(format!("=*.{domain}"));
            }
            parts.join("|")
        }
        Entry::Ip(range) => format!("ip:{range}"),
        Entry::Email { local, domain } => format!("email:{}@{domain}", local.as_deref().unwrap_or("*")),
        Entry::Uri { start, is_prefix } => format!("uri:{start}{}", if *is_prefix { "*" } else { "" }),
    }
}

/// A domain without any star, normalised.
pub(super) fn domain(text: &str) -> Result<String, AllowedNameFault> {
    if text.contains('*') {
        return Err(AllowedNameFault::Star(shown(text)));
    }
    match super::requested_dns(text)? {
        SubjectAltName::Dns(name) => Ok(name),
        _ => Err(AllowedNameFault::Star(shown(text))),
    }
}

/// Whether what begins like an A-label is one (RFC 5890 §2.3.2.1): what decodes to nothing, or to what is written otherwise, only
/// looks like a name to those who do not decode it.
pub(super) fn has_sound_labels(name: &str) -> bool {
    !name.split('.').any(|label| label.starts_with("xn--"))
        || idna::domain_to_ascii(name).is_ok_and(|ascii| ascii == name)
}

/// What an entry for one domain is printed as: `x|*.x|=*.x`, each at most once.
fn joined(text: &str) -> Result<AllowedName, AllowedNameFault> {
    let fault = || AllowedNameFault::Joined(shown(text));
    let mut whole: Option<DomainEntry> = None;
    for part in text.split('|') {
        let AllowedName(Entry::Domain(part)) = part.parse()? else {
            return Err(fault());
        };
        let Some(entry) = &mut whole else {
            whole = Some(part);
            continue;
        };
        let is_twice = (entry.exact && part.exact)
            || (entry.wildcard && part.wildcard)
            || (entry.subdomains != Subdomains::None && part.subdomains != Subdomains::None);
        if is_twice || entry.domain != part.domain {
            return Err(fault());
        }
        entry.exact |= part.exact;
        entry.wildcard |= part.wildcard;
        if part.subdomains != Subdomains::None {
            entry.subdomains = part.subdomains;
        }
    }
    whole
        .map(|entry| AllowedName(Entry::Domain(entry)))
        .ok_or_else(fault)
}

fn ip(text: &str) -> Result<AllowedName, AllowedNameFault> {
    let fault = || AllowedNameFault::Range(shown(text));
    let range = match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => format!("{text}/32").parse(),
        Ok(IpAddr::V6(_)) => format!("{text}/128").parse(),
        Err(_) => text.parse(),
    };
    range
        .map(|range| AllowedName(Entry::Ip(range)))
        .map_err(|_| fault())
}

fn email(text: &str) -> Result<AllowedName, AllowedNameFault> {
    if let Some(at) = text.strip_prefix("*@") {
        return Ok(AllowedName(Entry::Email {
            local: None,
            domain: domain(at)?,
        }));
    }
    if text.contains('*') {
        return Err(AllowedNameFault::Star(shown(text)));
    }
    let SubjectAltName::Email(address) = SubjectAltName::email(text)? else {
        return Err(AllowedNameFault::Star(shown(text)));
    };
    let (local, at) = address.rsplit_once('@').unwrap_or_default();
    Ok(AllowedName(Entry::Email {
        local: Some(local.to_owned()),
        domain: domain(at)?,
    }))
}

fn uri(text: &str) -> Result<AllowedName, AllowedNameFault> {
    let (start, is_prefix) = match text.strip_suffix('*') {
        Some(start) => (start, true),
        None => (text, false),
    };
    if start.contains('*') {
        return Err(AllowedNameFault::Star(shown(text)));
    }
    if is_prefix {
        let path = start.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let is_closed = path.is_some_and(|(host, _)| !host.is_empty()) && start.ends_with('/');
        if !is_closed {
            return Err(AllowedNameFault::OpenUri(shown(text)));
        }
    }
    SubjectAltName::uri(start)?;
    Ok(AllowedName(Entry::Uri {
        start: start.to_owned(),
        is_prefix,
    }))
}

fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}
