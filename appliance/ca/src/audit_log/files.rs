//! The log as files (c2sp.org/tlog-tiles): `checkpoint`, `tile/<level>/…`, `tile/entries/…`, for a web server or an auditor to copy.
//!
//! Tiles and checkpoint are hashes, and everybody may read them; bundles of entries have names in them, and their folder is closed to
//! others. Every server writes its own from the store. The checkpoint is written last, so that whoever reads it finds the rest; and it
//! is what this server goes by when the store tells another story after a start.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use store::{Reader, Store};
use tlog::{Bundle, Note, Tile, TilePath, TreeHead};

use super::look::{self, TileLoss};
use super::{AuditAlarm, AuditLog, Trouble};
use crate::authority::Authority;
use crate::background;
use crate::error::{Error, Result};

const CHECKPOINT: &str = "checkpoint";
/// Tiles and bundles are made of one snapshot each, of so many leaves.
const PART: u64 = 16 * 256;

/// Why the files could not be written.
#[derive(Debug, thiserror::Error)]
enum FilesFault {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl Authority {
    /// Takes the checkpoint of the files for the last that was seen, after a start.
    pub(super) fn remember_files(&self, log: &AuditLog) -> Result<()> {
        let state = &self.inner().audit;
        let Some(folder) = self.inner().settings.audit_folder.as_deref() else {
            return Ok(());
        };
        if state.seen.lock().is_some() {
            return Ok(());
        }
        match written_head(folder, log) {
            Ok(head) => {
                state.has_files.store(head.is_some(), Ordering::Relaxed);
                *state.seen.lock() = head;
            }
            Err(fault) => {
                let what = format!(
                    "the file {} is not a checkpoint of this log ({fault}): the store tells of another log than this server has \
                     seen; restore the store, or, where a new log was begun on purpose, move the folder away",
                    folder.join(CHECKPOINT).display()
                );
                state.conclude(Some(AuditAlarm::general(what.clone())));
                return Err(Error::conflict("audit_alarm", what));
            }
        }
        Ok(())
    }

    /// Forgets what was signed when somebody has moved the files away during an alarm: where the log was begun anew at another server,
    /// that is how it is accepted here. Whoever has the database alone cannot do it. Files that were never written prove nothing.
    pub(super) fn heed_moved_files(&self) {
        let state = &self.inner().audit;
        let has_alarm = state.alarm.lock().is_some();
        let is_gone = |folder: &Path| matches!(folder.join(CHECKPOINT).try_exists(), Ok(false));
        let folder = self.inner().settings.audit_folder.as_deref();
        if !has_alarm || !folder.is_some_and(is_gone) || !state.has_files.swap(false, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            "the files of the audit log were moved away: the log that the store has now is taken up"
        );
        state.log.store(None);
        *state.seen.lock() = None;
    }

    /// Whether there are files of some log.
    pub(super) fn has_files_of_a_log(&self) -> bool {
        let folder = self.inner().settings.audit_folder.as_deref();
        folder.is_some_and(|folder| folder.join(CHECKPOINT).exists())
    }

