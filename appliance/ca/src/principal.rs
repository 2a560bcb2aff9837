//! Who is asking: a role, and the issuers and profiles within reach.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::issuer::IssuerEntry;

/// What a caller is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything: issuers, profiles, tokens, and all that the others may.
    Admin,
    /// Certificates of everybody: issue, renew, revoke; CRLs.
    Operator,
    /// Its own certificates: issue, renew, revoke.
    Requester,
    /// Reads everything, changes nothing.
    Auditor,
}

/// The text names no role.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no role: write admin, operator, requester or auditor")]
pub struct UnknownRole(String);

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Requester => "requester",
            Self::Auditor => "auditor",
        })
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Admin, Self::Operator, Self::Requester, Self::Auditor]
            .into_iter()
            .find(|role| role.to_string() == text)
            .ok_or_else(|| UnknownRole(text.chars().take(40).collect()))
    }
}

/// Which issuers or profiles a caller may use, by name; an issuer also by its identifier. What a caller may read follows
/// from its role alone: certificates and CRLs are public things.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// These and no others.
    Only(BTreeSet<String>),
}

impl Scope {
    /// A scope of these names; no names at all means all.
    pub fn of<I: IntoIterator<Item = String>>(names: I) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        if names.is_empty() {
            Self::All
        } else {
            Self::Only(names)
        }
    }

    /// The names it is made of; none when it is all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::All => None,
            Self::Only(names) => Some(names),
        };
        names.into_iter().flatten().map(String::as_str)
    }

    /// Whether a name lies within.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// An authenticated caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Principal {
    /// The identifier of its token, or how it came in.
    pub id: String,
    /// Its name; certificates belong to a name, so that a token can be replaced.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The issuers it may use.
    pub issuers: Scope,
    /// The profiles it may use.
    pub profiles: Scope,
}

impl Principal {
    /// The program itself on this machine, as in `chancery init`: an admin without limits.
    pub fn local(name: &str) -> Self {
        Self {
            id: "local".to_owned(),
            name: name.to_owned(),
            role: Role::Admin,
            issuers: Scope::All,
            profiles: Scope::All,
        }
    }

    /// How the caller appears in the audit log.
    pub(crate) fn actor(&self) -> String {
        format!("{} ({})", self.name, self.id)
    }

    /// Whether it sees things of others.
    pub(crate) fn sees_everything(&self) -> bool {
        self.role != Role::Requester
    }

    pub(crate) fn may_use_issuer(&self, issuer: &IssuerEntry) -> bool {
        self.issuers.contains(&issuer.name) || self.issuers.contains(&issuer.id.to_string())
    }
}
