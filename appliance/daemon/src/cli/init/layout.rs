//! Where the files of a server are.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Args;
use crate::files;

/// The files and folders, absolute.
#[derive(Debug)]
pub(super) struct Layout {
    /// The folder of the state.
    pub(super) state: PathBuf,
    /// The folder of the configuration; often the same.
    pub(super) configuration: PathBuf,
    /// `chancery.toml`.
    pub(super) config: PathBuf,
    /// `signerd.toml`.
    pub(super) signing: PathBuf,
    /// The folder of the state as `chancery.toml` names it.
    pub(super) written_state_dir: PathBuf,
    /// `signerd.toml` as `chancery.toml` names it.
    pub(super) written_signing: PathBuf,
}

impl Layout {
    /// One folder can be moved as a whole: nothing in it names the folder itself. Two folders name each other.
    pub(super) fn new(args: &Args) -> Result<Self> {
        let state = std::path::absolute(&args.dir)?;
        let configuration = std::path::absolute(args.config_dir.as_ref().unwrap_or(&args.dir))?;
        let signing = configuration.join("signerd.toml");
        let is_one = state == configuration;
        Ok(Self {
            config: configuration.join("chancery.toml"),
            written_state_dir: if is_one { ".".into() } else { state.clone() },
            written_signing: if is_one {
                "signerd.toml".into()
            } else {
                signing.clone()
            },
            state,
            configuration,
            signing,
        })
    }

    /// A path in the folder of the state, as `signerd.toml` names it.
    pub(super) fn for_signing(&self, name: &str) -> PathBuf {
        if self.state == self.configuration {
            PathBuf::from(name)
        } else {
            self.state.join(name)
        }
    }

    /// The file with the PIN of the token's user.
    pub(super) fn pin_file(&self, given: Option<&Path>) -> Result<PathBuf> {
        Ok(match given {
            Some(file) => std::path::absolute(file)?,
            None => self.configuration.join("pin"),
        })
    }

    /// Makes the folders that are not there.
    pub(super) fn make_folders(&self) -> Result<()> {
        files::private_folder(&self.state)?;
        files::private_folder(&self.configuration)
    }
}
