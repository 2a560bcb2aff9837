//! Entry bundles: the entries of a log, 256 to a file, each with its length before it (c2sp.org/tlog-tiles).
//!
//! To the log the octets of an entry mean nothing. Whether they are those of the tree is for
//! [`crate::Hash::of_leaf`] to say.

use crate::node::Node;
use crate::tile::{TILE_WIDTH, Tile, TileFault};

/// Longest entry, in octets: its length is an uint16.
pub const MAX_ENTRY_LEN: usize = 0xffff;
/// Longest bundle, in octets.
pub const MAX_BUNDLE_LEN: usize = 256 * (2 + MAX_ENTRY_LEN);

/// An entry longer than [`MAX_ENTRY_LEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry is longer than {MAX_ENTRY_LEN} octets")]
pub struct EntryTooLong;

/// The octets are not as many whole entries as the bundle has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bundle does not have the entries of its width")]
pub struct BundleFault;

/// The place of a bundle and how many entries it has: those of the leaves that the tile of level 0 has at the
/// same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bundle(Tile);

impl Bundle {
    /// The bundle of `width` entries, 1 to 256, that begins with entry `256 * index`.
    pub fn new(index: u64, width: u16) -> Result<Self, TileFault> {
        Tile::new(0, index, width).map(Self)
    }

    /// The bundle in which a tree of `size` leaves has this entry, counted from 0.
    pub fn containing(entry: u64, size: u64) -> Option<Self> {
        Tile::containing(Node::new(0, entry).ok()?, size).map(Self)
    }

    /// The bundles that a tree of `new` leaves has and a tree of `old` leaves does not, from left to right.
    pub fn grown(old: u64, new: u64) -> impl Iterator<Item = Self> {
        Tile::grown_at(0, old, new).map(Self)
    }

    /// The tile that has the hashes of its entries.
    pub fn tile(self) -> Tile {
        self.0
    }

    /// Index of its first entry.
    pub fn first(self) -> u64 {
        self.0.index() * u64::from(TILE_WIDTH)
    }

    /// Takes its octets apart into its entries.
    pub fn read(self, octets: &[u8]) -> Result<Vec<&[u8]>, BundleFault> {
        let mut entries = Vec::with_capacity(self.0.width().into());
        let mut rest = octets;
        for _ in 0..self.0.width() {
            let (length, behind) = rest.split_first_chunk().ok_or(BundleFault)?;
            let length = u16::from_be_bytes(*length).into();
            let (entry, behind) = behind.split_at_checked(length).ok_or(BundleFault)?;
            entries.push(entry);
            rest = behind;
        }
        if rest.is_empty() {
            Ok(entries)
        } else {
            Err(BundleFault)
        }
    }
}

/// Writes an entry behind the others of its bundle.
pub fn write_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong)?;
    bundle.extend(length.to_be_bytes());
    bundle.extend(entry);
    Ok(())
}

#[cfg(test)]
mod tests;
