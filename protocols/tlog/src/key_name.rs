//! Names of the keys that sign notes (c2sp.org/signed-note).

use std::fmt;

/// The name of a key, such as `audit.example.com/log`: not empty, without spaces of any kind, control
/// characters and `+`. A log's key should be named as the origin of its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

/// The text cannot name a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key name is not empty and has no space, control character or plus")]
pub struct KeyNameFault;

impl KeyName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, KeyNameFault> {
        let is_refused = |c: char| c.is_whitespace() || c < ' ' || c == '+';
        if name.is_empty() || name.contains(is_refused) {
            return Err(KeyNameFault);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_spaces_and_no_plus() {
        for name in ["a", "audit.example.com/log", "é—ü", "oid/1.2.3"] {
            assert_eq!(KeyName::new(name).unwrap().as_str(), name);
        }
        for name in [
            "",
            " ",
            "a b",
            "a+b",
            "a\u{a0}b",
            "a\u{2003}",
            "a\nb",
            "a\u{1}",
            "\u{85}",
        ] {
            assert_eq!(KeyName::new(name), Err(KeyNameFault), "{name:?}");
        }
    }
}
