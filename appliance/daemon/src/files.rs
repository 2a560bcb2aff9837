//! Writing files so that a reader sees the old contents or the new, never half of them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone: keys, tokens, PINs.
    Owner,
    /// Everybody: certificates, addresses.
    All,
}

/// Writes a file in one step: a new file beside it, then a rename.
pub(crate) fn write(path: &Path, contents: &[u8], readers: Readers) -> Result<()> {
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    let beside = path.with_extension("new");
    let put = || -> std::io::Result<()> {
        // A file left there by a crash may have other permissions.
        if beside.exists() {
            fs::remove_file(&beside)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    put().with_context(|| format!("writing {}", path.display()))
}

/// Whether [`write()`] could put a file there.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    let probe = path.with_extension("probe");
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Makes a folder that only its owner may enter, unless it is there.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("making the folder {}", path.display()))
}

/// The first line of a small file, without its end.
pub(crate) fn first_line(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
