//! Tiles: the tree cut into pieces of eight levels, of which only the lowest is stored (c2sp.org/tlog-tiles).
//!
//! A tile never changes once it is full. A log writes the tiles of [`Tile::grown`] for each checkpoint, from
//! what [`crate::Frontier::push`] tells, and serves them as files; every proof is made from them.

use std::cmp::min;

use crate::hash::{HASH_LEN, Hash};
use crate::head::MAX_TREE_SIZE;
use crate::node::Node;

/// Hashes of a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Levels of the tree that a tile stands for.
pub(crate) const TILE_HEIGHT: u8 = 8;
/// Levels of tiles of a tree of [`MAX_TREE_SIZE`].
const TILE_LEVELS: u8 = 8;

/// Where a tile stands and how many hashes it has: 1 to 256. Its hashes are those of the nodes of eight times
/// its level, from the one with 256 times its index on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

/// Why something is no tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileFault {
    /// A width of 0 or more than 256, or a place beyond a tree of [`MAX_TREE_SIZE`].
    #[error("no tree has such a tile")]
    OutOfTree,
    /// Octets that are not 32 for each hash of the tile.
    #[error("tile does not have the length of its width")]
    Length,
}

impl Tile {
    /// A tile by its place. No tree of [`MAX_TREE_SIZE`] has tiles of a level above 7.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileFault> {
        if !(1..=TILE_WIDTH).contains(&width) {
            return Err(TileFault::OutOfTree);
        }
        let last = index.checked_mul(TILE_WIDTH.into());
        let last = last.and_then(|first| first.checked_add(u64::from(width) - 1));
        let node_level = level.checked_mul(TILE_HEIGHT);
        let (Some(last), Some(node_level)) = (last, node_level) else {
            return Err(TileFault::OutOfTree);
        };
        Node::new(node_level, last).map_err(|_| TileFault::OutOfTree)?;
        Ok(Self { level, index, width })
    }

    /// The tile in which a tree of `size` leaves has this node; nothing when it does not have it.
    pub fn containing(node: Node, size: u64) -> Option<Self> {
        if !node.is_in(size) {
            return None;
        }
        let (level, height) = (node.level() / TILE_HEIGHT, node.level() % TILE_HEIGHT);
        let index = node.index() >> (TILE_HEIGHT - height);
        Some(Self::at(level, index, hashes_at(level, size)))
    }

    /// The tiles that a tree of `new` leaves has and a tree of `old` leaves does not: new ones, and those
    /// that became wider. The lowest level first, in each from left to right.
    pub fn grown(old: u64, new: u64) -> impl Iterator<Item = Self> {
        (0..TILE_LEVELS).flat_map(move |level| Self::grown_at(level, old, new))
    }

    /// The same of one level.
    pub(crate) fn grown_at(level: u8, old: u64, new: u64) -> impl Iterator<Item = Self> {
        let (old, new) = (hashes_at(level, old), hashes_at(level, new));
        let width = u64::from(TILE_WIDTH);
        let end = if old < new { new.div_ceil(width) } else { 0 };
        (old / width..end).map(move |index| Self::at(level, index, new))
    }

    /// The tiles of a tree of this size that are not full yet, the lowest level first.
    pub(crate) fn open(size: u64) -> impl Iterator<Item = Self> {
        (0..TILE_LEVELS).filter_map(move |level| {
            let hashes = hashes_at(level, size);
            let width = u64::from(TILE_WIDTH);
            (!hashes.is_multiple_of(width)).then(|| Self::at(level, hashes / width, hashes))
        })
    }

    /// The tile that a tree of `size` leaves has at a place; nothing when it has none there.
    pub fn of_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = hashes_at(level, size);
        let first = index.checked_mul(TILE_WIDTH.into())?;
        (level < TILE_LEVELS && first < hashes).then(|| Self::at(level, index, hashes))
    }

    /// The tile of a level with so many hashes, more than are left of the tile.
    fn at(level: u8, index: u64, hashes: u64) -> Self {
        let width = hashes.saturating_sub(index * u64::from(TILE_WIDTH));
        Self {
            level,
            index,
            width: u16::try_from(width).map_or(TILE_WIDTH, |width| min(width, TILE_WIDTH)),
        }
    }

    /// Level of the tile, 0 to 7: its lowest nodes have eight times this level.
    pub fn level(self) -> u8 {
        self.level
    }

    /// How many tiles of its level are left of it.
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many hashes it has, 1 to 256.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Whether it will not change any more.
    pub fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Octets of its hashes.
    pub fn byte_len(self) -> usize {
        usize::from(self.width) * HASH_LEN
    }

    /// Reads its octets: its hashes, one after the other. Who got the full tile where this one was wanted
    /// cuts it to [`Tile::byte_len`] first.
    pub fn read(self, octets: &[u8]) -> Result<TileHashes<'_>, TileFault> {
        let (hashes, rest) = octets.as_chunks();
        if rest.is_empty() && hashes.len() == usize::from(self.width) {
            Ok(TileHashes { tile: self, hashes })
        } else {
            Err(TileFault::Length)
        }
    }
}

/// How many hashes the tiles of a level have in a tree of this size.
fn hashes_at(level: u8, size: u64) -> u64 {
    min(size, MAX_TREE_SIZE)
        .checked_shr(u32::from(level) * u32::from(TILE_HEIGHT))
        .unwrap_or_default()
}

/// The hashes of a tile.
#[derive(Clone, Copy, Debug)]
pub struct TileHashes<'a> {
    tile: Tile,
    hashes: &'a [[u8; HASH_LEN]],
}

impl TileHashes<'_> {
    /// The hash of a node within the tile, or of the node that a full tile is below of; nothing when it is of
    /// another tile, or not all of its leaves are in this one.
    pub fn node(&self, node: Node) -> Option<Hash> {
        let height = node.level().checked_sub(self.tile.level * TILE_HEIGHT)?;
        if height > TILE_HEIGHT {
            return None;
        }
        let first = (node.index() << height).checked_sub(self.tile.index * u64::from(TILE_WIDTH))?;
        let first = usize::try_from(first).ok()?;
        let lowest = self.hashes.get(first..first.checked_add(1 << height)?)?;
        let mut level: Vec<_> = lowest.iter().copied().map(Hash).collect();
        for _ in 0..height {
            let (pairs, _) = level.as_chunks();
            level = pairs
                .iter()
                .map(|[left, right]| Hash::of_children(left, right))
                .collect();
        }
        level.first().copied()
    }
}

#[cfg(test)]
mod tests;
