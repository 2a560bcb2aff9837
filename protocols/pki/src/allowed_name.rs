//! Lists of names that somebody may have certificates for. They match narrowly: a name that no entry covers word for word is not
//! allowed, and an empty list allows nothing.
//!
//! | Written | Covers |
//! |---|---|
//! | `host.example.com` | that name |
//! | `*.example.com` | names exactly one label below |
//! | `**.example.com` | names one or more labels below |
//! | `=*.example.com` | the name `*.example.com` itself, for wildcard certificates |
//! | `ip:10.0.0.0/8`, `ip:192.0.2.7` | addresses |
//! | `email:*@example.com`, `email:ops@example.com` | mailboxes |
//! | `uri:spiffe://example.com/*`, `uri:spiffe://example.com/web` | URIs |
//!
//! What holds requests back ([`crate::policy`]) matches broadly instead: there too little is the danger.

mod forms;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::profile::IpRange;
use crate::san::{SanFault, SubjectAltName};

/// Most entries of a list.
pub const MAX_ALLOWED_NAMES: usize = 1000;

/// One entry of a list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "forms::Written", into = "String")]
pub struct AllowedName(pub(crate) Entry);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    /// Names of the DNS at a domain and below it.
    Domain(DomainEntry),
    /// Addresses.
    Ip(IpRange),
    /// Mailboxes at a domain, or one of them.
    Email { local: Option<String>, domain: String },
    /// One URI, or all that begin like this.
    Uri { start: String, is_prefix: bool },
}

/// Names of the DNS: which of those at and below a domain. This is also how ACME accounts are bound to names.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DomainEntry {
    /// The domain, in lower case and A-labels.
    pub domain: String,
    /// Whether the domain itself is covered.
    #[serde(default)]
    pub exact: bool,
    /// Which names below it are.
    #[serde(default)]
    pub subdomains: Subdomains,
    /// Whether the name `*.domain` is, for wildcard certificates.
    #[serde(default)]
    pub wildcard: bool,
}

/// Which names below a domain.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subdomains {
    /// None.
    #[default]
    None,
    /// Those with one label more.
    One,
    /// All.
    Any,
}

/// Why a text is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedNameFault {
    /// What stands for a name is none.
    #[error(transparent)]
    Name(#[from] SanFault),
    /// No range of addresses.
    #[error("`{0}` is no address and no network in CIDR notation")]
    Range(String),
    /// `*` where it means nothing.
    #[error(
        "`{0}`: `*` stands for one label or, doubled, for several, at the left end; in mailboxes for the local part, in URIs at the end"
    )]
    Star(String),
    /// A URI whose scheme or host is open.
    #[error("`{0}`: a URI that ends in `*` has a scheme and a host before it, and a slash between")]
    OpenUri(String),
    /// Members that contradict each other, or cover nothing.
    #[error("`{0}` covers nothing: say `exact`, `subdomains` or `wildcard`")]
    Nothing(String),
}

impl AllowedName {
    /// Whether a name is covered.
    pub fn covers(&self, name: &SubjectAltName) -> bool {
        match (&self.0, name) {
            (Entry::Domain(entry), SubjectAltName::Dns(name)) => entry.covers(name),
            (Entry::Ip(range), SubjectAltName::Ip(address)) => range.contains(*address),
            (Entry::Email { local, domain }, SubjectAltName::Email(address)) => {
                address.rsplit_once('@').is_some_and(|(before, at)| {
                    at.eq_ignore_ascii_case(domain) && local.as_deref().is_none_or(|local| local == before)
                })
            }
            (
                Entry::Uri {
                    start,
                    is_prefix: false,
                },
                SubjectAltName::Uri(uri),
            ) => uri == start,
            (
                Entry::Uri {
                    start,
                    is_prefix: true,
                },
                SubjectAltName::Uri(uri),
            ) => uri
                .strip_prefix(start.as_str())
                .is_some_and(|rest| !rest.is_empty() && !has_dot_segment(rest)),
            _ => false,
        }
    }

    /// Whether it covers names at or right below a public suffix, where others have names as well.
    pub fn covers_public_suffix(&self, is_public_suffix: &dyn Fn(&str) -> bool) -> bool {
        match &self.0 {
            Entry::Domain(entry) => is_public_suffix(&entry.domain),
            Entry::Email { local: None, domain } => is_public_suffix(domain),
            Entry::Email { .. } | Entry::Ip(_) | Entry::Uri { .. } => false,
        }
    }