    /// Brings the files to what was signed last.
    pub(super) async fn write_audit_files(&self, log: &Arc<AuditLog>) -> Result<()> {
        let Some(folder) = self.inner().settings.audit_folder.clone() else {
            return Ok(());
        };
        let (store, log) = (self.inner().store.clone(), Arc::clone(log));
        let outcome = background::run(move || bring_up(&store, &folder, &log)).await?;
        let state = &self.inner().audit;
        let fault = match outcome {
            Ok(()) => {
                state
                    .has_files
                    .store(self.has_files_of_a_log(), Ordering::Relaxed);
                None
            }
            Err(FilesFault::Trouble(Trouble::Alarm(alarm))) => {
                state.conclude(Some(alarm));
                None
            }
            Err(FilesFault::Trouble(Trouble::Store(error))) => return Err(error.into()),
            Err(fault) => Some(fault.to_string()),
        };
        let mut known = state.files_fault.lock();
        if let Some(fault) = fault.as_ref().filter(|fault| known.as_ref() != Some(fault)) {
            tracing::warn!(fault, "the files of the audit log cannot be written");
        }
        *known = fault;
        Ok(())
    }
}

/// The head of the checkpoint that is written; nothing where there is none.
fn written_head(folder: &Path, log: &AuditLog) -> std::result::Result<Option<TreeHead>, String> {
    match fs::read_to_string(folder.join(CHECKPOINT)) {
        Ok(note) => log.head_of_text(&note).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn bring_up(store: &Store, folder: &Path, log: &AuditLog) -> std::result::Result<(), FilesFault> {
    let corrupt = |what: String| Trouble::Alarm(AuditAlarm::general(what));
    let written =
        written_head(folder, log).map_err(|fault| corrupt(format!("the file of the checkpoint: {fault}")))?;
    let Some(row) = store
        .read_here(store::audit_tree::last_checkpoint)
        .map_err(Trouble::from)?
    else {
        return Ok(());
    };
    let note = Note::parse(row.note.as_bytes()).map_err(|fault| corrupt(fault.to_string()))?;
    let head = log.head_of(&note).map_err(corrupt)?;
    let old = written.unwrap_or_else(TreeHead::empty);
    if old == head {
        return rewrite_when_cosigned(folder, &row.note);
    }
    inner(store.read_here(|reader| Ok(look::continues(reader, &old, &head))))?;
    make_folder(&folder.join("tile"), 0o755)?;
    make_folder(&folder.join("tile/entries"), 0o750)?;
    let mut size = old.size();
    while size < head.size() {
        let next = head.size().min(size - size % 256 + PART);
        for tile in Tile::grown(size, next) {
            // Those in between are wider in a moment.
            if tile.is_full() || next == head.size() {
                let octets = inner(store.read_here(|reader| Ok(tile_octets(reader, tile))))?;
                put(folder, TilePath::Hashes(tile), &octets)?;
            }
        }
        for bundle in Bundle::grown(size, next) {
            if bundle.tile().is_full() || next == head.size() {
                let octets = inner(store.read_here(|reader| Ok(look::bundle_octets(reader, bundle))))?;
                put(folder, TilePath::Entries(bundle), &octets)?;
            }
        }
        size = next;
    }
    write(&folder.join(CHECKPOINT), row.note.as_bytes(), 0o644)
}

/// The same head may get the signatures of witnesses later.
fn rewrite_when_cosigned(folder: &Path, note: &str) -> std::result::Result<(), FilesFault> {
    let file = folder.join(CHECKPOINT);
    if fs::read_to_string(&file).is_ok_and(|written| written == note) {
        return Ok(());
    }
    write(&file, note.as_bytes(), 0o644)
}

fn inner<T>(read: store::Result<std::result::Result<T, Trouble>>) -> std::result::Result<T, FilesFault> {
    Ok(read.map_err(Trouble::from)??)
}

fn tile_octets(reader: &Reader<'_>, tile: Tile) -> std::result::Result<Vec<u8>, Trouble> {
    look::fetch(reader, tile).map_err(|loss| match loss {
        TileLoss::Store(error) => Trouble::Store(error),
        TileLoss::Gone(tile) => {
            AuditAlarm::general(format!("the tile {} is missing", TilePath::Hashes(tile))).into()
        }
    })
}

/// Writes a tile or bundle. A full one makes the narrower ones at its place superfluous.
fn put(folder: &Path, path: TilePath, octets: &[u8]) -> std::result::Result<(), FilesFault> {
    let (is_full, mode) = match path {
        TilePath::Hashes(tile) => (tile.is_full(), 0o644),
        TilePath::Entries(bundle) => (bundle.tile().is_full(), 0o640),
    };
    let file = folder.join(path.to_string());
    if let Some(parent) = file.parent() {
        make_folder(parent, 0o755)?;
    }
    write(&file, octets, mode)?;
    if is_full {
        let mut narrower = file.into_os_string();
        narrower.push(".p");
        let narrower = PathBuf::from(narrower);
        match fs::remove_dir_all(&narrower) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(FilesFault::Io {
                    path: narrower,
                    source,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn make_folder(path: &Path, mode: u32) -> std::result::Result<(), FilesFault> {
    let outcome = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    outcome.map_err(|source| FilesFault::Io {
        path: path.to_owned(),
        source,
    })
}

/// In one step: a file beside it, then a rename.
fn write(file: &Path, octets: &[u8], mode: u32) -> std::result::Result<(), FilesFault> {
    let put = || {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        let mut fresh = options.open(&beside)?;
        fresh.write_all(octets)?;
        fresh.sync_all()?;
        fs::rename(&beside, file)
    };
    put().map_err(|source| FilesFault::Io {
        path: file.to_owned(),
        source,
    })
}
