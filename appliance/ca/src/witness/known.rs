//! Whose folder it is, and which logs were ever cosigned: without it a witness that has lost a file could not tell that from a log
//! it has never seen.
//!
//! A file of lines: the verifier key of the witness, then the origins. One without a line says that nothing was cosigned yet, by
//! the hand of an operator who brings a key.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tlog::NoteKey;

use super::seen;

/// Its name in the folder.
pub(super) const NAME: &str = "known";

/// Which logs were ever cosigned, by whom.
#[derive(Debug)]
pub(super) struct Known {
    path: PathBuf,
    key: Option<String>,
    origins: BTreeSet<String>,
}

impl Known {
    /// What a folder says; nothing when there is no such file.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut lines = text.lines().filter(|line| !line.is_empty()).map(str::to_owned);
        let (key, origins) = (lines.next(), lines.collect());
        Ok(Some(Self { path, key, origins }))
    }

    /// Of a folder in which nothing was done yet; written at once.
    pub(super) fn begin(folder: &Path, key: &NoteKey) -> io::Result<Self> {
        let known = Self {
            path: folder.join(NAME),
            key: Some(key.to_string()),
            origins: BTreeSet::new(),
        };
        known.write()?;
        Ok(known)
    }

    /// Whether it says that anything was cosigned.
    pub(super) fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    pub(super) fn has(&self, origin: &str) -> bool {
        self.origins.contains(origin)
    }

    /// The verifier key of the witness, for people.
    pub(super) fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("without a key")
    }

    /// The key that the folder belongs to, when it is another one; else it belongs to this one from now on. One with which nothing was
    /// cosigned gives way to one that is new, and to itself under another name.
    pub(super) fn belong_to(&mut self, key: &NoteKey, is_new: bool) -> io::Result<Option<String>> {
        let own = key.to_string();
        match &self.key {
            Some(known) if *known == own => Ok(None),
            Some(other) if !self.is_empty() || !is_new && !is_the_same(other, &own) => {
                Ok(Some(other.clone()))
            }
            _ => {
                self.key = Some(own);
                self.write().map(|()| None)
            }
        }
    }

    /// Notes that a log is cosigned, before a signature leaves.
    pub(super) fn add(&mut self, origin: &str) -> io::Result<()> {
        if self.origins.insert(origin.to_owned()) {
            self.write().inspect_err(|_| {
                self.origins.remove(origin);
            })?;
        }
        Ok(())
    }

    fn write(&self) -> io::Result<()> {
        let lines: Vec<&str> = self.key.iter().chain(&self.origins).map(String::as_str).collect();
        let end = if lines.is_empty() { "" } else { "\n" };
        let text = lines.join("\n") + end;
        seen::write(&self.path, text.as_bytes(), 0o644)
    }
}

/// Whether two verifier keys (`name+id+key`) have one key, whatever it is called.
fn is_the_same(one: &str, other: &str) -> bool {
    let key = |text: &str| text.splitn(3, '+').nth(2).map(str::to_owned);
    key(one) == key(other)
}
