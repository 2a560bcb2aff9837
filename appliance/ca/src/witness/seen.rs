//! What a witness has seen of a log: the last checkpoint it cosigned, as a file.
//!
//! A file that is there and cannot be read is not taken for nothing seen: the witness would cosign whatever it is shown. From reading it
//! to writing it a lock is held, so that of two programs that work with one file neither cosigns beside the other's back.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use store::crash_point;
use tlog::{Checkpoint, MAX_NOTE_LEN, Note, NoteKey, TreeHead};

/// The file of one log.
#[derive(Clone, Debug)]
pub struct SeenFile(PathBuf);

/// The file of one log while nobody else may work with it.
#[derive(Debug)]
pub struct HeldSeenFile {
    path: PathBuf,
    note: Option<Note>,
    head: Option<TreeHead>,
    _lock: File,
}

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
    /// Somebody else works with it.
    #[error("{} is used by another run of this witness, or by another server: wait until it has ended, or give each a key and a folder of its own", path.display())]
    Busy {
        /// Which one.
        path: PathBuf,
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

    /// Reads the checkpoint in it, which this witness must have cosigned, and keeps others from the file until the value is dropped.
    pub fn hold(&self, origin: &str, witness: &NoteKey) -> Result<HeldSeenFile, SeenFault> {
        let unreadable = |source| SeenFault::Unreadable {
            path: self.0.clone(),
            source,
        };
        let lock = self.lock()?;
        let octets = match fs::read(&self.0) {
            Ok(octets) => Some(octets),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(unreadable(source)),
        };
        let read = octets.map(|octets| last(&octets, origin, witness));
        let (note, head) = read.transpose().map_err(|why| self.damaged(why))?.unzip();
        Ok(HeldSeenFile {
            path: self.0.clone(),
            note,
            head,
            _lock: lock,
        })
    }

    /// A file beside it, which stays where it is: the file itself is replaced.
    fn lock(&self) -> Result<File, SeenFault> {
        let unwritable = |source| SeenFault::Unwritable {
            path: self.0.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600);
        let file = file.open(self.beside("lock")).map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(SeenFault::Busy { path: self.0.clone() }),
            Err(TryLockError::Error(source)) => Err(unwritable(source)),
        }
    }

    /// Two checkpoints of one log that cannot both be right, kept for people.
    pub(super) fn evidence(&self) -> PathBuf {
        self.beside("fork")
    }

    /// What is told when it is not what was written last.
    pub(super) fn was_changed(&self) -> String {
        self.damaged("it was changed or removed behind the server's back".to_owned())
            .to_string()
    }

    /// What is told when it must be there.
    pub(super) fn is_gone(&self) -> String {
        self.damaged("it is not there, and this witness has cosigned that log".to_owned())
            .to_string()
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(".");
        name.push(what);
        name.into()
    }

    fn damaged(&self, why: String) -> SeenFault {
        let path = self.0.clone();
        SeenFault::Damaged { path, why }
    }
}

impl HeldSeenFile {
    /// The checkpoint that was cosigned last; nothing when there is no file.
    pub fn note(&self) -> Option<&Note> {
        self.note.as_ref()
    }

    /// Its head.
    pub fn head(&self) -> Option<TreeHead> {
        self.head
    }

    /// Replaces what is in it, in one step that outlasts a loss of power.
    pub fn write(&mut self, cosigned: &Note, head: TreeHead) -> Result<(), SeenFault> {
        write(&self.path, cosigned.to_string().as_bytes(), 0o644)
            .map_err(|source| self.unwritable(source))?;
        (self.note, self.head) = (Some(cosigned.clone()), Some(head));
        Ok(())
    }

    /// Makes what is in it outlast a loss of power, whoever wrote it: a run that was killed may have ended before that.
    pub fn sync(&self) -> Result<(), SeenFault> {
        let synced = File::open(&self.path).and_then(|file| file.sync_all());
        synced
            .and_then(|()| sync_folder_of(&self.path))
            .map_err(|source| self.unwritable(source))
    }

    fn unwritable(&self, source: io::Error) -> SeenFault {
        SeenFault::Unwritable {
            path: self.path.clone(),
            source,
        }
    }
}

fn last(octets: &[u8], origin: &str, witness: &NoteKey) -> Result<(Note, TreeHead), String> {
    if octets.len() > MAX_NOTE_LEN {
        return Err("it is too long".to_owned());
    }
    let note = Note::parse(octets).map_err(|fault| fault.to_string())?;
    let keys = [witness.clone()];
    let verified = note.verify(&keys).map_err(|fault| fault.to_string())?;
    let checkpoint = Checkpoint::parse(verified.text()).map_err(|fault| fault.to_string())?;
    if checkpoint.origin() != origin {
        return Err(format!("it is of the log {}", checkpoint.origin()));
    }
    let head = checkpoint.head();
    Ok((note, head))
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
    sync_folder_of(file)
}

fn sync_folder_of(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Makes the folder that only this server writes in.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(folder)
}
