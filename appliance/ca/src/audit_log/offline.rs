//! Verifying with files alone: no configuration, no store, no network.
//!
//! A folder is the log as `files.rs` writes it or as a web server handed it out; where bundles of entries are missing, the tree
//! is made of the lowest tiles, which shows that it hangs together and continues, and nothing of what the entries say.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tlog::{
    Bundle, Checkpoint, ConsistencyText, Hash, InclusionText, Note, NoteKey, TILE_WIDTH, Tile, TilePath,
    TreeHead,
};

use super::examine::Replay;

/// What somebody knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The verifier key of the log.
    pub key: Option<NoteKey>,
    /// Checkpoints that were kept.
    pub old: Vec<Note>,
    /// Witnesses that must have signed the newest checkpoint.
    pub witnesses: Vec<NoteKey>,
}

/// What was found to be true.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilesVerdict {
    /// Which log it is.
    pub origin: String,
    /// Entries under the checkpoint.
    pub size: u64,
    /// The root there, in base64.
    pub root: String,
    /// Whether the entries themselves were there to be looked at.
    pub has_entries: bool,
    /// Whether older checkpoints were found to be continued.
    pub continues: bool,
    /// The entry that a proof is about.
    pub entry: Option<String>,
}

/// Why files verify nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineFault {
    /// A file could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is not what it should be.
    #[error("{0}")]
    Wrong(String),
}

fn wrong(what: impl Into<String>) -> OfflineFault {
    OfflineFault::Wrong(what.into())
}

impl Expected {
    /// The heads of the older checkpoints, each signed by the key.
    pub(super) fn old_heads(&self, key: &NoteKey) -> Result<Vec<TreeHead>, String> {
        let head = |note| head(note, key, &[]).map_err(|fault| format!("the older checkpoint: {fault}"));
        self.old.iter().map(head).collect()
    }

    /// The head of the newest checkpoint, signed by the key and every witness.
    fn newest(&self, note: &Note) -> Result<(NoteKey, TreeHead), OfflineFault> {
        let key = self
            .key
            .clone()
            .ok_or_else(|| wrong("the verifier key of the log is needed"))?;
        let head =
            head(note, &key, &self.witnesses).map_err(|fault| wrong(format!("the checkpoint: {fault}")))?;
        Ok((key, head))
    }
}

/// The head that a note speaks of, which the log and all witnesses must have signed.
fn head(note: &Note, key: &NoteKey, witnesses: &[NoteKey]) -> Result<TreeHead, String> {
    let keys: Vec<NoteKey> = std::iter::once(key).chain(witnesses).cloned().collect();
    let verified = note.verify(&keys).map_err(|fault| fault.to_string())?;
    if let Some(missing) = keys.iter().find(|key| !verified.is_signed_by(key)) {
        return Err(format!("{} has not signed it", missing.name()));
    }
    let checkpoint = Checkpoint::parse(verified.text()).map_err(|fault| fault.to_string())?;
    if checkpoint.origin() == key.name().as_str() {
        Ok(checkpoint.head())
    } else {
        Err(format!("it is of the log {}", checkpoint.origin()))
    }
}

/// Verifies a folder: signature, tree, tiles, and that older checkpoints are continued.
pub fn verify_audit_files(folder: &Path, expected: &Expected) -> Result<FilesVerdict, OfflineFault> {
    let octets = read(&folder.join("checkpoint"))?;
    let note = Note::parse(&octets).map_err(|fault| wrong(format!("the checkpoint: {fault}")))?;
    let (key, head) = expected.newest(&note)?;
    let mut heads = expected.old_heads(&key).map_err(wrong)?;
    if let Some(old) = heads.iter().find(|old| old.size() > head.size()) {
        return Err(wrong(format!(
            "the log has {} entries; the older checkpoint speaks of {}",
            head.size(),
            old.size()
        )));
    }
    heads.push(head);
    heads.sort_by_key(TreeHead::size);
    let has_entries = folder.join("tile/entries").is_dir();
    rebuild(folder, &head, &heads, has_entries)?;
    Ok(FilesVerdict {
        continues: !expected.old.is_empty(),
        has_entries,
        ..verdict(&key, &head)
    })
}

/// Verifies one proof, of inclusion (`.tlog-proof`) or of consistency, whichever the file is.
pub fn verify_audit_proof(octets: &[u8], expected: &Expected) -> Result<FilesVerdict, OfflineFault> {
    if octets.starts_with(b"old ") {
        return verify_consistency(octets, expected);
    }
    let proof = InclusionText::parse(octets).map_err(|fault| wrong(fault.to_string()))?;
    let (key, head) = expected.newest(&proof.checkpoint)?;
    let entry = proof
        .extra
        .ok_or_else(|| wrong("the proof does not have its entry"))?;
    tlog::verify_inclusion(&head, proof.index, Hash::of_leaf(&entry), &proof.proof).map_err(|_| {
        wrong(format!(
            "entry {} is not in the log of the checkpoint",
            proof.index.saturating_add(1)
        ))
    })?;
    // The same tree needs no proof that it continues itself.
    let olds = expected.old_heads(&key).map_err(wrong)?;
    Ok(FilesVerdict {
        has_entries: true,
        continues: !olds.is_empty() && olds.iter().all(|old| *old == head),
        entry: Some(String::from_utf8_lossy(&entry).into_owned()),
        ..verdict(&key, &head)
    })
}

