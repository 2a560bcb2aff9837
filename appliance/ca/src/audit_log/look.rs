//! Looking whether the log still is the one that was signed.
//!
//! [`edge`] costs the same however long the log is: the tiles of the right edge must give the root that was signed last, that tree must
//! continue every head this server has seen, and the last entry in it must still be its leaf. Entries carry the hash of the one
//! before, so whoever rewrites one and all after it has changed the last, too; who rewrites one alone is found by [`bundle`], which
//! goes through all of them a few at a time.

use store::Reader;
use store::audit::{self, LoggedEntry};
use store::audit_tree::{self, CheckpointRow};
use tlog::{Bundle, Growth, Hash, Node, SourceFault, TILE_WIDTH, Tile, Tiles, TilesFault, TreeHead};

use super::leaf::leaf_hash;
use super::{AuditAlarm, AuditLog, Trouble, signed, unsigned};

const CHANGED: &str = "it is not what it was when it was signed";

/// The right end of the log.
pub(crate) struct Edge {
    /// What was signed last.
    pub(crate) head: TreeHead,
    pub(crate) checkpoint: Option<CheckpointRow>,
    /// The tree there, to go on with.
    pub(crate) growth: Growth,
    /// The hash of the chain there.
    pub(crate) chain: Vec<u8>,
    /// The number of the last entry, which may be after it.
    pub(crate) last: i64,
}

/// Looks at the right end. `seen` is the last head that this server knows to have been signed.
pub(crate) fn edge(reader: &Reader<'_>, log: &AuditLog, seen: Option<&TreeHead>) -> Result<Edge, Trouble> {
    let checkpoint = audit_tree::last_checkpoint(reader)?;
    let head = match &checkpoint {
        None => TreeHead::empty(),
        Some(row) => signed_head(log, row)?,
    };
    if let Some(seen) = seen {
        continues(reader, seen, &head)?;
    }
    let last = audit::last(reader)?;
    let size = signed(head.size());
    if last < size {
        let what = format!("it and those after it were cut off; {size} entries were signed");
        return Err(AuditAlarm::at(last + 1, what).into());
    }
    let growth = Growth::resume(head.size(), |tile| fetch(reader, tile)).map_err(broken)?;
    if growth.head() != head {
        return Err(AuditAlarm::general("the tiles of the tree are not those that were signed").into());
    }
    let chain = match size.checked_sub(1) {
        None | Some(-1) => Vec::new(),
        Some(before) => last_leaf(reader, &head, before)?,
    };
    Ok(Edge {
        head,
        checkpoint,
        growth,
        chain,
        last,
    })
}

/// The head of a checkpoint that is stored.
pub(crate) fn signed_head(log: &AuditLog, row: &CheckpointRow) -> Result<TreeHead, AuditAlarm> {
    let head = log.head_of_text(&row.note).map_err(|fault| {
        AuditAlarm::general(format!(
            "the checkpoint of {} entries is not one of this log: {fault}",
            row.size
        ))
    })?;
    if signed(head.size()) == row.size {
        Ok(head)
    } else {
        Err(AuditAlarm::general(format!(
            "the checkpoint of {} entries speaks of {}",
            row.size,
            head.size()
        )))
    }
}

/// Whether the tree of a head continues another that was signed.
pub(crate) fn continues(reader: &Reader<'_>, seen: &TreeHead, head: &TreeHead) -> Result<(), Trouble> {
    if seen.size() > head.size() {
        let what = format!(
            "a checkpoint of {} entries was signed and is gone; the store knows one of {}",
            seen.size(),
            head.size()
        );
        return Err(AuditAlarm::at(signed(head.size()) + 1, what).into());
    }
    let mut tiles = Tiles::new(head.size(), |tile| fetch(reader, tile));
    let proof = tlog::consistency_proof(seen.size(), head.size(), |node| tiles.node(node)).map_err(broken)?;
    tlog::verify_consistency(seen, head, &proof).map_err(|_| {
        let what = format!(
            "the log does not continue the checkpoint of {} entries that was signed",
            seen.size()
        );
        AuditAlarm::general(what).into()
    })
}

