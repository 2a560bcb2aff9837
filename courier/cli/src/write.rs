//! Installing: a verified set of files is written as a new generation and switched to at once.
//!
//! Under `output.dir` stands `.courier/<name>/` with `generations/<n>/` and the link `current`. The stable names
//! (`cert.pem` …) are links through `current`, so that one rename switches all of them and a reader never meets a
//! certificate with another's key. A generation is built under a name that begins with `.new-` and gets its number when
//! it is whole and durable: what a killed run left is told by its name. In the plain layout each file is replaced by a
//! rename of its own, the private key last; then only a later run mends what was cut off between two of them.

mod contents;
mod generation;
mod settings;
mod verify;

use std::path::PathBuf;

use pki::Certificate;

use crate::folder::{Folder, FolderFault};
use crate::key::KeptKey;

pub use contents::{MAX_NAME, Role};
pub use kit::Watch;
pub use kit::account::{Account, AccountFault};
pub use settings::{Layout, Names, OutputSettings, Pkcs12Output};
pub use verify::{VerifyFault, Wanted, verify};

use contents::Contents;
use generation::Shelf;

/// Why nothing was installed, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteFault {
    /// What was to be installed does not hold together; nothing was written.
    #[error("what was issued is not installed")]
    Verify(#[from] VerifyFault),
    /// A directory or file cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// An account does not exist.
    #[error(transparent)]
    Account(#[from] AccountFault),
    /// A form of the key or the certificates cannot be made.
    #[error("a file's contents cannot be made: {0}")]
    Contents(String),
    /// The settings name something that is no file name, or one twice.
    #[error("`{0}` is no usable file name for an output")]
    Name(String),
    /// There is no generation to go back to.
    #[error("there is no earlier generation to go back to")]
    NoPrevious,
}

/// What is to be installed.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// The leaf, then the certificates above it.
    pub chain: &'a [Certificate],
    /// The key of the leaf.
    pub key: &'a KeptKey,
    /// The authorities that are trusted; empty when there is no bundle.
    pub authorities: &'a [Certificate],
}

/// What stands on disk now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The generation that is current.
    pub generation: u64,
    /// Each file by its role and stable path.
    pub files: Vec<(Role, PathBuf)>,
}

/// Verifies a bundle, writes it and switches to it.
pub fn install(
    settings: &OutputSettings,
    bundle: &Bundle<'_>,
    wanted: &Wanted<'_>,
    watch: &mut impl Watch,
) -> Result<Installed, WriteFault> {
    verify(bundle, wanted)?;
    let contents = Contents::of(settings, bundle)?;
    let shelf = Shelf::open(settings, watch)?;
    shelf.mend(watch)?;
    shelf.check_names(&contents)?;
    if settings.layout == Layout::Links {
        shelf.adopt(&contents, watch)?;
    }
    let number = shelf.build(&contents, watch)?;
    shelf.switch(number, watch)?;
    shelf.prune(number, watch)?;
    Ok(installed(&shelf, number, &contents))
}

/// Goes back to the generation before the current one.
pub fn rollback(settings: &OutputSettings, watch: &mut impl Watch) -> Result<u64, WriteFault> {
    let shelf = Shelf::open(settings, watch)?;
    let current = shelf.current()?.ok_or(WriteFault::NoPrevious)?;
    let numbers = shelf.numbers()?;
    let previous = numbers.into_iter().rev().find(|number| *number < current);
    let previous = previous.ok_or(WriteFault::NoPrevious)?;
    shelf.switch_names(previous, false, watch)?;
    Ok(previous)
}

/// Removes what a killed run left, finishes a switch that it began, and takes away generations that are not to be kept; `false` when
/// nothing is installed.
pub fn repair(settings: &OutputSettings, watch: &mut impl Watch) -> Result<bool, WriteFault> {
    if !settings.set_path().is_dir() {
        return Ok(false);
    }
    let shelf = Shelf::open(settings, watch)?;
    shelf.mend(watch)?;
    let current = shelf.current()?;
    if let Some(number) = current {
        shelf.prune(number, watch)?;
    }
    Ok(current.is_some())
}

fn installed(shelf: &Shelf<'_>, generation: u64, contents: &Contents) -> Installed {
    let at = |folder: &Folder, name: &str| folder.path().join(name);
    let files = contents.files.iter();
    Installed {
        generation,
        files: files
            .map(|file| (file.role, at(shelf.folder(), &file.name)))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
