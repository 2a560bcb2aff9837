//! A configuration that is tried before it gets its name: what did not open leaves nothing that stands in the way of the next try.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::files::{self, Readers};

/// A file of configuration, in the folder where it belongs: one that is there, or one under another name for the time being.
#[derive(Debug)]
pub(super) struct Draft {
    file: PathBuf,
    trial: Option<PathBuf>,
}

impl Draft {
    /// One that is there. What a try that was killed left beside it is of no use any more.
    pub(super) fn there(file: &Path) -> Self {
        let _ = fs::remove_file(untried(file));
        Self {
            file: file.to_owned(),
            trial: None,
        }
    }

    /// A new one. Relative paths in it are meant from the same folder.
    pub(super) fn new(file: &Path, contents: &impl Serialize) -> Result<Self> {
        let trial = untried(file);
        files::write(&trial, toml::to_string(contents)?.as_bytes(), Readers::Owner)?;
        Ok(Self {
            file: file.to_owned(),
            trial: Some(trial),
        })
    }

    /// Where it is now.
    pub(super) fn path(&self) -> &Path {
        self.trial.as_deref().unwrap_or(&self.file)
    }

    /// Whether it is to be written.
    pub(super) fn is_new(&self) -> bool {
        self.trial.is_some()
    }

    /// Gives a new one its name.
    pub(super) fn keep(self, contents: &impl Serialize) -> Result<()> {
        if self.is_new() {
            files::write(&self.file, toml::to_string(contents)?.as_bytes(), Readers::Owner)?;
        }
        Ok(())
    }
}

fn untried(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".untried");
    PathBuf::from(name)
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(trial) = &self.trial {
            // Left there it is written over by the next try.
            let _ = fs::remove_file(trial);
        }
    }
}
