//! Writing files so that a reader sees the old contents or the new, never half of them.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use store::crash_point;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone: keys, tokens, PINs.
    Owner,
    /// Everybody: certificates, addresses.
    All,
}

/// Writes a file in one step: a new file beside it, then a rename.
///
/// What is there and is no file (a terminal, a pipe, `/dev/null`) is written into, not replaced; a link is followed.
pub(crate) fn write(path: &Path, contents: &[u8], readers: Readers) -> Result<()> {
    let put = || -> io::Result<()> {
        let Some(file) = replaceable(path)? else {
            return OpenOptions::new().write(true).open(path)?.write_all(contents);
        };
        let beside = beside(&file, "new");
        // A file left there by a crash may have other permissions.
        if beside.exists() {
            fs::remove_file(&beside)?;
        }
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::All => 0o644,
        };
        let mut fresh = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        fresh.write_all(contents)?;
        fresh.sync_all()?;
        let point = |when: &str| crash_point::pass(|| format!("file {}: {when} its name", name_of(&file)));
        point("before");
        fs::rename(&beside, &file)?;
        point("after");
        Ok(())
    };
    put().with_context(|| format!("writing {}", path.display()))
}

/// Whether [`write()`] could put a file there.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    let probe = || -> io::Result<()> {
        let Some(file) = replaceable(path)? else {
            return OpenOptions::new().write(true).open(path).map(drop);
        };
        let probe = beside(&file, "probe");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&probe)
            .and_then(|_| fs::remove_file(&probe))
    };
    probe().with_context(|| format!("{} cannot be written", path.display()))
}

/// The file that a rename may replace: the path, or where its link leads; `None` where something else than a file is.
fn replaceable(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(path) {
        Ok(there) if there.is_file() => fs::canonicalize(path).map(Some),
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(None),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(Some(path.to_owned())),
        Err(fault) => Err(fault),
    }
}

/// A name beside a file that nobody else chooses.
fn beside(file: &Path, what: &str) -> PathBuf {
    file.with_file_name(format!(".{}.chancery-{what}", name_of(file)))
}

fn name_of(file: &Path) -> Cow<'_, str> {
    file.file_name().unwrap_or_default().to_string_lossy()
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_its_neighbours_are_left() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (file, neighbour) = (folder.path().join("a.pem"), folder.path().join("a.new"));
        fs::write(&file, "old")?;
        fs::write(&neighbour, "mine")?;
        check_writable(&file)?;
        write(&file, b"new", Readers::All)?;
        assert_eq!(fs::read(&file)?, b"new");
        assert_eq!(fs::read(&neighbour)?, b"mine");
        assert_eq!(fs::read_dir(folder.path())?.count(), 2);
        Ok(())
    }

    #[test]
    fn a_link_is_followed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (file, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&file, "old")?;
        symlink(&file, &link)?;
        write(&link, b"new", Readers::All)?;
        assert!(fs::symlink_metadata(&link)?.is_symlink());
        assert_eq!(fs::read(&file)?, b"new");
        Ok(())
    }

    /// Renaming a file over `/dev/null` breaks the whole machine, and root may.
    #[test]
    fn what_is_no_file_is_not_replaced() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let link = folder.path().join("null");
        symlink("/dev/null", &link)?;
        check_writable(&link)?;
        write(&link, b"gone", Readers::All)?;
        assert!(!fs::metadata("/dev/null")?.is_file());
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        assert!(check_writable(folder.path()).is_err());
        assert!(write(folder.path(), b"x", Readers::All).is_err());
        Ok(())
    }
}
