//! Which subject alternative names a profile lets into a certificate.

use serde::{Deserialize, Serialize};

use crate::SubjectAltName;
use crate::profile::{IpRange, Pattern, ProfileRefusal};

/// Which names may be asked for. A type without a pattern is not allowed at all.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamePolicy {
    /// Whether at least one name must be there.
    pub required: bool,
    /// The most names a certificate may have.
    pub max_count: u16,
    /// Whether DNS names may begin with `*.`; the patterns are asked as well.
    pub wildcards: bool,
    /// Patterns of DNS names.
    pub dns: Vec<Pattern>,
    /// Ranges of IP addresses.
    pub ip: Vec<IpRange>,
    /// Patterns of mailboxes.
    pub email: Vec<Pattern>,
    /// Patterns of URIs.
    pub uri: Vec<Pattern>,
    /// Patterns of Microsoft user principal names.
    pub upn: Vec<Pattern>,
}

impl Default for NamePolicy {
    fn default() -> Self {
        Self {
            required: false,
            max_count: 100,
            wildcards: false,
            dns: Vec::new(),
            ip: Vec::new(),
            email: Vec::new(),
            uri: Vec::new(),
            upn: Vec::new(),
        }
    }
}

impl NamePolicy {
    /// Refuses a list of names that is too short, too long, or has a name that fits no pattern of its type.
    pub(super) fn admit(&self, names: &[SubjectAltName]) -> Result<(), ProfileRefusal> {
        if names.is_empty() && self.required {
            return Err(ProfileRefusal::new(
                "san_required",
                format!(
                    "the profile asks for at least one subject alternative name ({})",
                    self.types()
                ),
            ));
        }
        if names.len() > usize::from(self.max_count) {
            return Err(ProfileRefusal::new(
                "san_too_many",
                format!(
                    "{} subject alternative names are asked for; the profile allows {}",
                    names.len(),
                    self.max_count
                ),
            ));
        }
        names.iter().try_for_each(|name| self.admit_name(name))
    }

    fn admit_name(&self, name: &SubjectAltName) -> Result<(), ProfileRefusal> {
        let fits = |patterns: &[Pattern], text: &str| {
            (!patterns.is_empty()).then(|| patterns.iter().any(|pattern| pattern.matches(text)))
        };
        let verdict = match name {
            SubjectAltName::Dns(text) => fits(&self.dns, text),
            SubjectAltName::Email(text) => fits(&self.email, text),
            SubjectAltName::Uri(text) => fits(&self.uri, text),
            SubjectAltName::Upn(text) => fits(&self.upn, text),
            SubjectAltName::Ip(address) => {
                (!self.ip.is_empty()).then(|| self.ip.iter().any(|range| range.contains(*address)))
            }
        };
        match (verdict, name) {
            (None, _) => Err(ProfileRefusal::new(
                "san_type_not_allowed",
                format!(
                    "`{name}` is of a type the profile does not allow ({})",
                    self.types()
                ),
            )),
            (Some(false), _) => Err(ProfileRefusal::new(
                "san_not_allowed",
                format!("`{name}` fits no pattern of the profile"),
            )),
            (Some(true), SubjectAltName::Dns(text)) if text.starts_with("*.") && !self.wildcards => {
                Err(ProfileRefusal::new(
                    "wildcard_not_allowed",
                    format!("`{name}`: the profile allows no wildcards"),
                ))
            }
            (Some(true), _) => Ok(()),
        }
    }

    /// The allowed types, for messages.
    fn types(&self) -> String {
        let types: Vec<&str> = [
            ("dns", self.dns.is_empty()),
            ("ip", self.ip.is_empty()),
            ("email", self.email.is_empty()),
            ("uri", self.uri.is_empty()),
            ("upn", self.upn.is_empty()),
        ]
        .into_iter()
        .filter(|(_, empty)| !empty)
        .map(|(name, _)| name)
        .collect();
        if types.is_empty() {
            "no names are allowed".to_owned()
        } else {
            format!("allowed: {}", types.join(", "))
        }
    }
}