/// The last entry under a head, which must be its leaf; gives its hash of the chain.
fn last_leaf(reader: &Reader<'_>, head: &TreeHead, before: i64) -> Result<Vec<u8>, Trouble> {
    let logged = audit::after(reader, before, 1)?;
    let logged = logged.first().filter(|logged| logged.seq == before + 1);
    let logged = logged.ok_or_else(|| AuditAlarm::at(before + 1, "it is missing"))?;
    let mut tiles = Tiles::new(head.size(), |tile| fetch(reader, tile));
    let node = Node::new(0, unsigned(before)).map_err(|_| AuditAlarm::general("the log is too long"))?;
    let leaf = tiles
        .node(node)
        .map_err(|fault| broken(SourceFault::Source(fault)))?;
    if leaf == leaf_hash(logged) {
        return Ok(logged.hash.clone());
    }
    // Which one was the first to change costs a look at all of them, once.
    for index in 0..head.size().div_ceil(u64::from(TILE_WIDTH)) {
        bundle(reader, head, index)?;
    }
    Err(AuditAlarm::at(before + 1, CHANGED).into())
}

/// Looks at the entries of one bundle: that they are the leaves of the tree, and that their tile hangs in it.
pub(crate) fn bundle(reader: &Reader<'_>, head: &TreeHead, index: u64) -> Result<(), Trouble> {
    let Some(tile) = Tile::of_tree(0, index, head.size()) else {
        return Ok(());
    };
    let first = index * u64::from(TILE_WIDTH);
    let octets =
        fetch(reader, tile).map_err(|fault| broken(SourceFault::Source(TilesFault::Fetch(fault))))?;
    let mut tiles = Tiles::new(head.size(), |wanted| fetch(reader, wanted));
    let proof = tlog::inclusion_proof(first, head.size(), |node| tiles.node(node)).map_err(broken)?;
    let (leaves, _) = octets.as_chunks();
    let leaves: Vec<Hash> = leaves.iter().copied().map(Hash).collect();
    let hangs = leaves
        .first()
        .is_some_and(|leaf| tlog::verify_inclusion(head, first, *leaf, &proof).is_ok());
    if !hangs {
        let entries = format!("{} to {}", first + 1, first + u64::from(tile.width()));
        return Err(AuditAlarm::general(format!(
            "the tile of the entries {entries} is not the one that was signed"
        ))
        .into());
    }
    let entries = audit::after(reader, signed(first), u32::from(tile.width()))?;
    let mut entries = entries.iter().peekable();
    for (seq, leaf) in (signed(first) + 1..).zip(leaves) {
        let logged: &LoggedEntry = entries
            .next_if(|logged| logged.seq == seq)
            .ok_or_else(|| AuditAlarm::at(seq, "it is missing"))?;
        if leaf_hash(logged) != leaf {
            return Err(AuditAlarm::at(seq, CHANGED).into());
        }
    }
    Ok(())
}

/// Why a tile could not be got.
#[derive(Debug)]
pub(crate) enum TileLoss {
    Gone(Tile),
    Store(store::Error),
}

/// A tile from the store, as wide as it is wanted.
pub(crate) fn fetch(reader: &Reader<'_>, tile: Tile) -> Result<Vec<u8>, TileLoss> {
    let place = signed(tile.index());
    let octets = audit_tree::tile(reader, tile.level(), place).map_err(TileLoss::Store)?;
    let mut octets = octets.ok_or(TileLoss::Gone(tile))?;
    octets.truncate(tile.byte_len());
    Ok(octets)
}

/// What it means that something could not be made of the tiles.
pub(crate) fn broken(fault: SourceFault<TilesFault<TileLoss>>) -> Trouble {
    match fault {
        SourceFault::Source(TilesFault::Fetch(TileLoss::Store(error))) => Trouble::Store(error),
        SourceFault::Source(TilesFault::Fetch(TileLoss::Gone(tile))) => {
            let what = format!("the tile {} is missing", tlog::TilePath::Hashes(tile));
            AuditAlarm::general(what).into()
        }
        _ => AuditAlarm::general("a tile of the tree is broken").into(),
    }
}

/// The bundle of the entries that a tile has the leaves of, as the octets of its file.
pub(crate) fn bundle_octets(reader: &Reader<'_>, bundle: Bundle) -> Result<Vec<u8>, Trouble> {
    let first = signed(bundle.first());
    let width = bundle.tile().width();
    let mut octets = Vec::new();
    let entries = audit::after(reader, first, u32::from(width))?;
    for (seq, logged) in (first + 1..).zip(&entries) {
        let is_written = tlog::write_entry(&mut octets, &super::leaf::leaf(logged)).is_ok();
        if logged.seq != seq || !is_written {
            return Err(AuditAlarm::at(seq, "it is missing").into());
        }
    }
    if entries.len() == usize::from(width) {
        Ok(octets)
    } else {
        let there = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        Err(AuditAlarm::at(first.saturating_add(there).saturating_add(1), "it is missing").into())
    }
}
