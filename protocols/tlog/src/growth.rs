//! A log that grows: leaves in, the tiles that change with them out.
//!
//! It is continued from the tiles on the right edge alone, so what it costs to append depends on what is appended and hardly on
//! what there is. A verifier that builds the whole tree begins with an empty one.

use std::collections::{BTreeMap, BTreeSet};

use crate::frontier::Frontier;
use crate::hash::Hash;
use crate::head::{HeadFault, TreeHead};
use crate::node::SourceFault;
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile};
use crate::tiles::{Tiles, TilesFault};

/// Level and index of a tile.
type Place = (u8, u64);

/// A tree at its right end, with the octets of the tiles that are not full yet.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    frontier: Frontier,
    open: BTreeMap<Place, Vec<u8>>,
    grown: BTreeSet<Place>,
}

impl Growth {
    /// Of a tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues a tree of `size` leaves whose tiles `fetch` gets. What a tile says is believed: who continues a log compares
    /// [`Growth::head`] with the one that was signed.
    pub fn resume<E, F>(size: u64, fetch: F) -> Result<Self, SourceFault<TilesFault<E>>>
    where
        F: FnMut(Tile) -> Result<Vec<u8>, E>,
    {
        let mut tiles = Tiles::new(size, fetch);
        let frontier = tiles.frontier()?;
        let mut open = BTreeMap::new();
        for tile in Tile::open(size) {
            let octets = tiles.octets(tile).map_err(SourceFault::Source)?;
            open.insert((tile.level(), tile.index()), octets.to_vec());
        }
        Ok(Self {
            frontier,
            open,
            grown: BTreeSet::new(),
        })
    }

    /// Appends a leaf by its hash. Fails when the tree is as large as a tree can be, with nothing changed.
    pub fn push(&mut self, leaf: Hash) -> Result<(), HeadFault> {
        let (open, grown) = (&mut self.open, &mut self.grown);
        self.frontier.push(leaf, |node, hash| {
            if node.level() % TILE_HEIGHT == 0 {
                let place = (node.level() / TILE_HEIGHT, node.index() / u64::from(TILE_WIDTH));
                open.entry(place).or_default().extend(hash.as_bytes());
                grown.insert(place);
            }
        })
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// The tiles that have grown since this was asked last, the lowest level first, in each from left to right.
    pub fn take_tiles(&mut self) -> Vec<(Tile, Vec<u8>)> {
        let size = self.frontier.size();
        let mut tiles = Vec::with_capacity(self.grown.len());
        for place in std::mem::take(&mut self.grown) {
            let Some(octets) = self.open.get(&place) else {
                continue;
            };
            let (level, index) = place;
            let Some(tile) = Tile::of_tree(level, index, size) else {
                continue;
            };
            tiles.push((tile, octets.clone()));
            if tile.is_full() {
                self.open.remove(&place);
            }
        }
        tiles
    }
}

#[cfg(test)]
mod tests;
