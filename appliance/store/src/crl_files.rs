//! The files of published CRLs, in a folder beside the database.
//!
//! A file gets its name once all of it is on the disk, and is never changed after that. Who reads one keeps it open, so that
//! it may be taken away while it is being sent.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, IoSlice, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::crash_point;
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
    pub(crate) fn within(folder: &Path) -> Self {
        Self {
            folder: folder.join("crls"),
        }
    }

    /// Begins a file whose first octets come last: `pieces` are written behind `offset`, and on their way to the disk when
    /// this returns.
    pub fn begin<'a>(
        &self,
        name: &str,
        offset: u64,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<UnfinishedFile> {
        let begin = || {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.folder)?;
            let path = self.folder.join(format!("{name}.new"));
            let mut file = private(&path)?;
            let unnamed = Unnamed(Some(path));
            file.seek(SeekFrom::Start(offset))?;
            write_all(&mut file, pieces)?;
            crash_point::pass(|| "CRL file: written in part".to_owned());
            file.sync_data()?;
            Ok(UnfinishedFile {
                file,
                unnamed,
                folder: self.folder.clone(),
                name: name.to_owned(),
                offset,
            })
        };
        begin().map_err(|error: io::Error| refused(&error))
    }

    /// A file without a name, which goes when it is closed: what `source` has, compressed (RFC 1952). It is made again when it
    /// is wanted again, so nothing of it has to be durable.
    pub fn compressed(&self, mut source: impl io::Read) -> Result<CrlFile> {
        static UNIQUE: AtomicU64 = AtomicU64::new(0);
        let number = UNIQUE.fetch_add(1, Ordering::Relaxed);
        let mut compress = || {
            let path = self.folder.join(format!("{number}.gz.new"));
            let file = private(&path)?;
            std::fs::remove_file(&path)?;
            let mut encoder = GzEncoder::new(BufWriter::new(file), Compression::fast());
            io::copy(
                &mut BufReader::with_capacity(64 * 1024, &mut source),
                &mut encoder,
            )?;
            let file = encoder.finish()?.into_inner()?;
            let octets = file.metadata()?.len();
            Ok(CrlFile { file, octets })
        };
        compress().map_err(|error: io::Error| refused(&error))
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

    /// Copies the files into another folder; gives how many. One that is there already is left as it is: a name means one list.
    pub fn copy_to(&self, other: &Self) -> Result<u64> {
        let copy = || {
            let mut copied = 0;
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&other.folder)?;
            for entry in std::fs::read_dir(&self.folder)? {
                let name = entry?.file_name();
                let (to, fresh) = (other.folder.join(&name), other.folder.join("copy.new"));
                if !to.exists() {
                    let mut file = private(&fresh)?;
                    io::copy(&mut File::open(self.folder.join(&name))?, &mut file)?;
                    file.sync_all()?;
                    std::fs::rename(&fresh, &to)?;
                    copied += 1;
                }
            }
            File::open(&other.folder)?.sync_all()?;
            Ok::<u64, io::Error>(copied)
        };
        match copy() {
            // Nothing was published yet.
            Err(error) if error.kind() == ErrorKind::NotFound && !self.folder.exists() => Ok(0),
            outcome => outcome.map_err(|error| refused(&error)),
        }
    }

    /// Takes a file away; one that is gone is no matter.
    pub fn remove(&self, name: &str) -> Result<()> {
        crash_point::pass(|| "CRL file: before it is taken away".to_owned());
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

/// A file that has not got its name yet. It is taken away when it is dropped: what is not signed is of no use.
#[derive(Debug)]
pub struct UnfinishedFile {
    file: File,
    unnamed: Unnamed,
    folder: PathBuf,
    name: String,
    offset: u64,
}

/// Where a file is that has not got its name; nowhere once it has.
#[derive(Debug)]
struct Unnamed(Option<PathBuf>);

impl Unnamed {
    /// Gives it its name.
    fn name(&mut self, named: &Path) -> io::Result<()> {
        if let Some(path) = &self.0 {
            std::fs::rename(path, named)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // What stays is taken away by the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl UnfinishedFile {
    /// How many octets were left free at the beginning.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Writes more at the end.
    pub fn append(&mut self, octets: &[u8]) -> Result<()> {
        self.file.write_all(octets).map_err(|error| refused(&error))
    }

    /// Writes what stands before, which must fit exactly, and what stands behind. The file is durable, under its name, when
    /// this returns.
    pub fn finish(mut self, before: &[u8], behind: &[u8]) -> Result<CrlFile> {
        let mut finish = || {
            if before.len() as u64 != self.offset {
                return Err(io::Error::other("its beginning does not fit"));
            }
            self.file.write_all_at(before, 0)?;
            self.file.seek(SeekFrom::End(0))?;
            self.file.write_all(behind)?;
            self.file.sync_all()?;
            crash_point::pass(|| "CRL file: before its name".to_owned());
            self.unnamed.name(&self.folder.join(&self.name))?;
            crash_point::pass(|| "CRL file: after its name".to_owned());
            File::open(&self.folder)?.sync_all()?;
            self.file.metadata().map(|data| data.len())
        };
        let octets = finish().map_err(|error| refused(&error))?;
        Ok(CrlFile {
            file: self.file,
            octets,
        })
    }
}

impl CrlFile {
    /// The same file once more, for somebody else to read.
    pub fn reopen(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            octets: self.octets,
        })
    }

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

/// Pieces that are written by one call: a call for each costs twice as much as the octets.
const AT_ONCE: usize = 32;

fn write_all<'a>(file: &mut File, pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<()> {
    let mut pieces = pieces.into_iter();
    loop {
        let mut slices: Vec<IoSlice<'_>> = pieces.by_ref().take(AT_ONCE).map(IoSlice::new).collect();
        if slices.is_empty() {
            return Ok(());
        }
        let mut left = slices.as_mut_slice();
        // Empty pieces at the beginning are none.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match file.write_vectored(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// An empty file for its owner alone.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
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
    fn a_compressed_file_has_no_name_and_all_that_was_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let files = CrlFiles::within(folder.path());
        files
            .begin("a.crl", 0, [&b"a"[..]])
            .unwrap()
            .finish(b"", b"")
            .unwrap();
        let long = b"again and ".repeat(50_000);
        let file = files.compressed(long.as_slice()).unwrap();
        assert!(file.octets() < 10_000);
        let mut packed = vec![0; usize::try_from(file.octets()).unwrap()];
        file.read_at(0, &mut packed).unwrap();
        let mut unpacked = Vec::new();
        io::Read::read_to_end(
            &mut flate2::read::GzDecoder::new(packed.as_slice()),
            &mut unpacked,
        )
        .unwrap();
        assert!(unpacked == long);
        assert_eq!(std::fs::read_dir(folder.path().join("crls")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let files = CrlFiles::within(folder.path());
        assert!(files.open("a.crl", 5).unwrap().is_none());
        files.keep_only(&HashSet::new()).unwrap();
        let unfinished = files.begin("a.crl", 1, [&b"el"[..], b"l"]).unwrap();
        assert!(files.open("a.crl", 4).unwrap().is_none());
        let file = unfinished.finish(b"h", b"o").unwrap();
        let mut buffer = [0; 9];
        assert_eq!((file.octets(), file.read_at(1, &mut buffer).unwrap()), (5, 4));
        assert_eq!(buffer.get(..4).unwrap(), b"ello");
        assert!(files.open("a.crl", 4).unwrap().is_none());
        let unfinished = files.begin("b.crl", 3, [&b"half"[..]]).unwrap();
        assert!(unfinished.finish(b"h", b"").is_err());
        assert!(files.open("b.crl", 7).unwrap().is_none());
        drop(files.begin("d.crl", 0, [&b"unsigned"[..]]).unwrap());
        let names = || {
            let entries = std::fs::read_dir(folder.path().join("crls")).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(), ["a.crl"], "what is not finished leaves nothing behind");
        files
            .begin("c.crl", 0, [&b"c"[..]])
            .unwrap()
            .finish(b"", b"")
            .unwrap();
        files.keep_only(&HashSet::from(["a.crl".to_owned()])).unwrap();
        assert_eq!(names(), ["a.crl"]);
        // It is read to its end by who has it open.
        files.remove("a.crl").unwrap();
        files.remove("a.crl").unwrap();
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 5);
    }
}