    /// The domain that it is about, when it is about one.
    pub fn domain(&self) -> Option<&DomainEntry> {
        match &self.0 {
            Entry::Domain(entry) => Some(entry),
            _ => None,
        }
    }

    /// Reads an entry of a list in which `*.example.com` means the domain itself, everything below it and the wildcard. What it comes
    /// to is shown to whoever imports the list before it is saved.
    pub fn from_broad(text: &str) -> Result<Self, AllowedNameFault> {
        let Some(domain) = text.strip_prefix("*.") else {
            return text.parse();
        };
        Ok(Self(Entry::Domain(DomainEntry {
            domain: forms::domain(domain)?,
            exact: true,
            subdomains: Subdomains::Any,
            wildcard: true,
        })))
    }
}

impl DomainEntry {
    fn covers(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if let Some(below) = name.strip_prefix("*.") {
            return self.wildcard && below == self.domain;
        }
        if name == self.domain {
            return self.exact;
        }
        let above = name
            .strip_suffix(self.domain.as_str())
            .and_then(|rest| rest.strip_suffix('.'));
        above.is_some_and(|labels| match self.subdomains {
            Subdomains::None => false,
            Subdomains::One => !labels.is_empty() && !labels.contains('.'),
            Subdomains::Any => !labels.is_empty() && !labels.split('.').any(str::is_empty),
        })
    }
}

/// `..` in a path leads out of what begins like it; encoded, it may do so later.
fn has_dot_segment(path: &str) -> bool {
    let path = path
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let path = path.replace("%2e", ".").replace("%2f", "/");
    path.split('/').any(|segment| segment == "." || segment == "..")
}

/// A list of names. The empty list allows nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Vec<AllowedName>", into = "Vec<AllowedName>")]
pub struct AllowedNames(Vec<AllowedName>);

/// Over [`MAX_ALLOWED_NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list of names has at most {MAX_ALLOWED_NAMES} entries")]
pub struct TooManyNames;

impl AllowedNames {
    /// Every name that no entry covers.
    pub fn uncovered<'a>(&self, names: &'a [SubjectAltName]) -> Vec<&'a SubjectAltName> {
        let is_covered = |name: &SubjectAltName| self.0.iter().any(|entry| entry.covers(name));
        names.iter().filter(|name| !is_covered(name)).collect()
    }

    /// The entries.
    pub fn iter(&self) -> std::slice::Iter<'_, AllowedName> {
        self.0.iter()
    }

    /// Whether it allows nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<AllowedName>> for AllowedNames {
    type Error = TooManyNames;

    fn try_from(names: Vec<AllowedName>) -> Result<Self, TooManyNames> {
        if names.len() > MAX_ALLOWED_NAMES {
            return Err(TooManyNames);
        }
        Ok(Self(names))
    }
}

impl From<AllowedNames> for Vec<AllowedName> {
    fn from(names: AllowedNames) -> Self {
        names.0
    }
}

impl<'a> IntoIterator for &'a AllowedNames {
    type Item = &'a AllowedName;
    type IntoIter = std::slice::Iter<'a, AllowedName>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for AllowedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&forms::text(&self.0))
    }
}

/// Whether a common name says the same as one of the names: a host, an address or a mailbox.
pub fn repeats_a_name(common_name: &str, names: &[SubjectAltName]) -> bool {
    let dns = SubjectAltName::dns(common_name.strip_suffix('.').unwrap_or(common_name)).ok();
    let ip = common_name.parse::<IpAddr>().ok().map(SubjectAltName::Ip);
    let is_it = |name: &SubjectAltName| match name {
        SubjectAltName::Dns(_) => dns.as_ref() == Some(name),
        SubjectAltName::Ip(_) => ip.as_ref() == Some(name),
        SubjectAltName::Email(text) | SubjectAltName::Uri(text) | SubjectAltName::Upn(text) => {
            text == common_name
        }
    };
    names.iter().any(is_it)
}

/// Whether a name of the DNS is a domain or lies below it, at any depth.
pub fn lies_under(name: &str, domain: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    name.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
