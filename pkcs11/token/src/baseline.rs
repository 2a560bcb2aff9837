//! What each key of a token was like when it was first seen, kept across restarts.
//!
//! A key that leaves its protection behind looks like any other afterwards. So what a token said of a key at first is written down,
//! in `key-attributes-<token>.toml` in the state directory, and everything it says later is held against that. Nothing here ever
//! takes a change for granted: whoever meant it removes the file, and what is so now counts from then on.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::protection::{ABSENT, Protection, Told, is_worse};

/// What is said of the attributes of a key that is not there any more.
const PRESENCE: &str = "the key";

/// Keys by their fingerprints.
type Keys = BTreeMap<String, Told>;

/// The first sight of the keys of one token.
#[derive(Debug)]
pub struct Baseline {
    path: Option<PathBuf>,
    /// What could not be written down, or has no place to be.
    unwritten: Keys,
}

/// An attribute that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The key's fingerprint.
    pub key: String,
    /// Its label.
    pub label: String,
    /// The attribute.
    pub attribute: String,
    /// Its value when the key was first seen.
    pub was: String,
    /// Its value now.
    pub is: String,
    /// Whether the key is protected less than it was.
    pub is_worse: bool,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            key,
            label,
            attribute,
            was,
            is,
            ..
        } = self;
        write!(f, "{attribute} of {label} ({key}) was {was} and is {is}")
    }
}

impl Baseline {
    /// The first sight of the keys of the token with this configured name; without a directory it ends with the process.
    pub fn of(state_directory: Option<&Path>, token: &str) -> Self {
        Self {
            path: state_directory.map(|directory| directory.join(format!("key-attributes-{token}.toml"))),
            unwritten: Keys::new(),
        }
    }

    /// Where it is written down.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Holds what the token says now against what it said at first, and writes down what is seen for the first time.
    pub fn compare(&mut self, now: &[Protection]) -> Result<Vec<Change>, Error> {
        let mut known = self.read()?;
        known.append(&mut self.unwritten.clone());
        let mut changes = Vec::new();
        let mut is_new = false;
        for seen in now {
            let key = seen.key.to_string();
            if let Some(first) = known.get(&key) {
                changes.extend(differences(&key, first, &seen.told));
            } else {
                is_new = true;
                known.insert(key, seen.told.clone());
            }
        }
        for (key, first) in &known {
            if !now.iter().any(|seen| seen.key.to_string() == *key) {
                changes.push(change(key, first, PRESENCE, "there", "gone"));
            }
        }
        if is_new {
            self.write(known);
        }
        Ok(changes)
    }

    fn read(&self) -> Result<Keys, Error> {
        let Some(path) = &self.path else {
            return Ok(Keys::new());
        };
        let unusable = |detail: String| Error::KeyFile {
            path: path.clone(),
            detail,
        };
        match fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| unusable(error.message().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Keys::new()),
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    fn write(&mut self, known: Keys) {
        let Some(path) = &self.path else {
            self.unwritten = known;
            return;
        };
        match put(path, &known) {
            Ok(()) => self.unwritten = Keys::new(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what the keys of a token are like cannot be written down");
                self.unwritten = known;
            }
        }
    }
}

fn differences(key: &str, first: &Told, now: &Told) -> Vec<Change> {
    let told = |told: &Told, name: &str| {
        told.attributes
            .get(name)
            .map_or(ABSENT, String::as_str)
            .to_owned()
    };
    let mut names: Vec<&String> = first.attributes.keys().chain(now.attributes.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name, told(first, name), told(now, name)))
        .filter(|(_, was, is)| was != is)
        .map(|(name, was, is)| change(key, first, name, &was, &is))
        .collect()
}

fn change(key: &str, first: &Told, attribute: &str, was: &str, is: &str) -> Change {
    Change {
        key: key.to_owned(),
        label: first.label.clone(),
        attribute: attribute.to_owned(),
        was: was.to_owned(),
        is: is.to_owned(),
        is_worse: is_worse(attribute, was, is),
    }
}

/// Puts the file in its place as a whole.
fn put(path: &Path, known: &Keys) -> io::Result<()> {
    const HEAD: &str = "# What the keys of the token were like when they were first seen. Remove this file when a change was meant:\n\
                        # what is so at the next look counts from then on.\n";
    let text = toml::to_string(known).map_err(io::Error::other)?;
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(HEAD.as_bytes())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use signer_wire::KeyRef;

    use super::*;

    fn key(number: u8, extractable: &str) -> Protection {
        let attributes = [("CKA_EXTRACTABLE", extractable), ("CKA_SIGN", "true")];
        Protection {
            key: KeyRef::new([number; 32]),
            told: Told {
                label: format!("key-{number}"),
                attributes: attributes
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
            },
        }
    }

    #[test]
    fn a_change_is_told_until_the_file_is_removed_over_restarts_too() {
        let directory = tempfile::tempdir().unwrap();
        let mut baseline = Baseline::of(Some(directory.path()), "t1");
        assert_eq!(baseline.compare(&[key(1, "false")]).unwrap(), []);
        for _ in 0..2 {
            let mut baseline = Baseline::of(Some(directory.path()), "t1");
            let changes = baseline.compare(&[key(1, "true"), key(2, "false")]).unwrap();
            let [change] = changes.as_slice() else {
                unreachable!("{changes:?}")
            };
            assert!(change.is_worse);
            let told = change.to_string();
            assert!(told.starts_with("CKA_EXTRACTABLE of key-1 (0101"), "{told}");
            assert!(told.ends_with("was false and is true"), "{told}");
        }
        fs::remove_file(baseline.path().unwrap()).unwrap();
        assert_eq!(baseline.compare(&[key(1, "true")]).unwrap(), []);
        assert_eq!(baseline.compare(&[key(1, "true")]).unwrap(), []);
    }

    #[test]
    fn a_key_that_is_gone_and_a_file_that_is_none_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut baseline = Baseline::of(Some(directory.path()), "t1");
        baseline.compare(&[key(1, "false"), key(2, "false")]).unwrap();
        let changes = baseline.compare(&[key(1, "false")]).unwrap();
        assert_eq!(
            changes
                .iter()
                .map(|change| change.is.as_str())
                .collect::<Vec<_>>(),
            ["gone"]
        );
        fs::write(baseline.path().unwrap(), "scribble").unwrap();
        assert!(baseline.compare(&[key(1, "false")]).is_err());
    }

    #[test]
    fn without_a_place_it_is_remembered_as_long_as_the_process_lives() {
        let mut baseline = Baseline::of(None, "t1");
        assert_eq!(baseline.compare(&[key(1, "false")]).unwrap(), []);
        assert_eq!(baseline.compare(&[key(1, "true")]).unwrap().len(), 1);
        let mut baseline = Baseline::of(Some(Path::new("/proc/nowhere")), "t1");
        assert_eq!(baseline.compare(&[key(1, "false")]).unwrap(), []);
        assert_eq!(baseline.compare(&[key(1, "true")]).unwrap().len(), 1);
    }
}
