//! The control file of the faulty module, and what it noted.

#![allow(clippy::unwrap_used, dead_code, reason = "test support")]

use std::fs;
use std::path::{Path, PathBuf};

/// The faults of one test.
pub(crate) struct Faults {
    control: PathBuf,
    journal: PathBuf,
}

impl Faults {
    pub(crate) fn of(directory: &Path) -> Self {
        Self {
            control: directory.join("faults"),
            journal: directory.join("journal"),
        }
    }

    /// These faults, a line each, and no others from now on; the file is there as a whole or not at all.
    pub(crate) fn set(&self, lines: &[&str]) {
        let fresh = self.control.with_extension("new");
        fs::write(&fresh, lines.join("\n")).unwrap();
        fs::rename(fresh, &self.control).unwrap();
    }

    /// No faults.
    pub(crate) fn clear(&self) {
        self.set(&[]);
    }

    /// How many lines of the journal begin so: a function, its token and what became of the call.
    pub(crate) fn noted(&self, beginning: &str) -> usize {
        let journal = fs::read_to_string(&self.journal).unwrap_or_default();
        journal.lines().filter(|line| line.starts_with(beginning)).count()
    }
}
