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
//! Names are compared in lower case and A-labels, addresses as addresses: `::ffff:192.0.2.7` is not `192.0.2.7`, because a certificate
//! writes the two differently and who compares octets takes neither for the other. User principal names are covered by nothing.
//!
//! What holds requests back ([`crate::policy`]) matches broadly instead: there too little is the danger.

mod forms;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::name::{COMMON_NAME, DistinguishedName};
use crate::profile::IpRange;
use crate::san::{SanFault, SubjectAltName};

/// Most entries of a list.
pub const MAX_ALLOWED_NAMES: usize = 1000;

/// One entry of a list.
// stored: as text in lists of couriers
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

/// Names of the DNS: which of those at and below a domain. This is also how ACME accounts are bound to names. It becomes an
/// [`AllowedName`] by `try_into`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct DomainEntry {
    /// The domain, in lower case and A-labels.
    pub domain: String,
    /// Whether the domain itself is covered.
    pub exact: bool,
    /// Which names below it are.
    pub subdomains: Subdomains,
    /// Whether the name `*.domain` is, for wildcard certificates.
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
    /// Members that cover nothing.
    #[error("`{0}` covers nothing: say `exact`, `subdomains` or `wildcard`")]
    Nothing(String),
    /// Members that do not go together.
    #[error(
        "write a text, `domain` with `exact`, `subdomains` or `wildcard`, or `pattern` perhaps with `wildcard`"
    )]
    Members,
    /// Texts joined by `|` that are not about one domain, or say one thing twice.
    #[error(
        "`{0}`: what `|` joins is about one domain, and each is another of `x`, `*.x` or `**.x`, and `=*.x`"
    )]
    Joined(String),
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

    /// Whether it stands at a public suffix or above one, where others have names as well. Which names are suffixes is for the
    /// caller to know; of a name above one `is_public_suffix` says yes, too.
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
        if !forms::has_sound_labels(&name) {
            return false;
        }
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

    /// The entries that stand at a public suffix or above one: a list that has some is not saved, unless they `are_wanted`. Stored
    /// lists are read without asking.
    pub fn too_broad(&self, is_public_suffix: &dyn Fn(&str) -> bool, are_wanted: bool) -> Vec<&AllowedName> {
        let broad = self
            .0
            .iter()
            .filter(|entry| entry.covers_public_suffix(is_public_suffix));
        broad.filter(|_| !are_wanted).collect()
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

/// The name of the DNS that is asked for: lower case, A-labels, without the dot that may end it (RFC 1034 §3.1).
pub fn requested_dns(text: &str) -> Result<SubjectAltName, SanFault> {
    let name = SubjectAltName::dns(text.strip_suffix('.').unwrap_or(text))?;
    match &name {
        SubjectAltName::Dns(ascii) if !forms::has_sound_labels(ascii) => Err(SanFault::Invalid {
            kind: "DNS name",
            value: ascii.clone(),
            why: "what begins with `xn--` is no A-label",
        }),
        _ => Ok(name),
    }
}

/// Whether a common name says the same as one of the names: a host, an address or a mailbox.
pub fn repeats_a_name(common_name: &str, names: &[SubjectAltName]) -> bool {
    let dns = requested_dns(common_name).ok();
    let ip = common_name.parse::<IpAddr>().ok().map(SubjectAltName::Ip);
    let email = SubjectAltName::email(common_name).ok();
    let is_it = |name: &SubjectAltName| match name {
        SubjectAltName::Dns(_) => dns.as_ref() == Some(name),
        SubjectAltName::Ip(_) => ip.as_ref() == Some(name),
        SubjectAltName::Email(_) => email.as_ref() == Some(name),
        SubjectAltName::Uri(text) | SubjectAltName::Upn(text) => text == common_name,
    };
    names.iter().any(is_it)
}

/// The common names of a subject that repeat none of the names; one that cannot be read is `?`. A subject may have several, and
/// who reads them may take any.
pub fn strange_common_names(subject: &DistinguishedName, names: &[SubjectAltName]) -> Vec<String> {
    let common_names = subject.texts_of(COMMON_NAME).into_iter();
    let shown = common_names.map(|text| text.unwrap_or_else(|| "?".to_owned()));
    shown.filter(|text| !repeats_a_name(text, names)).collect()
}

/// Whether a name of the DNS, with or without a wildcard, is a domain or lies below it at any depth. So a domain that is
/// registered covers itself and all below it.
pub fn lies_under(name: &str, domain: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = name.strip_prefix("*.").unwrap_or(name).as_bytes();
    let domain = domain.strip_suffix('.').unwrap_or(domain).as_bytes();
    let cut = name.len().checked_sub(domain.len());
    let parts = cut.and_then(|cut| name.split_at_checked(cut));
    !domain.is_empty()
        && parts.is_some_and(|(above, end)| {
            end.eq_ignore_ascii_case(domain) && (above.is_empty() || above.ends_with(b"."))
        })
}
