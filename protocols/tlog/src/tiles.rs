//! Nodes read out of the tiles of a tree, whatever they are kept in.
//!
//! What a tile says is believed: a proof made from it is verified against a checkpoint by who uses it.

use crate::frontier::Frontier;
use crate::hash::Hash;
use crate::node::{Node, SourceFault};
use crate::tile::{Tile, TileFault};

/// Tiles kept of those that were read; a proof needs two of each level.
const KEPT: usize = 32;

/// A tree of a size whose tiles `fetch` gets, each as its octets. The last tiles are remembered, so that one
/// value serves all nodes of a proof.
#[derive(Debug)]
pub struct Tiles<F> {
    size: u64,
    fetch: F,
    kept: Vec<(Tile, Vec<u8>)>,
}

/// Why a node could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TilesFault<E> {
    /// The tree does not have the node.
    #[error("the tree has no such node")]
    OutOfTree,
    /// The tile is not what it should be.
    #[error("a tile of the tree is broken")]
    Tile(#[source] TileFault),
    /// The tile could not be got.
    #[error("a tile of the tree could not be read")]
    Fetch(#[source] E),
}

impl<E, F: FnMut(Tile) -> Result<Vec<u8>, E>> Tiles<F> {
    /// The tree of `size` leaves.
    pub fn new(size: u64, fetch: F) -> Self {
        Self {
            size,
            fetch,
            kept: Vec::new(),
        }
    }

    /// The hash of a node: what proofs and [`Frontier::read`] ask for.
    pub fn node(&mut self, node: Node) -> Result<Hash, TilesFault<E>> {
        let tile = Tile::containing(node, self.size).ok_or(TilesFault::OutOfTree)?;
        hash_in(tile, self.octets(tile)?, node)
    }

    /// The octets of a tile of the tree.
    pub(crate) fn octets(&mut self, tile: Tile) -> Result<&[u8], TilesFault<E>> {
        let known = self.kept.iter().position(|(kept, _)| *kept == tile);
        let place = if let Some(place) = known {
            place
        } else {
            let octets = (self.fetch)(tile).map_err(TilesFault::Fetch)?;
            tile.read(&octets).map_err(TilesFault::Tile)?;
            if self.kept.len() >= KEPT {
                self.kept.remove(0);
            }
            self.kept.push((tile, octets));
            self.kept.len() - 1
        };
        let kept = self.kept.get(place);
        kept.map(|(_, octets)| octets.as_slice())
            .ok_or(TilesFault::OutOfTree)
    }

    /// The frontier of the tree, and with it its root.
    pub fn frontier(&mut self) -> Result<Frontier, SourceFault<TilesFault<E>>> {
        Frontier::read(self.size, |node| self.node(node))
    }
}

fn hash_in<E>(tile: Tile, octets: &[u8], node: Node) -> Result<Hash, TilesFault<E>> {
    let hashes = tile.read(octets).map_err(TilesFault::Tile)?;
    hashes.node(node).ok_or(TilesFault::OutOfTree)
}
