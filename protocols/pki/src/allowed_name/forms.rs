//! How an entry is written: as text, or as the members it has.

use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

use super::{AllowedName, AllowedNameFault, DomainEntry, Entry, Subdomains};
use crate::san::SubjectAltName;

/// An entry as it may be written in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    Text(String),
    Members(DomainEntry),
    Pattern(PatternEntry),
}

/// A text with the wildcard beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatternEntry {
    pattern: String,
    #[serde(default)]
    wildcard: bool,
}

impl TryFrom<Written> for AllowedName {
    type Error = AllowedNameFault;

    fn try_from(written: Written) -> Result<Self, AllowedNameFault> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Members(entry) => {
                if !entry.exact && !entry.wildcard && entry.subdomains == Subdomains::None {
                    return Err(AllowedNameFault::Nothing(shown(&entry.domain)));
                }
                Ok(Self(Entry::Domain(DomainEntry {
                    domain: domain(&entry.domain)?,
                    ..entry
                })))
            }
            Written::Pattern(PatternEntry { pattern, wildcard }) => {
                let mut name: Self = pattern.parse()?;
                match &mut name.0 {
                    Entry::Domain(entry) => entry.wildcard |= wildcard,
                    _ if wildcard => return Err(AllowedNameFault::Star(shown(&pattern))),
                    _ => {}
                }
                Ok(name)
            }
        }
    }
}

impl FromStr for AllowedName {
    type Err = AllowedNameFault;

    fn from_str(text: &str) -> Result<Self, AllowedNameFault> {
        // Several of the properties of one domain are joined by `|`, as they are printed.
        if text.contains('|') {
            return joined(text);
        }
        if let Some(range) = text.strip_prefix("ip:") {
            return ip(range);
        }
        if let Some(mailbox) = text.strip_prefix("email:") {
            return email(mailbox);
        }
        if let Some(address) = text.strip_prefix("uri:") {
            return uri(address);
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
    match SubjectAltName::dns(text.strip_suffix('.').unwrap_or(text))? {
        SubjectAltName::Dns(name) => Ok(name),
        _ => Err(AllowedNameFault::Star(shown(text))),
    }
}

fn joined(text: &str) -> Result<AllowedName, AllowedNameFault> {
    let mut whole: Option<DomainEntry> = None;
    for part in text.split('|').take(4) {
        let AllowedName(Entry::Domain(part)) = part.parse()? else {
            return Err(AllowedNameFault::Star(shown(text)));
        };
        match &mut whole {
            None => whole = Some(part),
            Some(entry) if entry.domain == part.domain => {
                entry.exact |= part.exact;
                entry.wildcard |= part.wildcard;
                if part.subdomains != Subdomains::None {
                    entry.subdomains = part.subdomains;
                }
            }
            Some(_) => return Err(AllowedNameFault::Star(shown(text))),
        }
    }
    whole
        .map(|entry| AllowedName(Entry::Domain(entry)))
        .ok_or_else(|| AllowedNameFault::Nothing(shown(text)))
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
