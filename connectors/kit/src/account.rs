//! Accounts and groups of this host, by name or number.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// An account or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By number.
    Id(u32),
    /// By name, looked up in `/etc/passwd` or `/etc/group`.
    Name(String),
}

/// An account that is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no account or group `{0}` in {1}")]
pub struct AccountFault(String, &'static str);

impl Account {
    /// From a text: a number when it is one.
    pub fn parse(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }

    /// The number of an account.
    pub fn user(&self) -> Result<u32, AccountFault> {
        self.number("/etc/passwd")
    }

    /// The number of a group.
    pub fn group(&self) -> Result<u32, AccountFault> {
        self.number("/etc/group")
    }

    fn number(&self, table: &'static str) -> Result<u32, AccountFault> {
        let name = match self {
            Self::Id(number) => return Ok(*number),
            Self::Name(name) => name,
        };
        let lines = std::fs::read_to_string(table).unwrap_or_default();
        let found = lines.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
        });
        found.ok_or_else(|| AccountFault(name.clone(), table))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Id(u32),
            Name(String),
        }
        Ok(match Raw::deserialize(deserializer)? {
            Raw::Id(number) => Self::Id(number),
            Raw::Name(name) => Self::parse(&name),
        })
    }
}
