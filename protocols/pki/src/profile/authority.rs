//! What a profile says of a certification authority: how deep a chain below it may be, and for which names it stands.

use std::fmt;
use std::str::FromStr;

use der::Decode;
use der::asn1::{Ia5String, OctetString};
use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use crate::DistinguishedName;
use crate::profile::IpRange;

/// Present in profiles of certification authorities.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorityPolicy {
    /// How many authorities may stand below this one in a chain, RFC 5280 §4.2.1.9; absent means any number. The
    /// certificate gets less when its issuer allows less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_length: Option<u8>,
    /// The names it may certify, RFC 5280 §4.2.1.10.
    pub name_constraints: NameConstraintsPolicy,
}

/// Name constraints; both lists empty leaves the extension out.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameConstraintsPolicy {
    /// Names must lie in one of these, per type.
    pub permitted: Vec<Subtree>,
    /// Names must lie in none of these.
    pub excluded: Vec<Subtree>,
}

/// One subtree of names, written as its type and base: `dns:example.com`, `email:example.com`, `uri:example.com`,
/// `ip:10.0.0.0/8`, `dn:O=Example,C=CH`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subtree {
    /// This domain and everything below it.
    Dns(String),
    /// A mailbox, all mailboxes of a host, or of a domain when it begins with a dot.
    Email(String),
    /// A host, or the hosts of a domain when it begins with a dot.
    Uri(String),
    /// A range of addresses.
    Ip(IpRange),
    /// Subjects that begin with these RDNs.
    DirectoryName(DistinguishedName),
}

impl NameConstraintsPolicy {
    /// The extension, absent when nothing is constrained.
    pub(super) fn extension(&self) -> der::Result<Option<NameConstraints>> {
        let subtrees = |list: &[Subtree]| -> der::Result<Option<Vec<GeneralSubtree>>> {
            let subtrees: Vec<GeneralSubtree> =
                list.iter().map(Subtree::general).collect::<der::Result<_>>()?;
            Ok((!subtrees.is_empty()).then_some(subtrees))
        };
        let (permitted_subtrees, excluded_subtrees) = (subtrees(&self.permitted)?, subtrees(&self.excluded)?);
        Ok(
            (permitted_subtrees.is_some() || excluded_subtrees.is_some()).then_some(NameConstraints {
                permitted_subtrees,
                excluded_subtrees,
            }),
        )
    }
}

impl Subtree {
    fn general(&self) -> der::Result<GeneralSubtree> {
        let base = match self {
            Self::Dns(text) => GeneralName::DnsName(Ia5String::new(text)?),
            Self::Email(text) => GeneralName::Rfc822Name(Ia5String::new(text)?),
            Self::Uri(text) => GeneralName::UniformResourceIdentifier(Ia5String::new(text)?),
            Self::Ip(range) => GeneralName::IpAddress(OctetString::new(range.address_and_mask())?),
            Self::DirectoryName(name) => GeneralName::DirectoryName(Name::from_der(name.der())?),
        };
        Ok(GeneralSubtree {
            base,
            minimum: 0,
            maximum: None,
        })
    }
}

impl fmt::Display for Subtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) => write!(f, "dns:{text}"),
            Self::Email(text) => write!(f, "email:{text}"),
            Self::Uri(text) => write!(f, "uri:{text}"),
            Self::Ip(range) => write!(f, "ip:{range}"),
            Self::DirectoryName(name) => write!(f, "dn:{name}"),
        }
    }
}

/// The text is not a subtree of names.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a subtree of names: write dns:example.com, email:example.com, uri:example.com, ip:10.0.0.0/8 or \
     dn:O=Example"
)]
pub struct SubtreeFault(String);

impl FromStr for Subtree {
    type Err = SubtreeFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || SubtreeFault(text.chars().take(120).collect());
        let (kind, base) = text.split_once(':').ok_or_else(fault)?;
        match kind {
            "dns" if is_host(base) => Ok(Self::Dns(base.to_ascii_lowercase())),
            "email" => {
                let (mailbox, host) = base.split_once('@').unwrap_or(("any", base));
                let is_plain = !mailbox.is_empty() && mailbox.bytes().all(|byte| byte.is_ascii_graphic());
                let host = host.strip_prefix('.').unwrap_or(host);
                if is_plain && is_host(host) {
                    Ok(Self::Email(base.to_owned()))
                } else {
                    Err(fault())
                }
            }
            "uri" if is_host(base.strip_prefix('.').unwrap_or(base)) => {
                Ok(Self::Uri(base.to_ascii_lowercase()))
            }
            "ip" => base.parse().map(Self::Ip).map_err(|_| fault()),
            // The empty name has every other below it: it constrains nothing, or everything.
            "dn" if !base.trim().is_empty() => DistinguishedName::parse(base)
                .ok()
                .filter(|name| !name.is_empty())
                .map(Self::DirectoryName)
                .ok_or_else(fault),
            _ => Err(fault()),
        }
    }
}

/// Labels of letters, digits and inner hyphens, joined by dots.
fn is_host(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

impl TryFrom<String> for Subtree {
    type Error = SubtreeFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Subtree> for String {
    fn from(subtree: Subtree) -> Self {
        subtree.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn subtrees_parse_and_print_back() {
        for text in [
            "dns:example.com",
            "email:example.com",
            "email:.example.com",
            "email:root@example.com",
            "uri:.example.com",
            "ip:10.0.0.0/8",
            "ip:2001:db8::/32",
            "dn:O=Example",
        ] {
            assert_eq!(text.parse::<Subtree>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn crooked_subtrees_are_refused() {
        for text in [
            "",
            "dns:",
            "dns:.example.com",
            "dns:*.example.com",
            "ip:10.0.0.1/8",
            "email:@example.com",
            "x:y",
            "dn:",
        ] {
            assert!(text.parse::<Subtree>().is_err(), "{text}");
        }
    }
}
