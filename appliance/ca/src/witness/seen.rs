//! What a witness has seen of a log: the last checkpoint it cosigned, as a file.
//!
//! A file that is there and cannot be read is not taken for nothing seen: the witness would cosign whatever it is shown.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use store::crash_point;
use tlog::{Checkpoint, MAX_NOTE_LEN, Note, NoteKey, TreeHead};

/// The file of one log.
#[derive(Clone, Debug)]
pub struct SeenFile(PathBuf);

/// The file says nothing, or could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeenFault {
    /// Reading.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in it.
    #[error(
        "{} is not the checkpoint that this witness cosigned last ({why}): bring the file back from where it was kept; a witness that has \
         forgotten what it saw must take another key and an empty folder",
        path.display()
    )]
    Damaged {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Writing.
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SeenFile {
    /// The file at a path; nothing is looked at yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The head of the checkpoint in it, which this witness must have cosigned; nothing when there is no file.
    pub fn read(&self, origin: &str, witness: &NoteKey) -> Result<Option<TreeHead>, SeenFault> {
        let octets = match fs::read(&self.0) {
            Ok(octets) => octets,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let path = self.0.clone();
                return Err(SeenFault::Unreadable { path, source });
            }
        };
        head(&octets, origin, witness)
            .map(Some)
            .map_err(|why| self.damaged(why))
    }

    /// Replaces what is in it, in one step that outlasts a loss of power.
    pub fn write(&self, cosigned: &Note) -> Result<(), SeenFault> {
        write(&self.0, cosigned.to_string().as_bytes(), 0o644).map_err(|source| SeenFault::Unwritable {
            path: self.0.clone(),
            source,
        })
    }

    /// What is told when it is not what was written last.
    pub(super) fn was_changed(&self) -> String {
        self.damaged("it was changed or removed behind the server's back".to_owned())
            .to_string()
    }

    fn damaged(&self, why: String) -> SeenFault {
        let path = self.0.clone();
        SeenFault::Damaged { path, why }
    }
}

fn head(octets: &[u8], origin: &str, witness: &NoteKey) -> Result<TreeHead, String> {
    if octets.len() > MAX_NOTE_LEN {
        return Err("it is too long".to_owned());
    }
    let note = Note::parse(octets).map_err(|fault| fault.to_string())?;
    let keys = [witness.clone()];
    let verified = note.verify(&keys).map_err(|fault| fault.to_string())?;
    let checkpoint = Checkpoint::parse(verified.text()).map_err(|fault| fault.to_string())?;
    if checkpoint.origin() == origin {
        Ok(checkpoint.head())
    } else {
        Err(format!("it is of the log {}", checkpoint.origin()))
    }
}

/// Writes a file beside it, and gives it its name when it is on the disk.
pub(super) fn write(file: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    // One that a crash left may have other permissions.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut fresh = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    fresh.write_all(octets)?;
    fresh.sync_all()?;
    crash_point::pass(|| "witness: before its file has its name".to_owned());
    fs::rename(&beside, file)?;
    crash_point::pass(|| "witness: after its file has its name".to_owned());
    match file.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Makes the folder that only this server writes in.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(folder)
}
