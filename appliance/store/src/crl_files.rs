//! The files of published CRLs, in a folder beside the database.
//!
//! A file gets its name once all of it is on the disk, and is never changed after that. Who reads one keeps it open, so that
//! it may be taken away while it is being sent.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder.
#[derive(Clone, Debug)]
pub struct CrlFiles {
    folder: PathBuf,
}

/// One file, open for reading.
#[derive(Debug)]
pub struct CrlFile {
    file: File,
    octets: u64,
}

impl CrlFiles {
    pub(crate) fn beside(store: &Path) -> Self {
        let folder = store.parent().unwrap_or(Path::new("")).join("crls");
        Self { folder }
    }

    /// Writes a file out of pieces; it is durable, under its name, when this returns.
    pub fn write<'a>(&self, name: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<CrlFile> {
        self.write_with(name, |file| {
            pieces.into_iter().try_for_each(|piece| file.write_all(piece))
        })
    }

    /// Writes a file, likewise.
    pub fn write_with(&self, name: &str, pour: impl FnOnce(&mut File) -> io::Result<()>) -> Result<CrlFile> {
        let write = || {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.folder)?;
            let unfinished = self.folder.join(format!("{name}.new"));
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            pour(&mut file)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, self.folder.join(name))?;
            File::open(&self.folder)?.sync_all()?;
            let octets = file.metadata()?.len();
            Ok(CrlFile { file, octets })
        };
        write().map_err(|error| refused(&error))
    }

    /// Opens a file; nothing when it is not there or has another length than it had.
    pub fn open(&self, name: &str, octets: u64) -> Result<Option<CrlFile>> {
        let file = match File::open(self.folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(&error)),
        };
        let found = file.metadata().map_err(|error| refused(&error))?.len();
        Ok((found == octets).then_some(CrlFile { file, octets }))
    }

    /// Takes a file away; one that is gone is no matter.
    pub fn remove(&self, name: &str) -> Result<()> {
        match std::fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(refused(&error)),
            _ => Ok(()),
        }
    }

    /// Takes away what is not in the set: what a killed process left behind.
    pub fn keep_only(&self, names: &HashSet<String>) -> Result<()> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(refused(&error)),
        };
        for entry in entries {
            let name = entry.map_err(|error| refused(&error))?.file_name();
            let name = name.to_string_lossy();
            if !names.contains(name.as_ref()) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }
}

impl CrlFile {
    /// Its length.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Reads from a place until the buffer is full or the file ends; gives how many octets.
    pub fn read_at(&self, mut offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    offset += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

fn refused(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Io(format!("a CRL's file: {error}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let files = CrlFiles::beside(&folder.path().join("store.db"));
        assert!(files.open("a.crl", 5).unwrap().is_none());
        files.keep_only(&HashSet::new()).unwrap();
        let file = files.write("a.crl", [&b"he"[..], b"llo"]).unwrap();
        let mut buffer = [0; 9];
        assert_eq!((file.octets(), file.read_at(1, &mut buffer).unwrap()), (5, 4));
        assert_eq!(buffer.get(..4).unwrap(), b"ello");
        assert!(files.open("a.crl", 4).unwrap().is_none());
        let failed = files.write_with("b.crl", |file| {
            file.write_all(b"half")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err(), Error::Full);
        assert!(files.open("b.crl", 4).unwrap().is_none());
        files.write("c.crl", [&b"c"[..]]).unwrap();
        files.keep_only(&HashSet::from(["a.crl".to_owned()])).unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path().join("crls"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a.crl"]);
        // It is read to its end by who has it open.
        files.remove("a.crl").unwrap();
        files.remove("a.crl").unwrap();
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 5);
    }
}