fn verify_consistency(octets: &[u8], expected: &Expected) -> Result<FilesVerdict, OfflineFault> {
    let proof = ConsistencyText::parse(octets).map_err(|fault| wrong(fault.to_string()))?;
    let (key, head) = expected.newest(&proof.checkpoint)?;
    let olds = expected.old_heads(&key).map_err(wrong)?;
    let Some(old) = olds.iter().find(|old| old.size() == proof.old) else {
        return Err(wrong(format!(
            "it wants the older checkpoint of {} entries",
            proof.old
        )));
    };
    tlog::verify_consistency(old, &head, &proof.proof).map_err(|_| {
        wrong(format!(
            "the log does not continue the checkpoint of {} entries",
            proof.old
        ))
    })?;
    Ok(FilesVerdict {
        continues: true,
        ..verdict(&key, &head)
    })
}

fn verdict(key: &NoteKey, head: &TreeHead) -> FilesVerdict {
    FilesVerdict {
        origin: key.name().to_string(),
        size: head.size(),
        root: head.root().to_base64(),
        has_entries: false,
        continues: false,
        entry: None,
    }
}

fn rebuild(
    folder: &Path,
    head: &TreeHead,
    heads: &[TreeHead],
    has_entries: bool,
) -> Result<(), OfflineFault> {
    let mut replay = Replay::new(heads);
    let width = u64::from(TILE_WIDTH);
    let bundles = head.size().div_ceil(width);
    for index in 0..bundles {
        let Some(tile) = Tile::of_tree(0, index, head.size()) else {
            break;
        };
        for leaf in leaves(folder, tile, has_entries)? {
            replay.push(leaf).map_err(|size| {
                let entries = format!("{} to {}", index * width + 1, index * width + u64::from(tile.width()));
                wrong(format!(
                    "the files are not those of the checkpoint of {size} entries; the last ones read were {entries}"
                ))
            })?;
        }
        for (tile, octets) in replay.tiles(index + 1 == bundles) {
            if read_tile(folder, tile)? != octets {
                let path = TilePath::Hashes(tile);
                return Err(wrong(format!("{path} is not the tile of the entries")));
            }
        }
    }
    Ok(())
}

/// The hashes of the leaves of a tile, from the entries or, without them, from the tile.
fn leaves(folder: &Path, tile: Tile, has_entries: bool) -> Result<Vec<Hash>, OfflineFault> {
    if !has_entries {
        let octets = read_tile(folder, tile)?;
        let (hashes, _) = octets.as_chunks();
        return Ok(hashes.iter().copied().map(Hash).collect());
    }
    let no_bundle = |_| wrong("no log has such a bundle");
    let narrow = Bundle::new(tile.index(), tile.width()).map_err(no_bundle)?;
    let full = Bundle::new(tile.index(), TILE_WIDTH).map_err(no_bundle)?;
    // A log that has grown since its checkpoint was copied may have the full one alone.
    let (bundle, octets) = match read_if_there(&folder.join(TilePath::Entries(narrow).to_string()))? {
        Some(octets) => (narrow, octets),
        None => (full, read(&folder.join(TilePath::Entries(full).to_string()))?),
    };
    let path = TilePath::Entries(bundle);
    let entries = bundle
        .read(&octets)
        .map_err(|fault| wrong(format!("{path}: {fault}")))?;
    let width = usize::from(tile.width());
    Ok(entries.into_iter().take(width).map(Hash::of_leaf).collect())
}

fn read_tile(folder: &Path, tile: Tile) -> Result<Vec<u8>, OfflineFault> {
    if let Some(octets) = read_if_there(&folder.join(TilePath::Hashes(tile).to_string()))? {
        return Ok(octets);
    }
    let full = Tile::new(tile.level(), tile.index(), TILE_WIDTH).map_err(|fault| wrong(fault.to_string()))?;
    let mut octets = read(&folder.join(TilePath::Hashes(full).to_string()))?;
    octets.truncate(tile.byte_len());
    Ok(octets)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, OfflineFault> {
    match fs::read(path) {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, OfflineFault> {
    fs::read(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> OfflineFault {
    OfflineFault::Unreadable {
        path: path.to_owned(),
        source,
    }
}
