//! Transparency logs: the Merkle tree of RFC 6962 and RFC 9162, and the tiles of C2SP.
//!
//! Octets and values in, octets and values out: no clock, randomness, socket, file or signer lives here. Who
//! writes a log uses [`Frontier`] and [`Tile::grown`], and makes proofs with [`inclusion_proof`] and
//! [`consistency_proof`] over [`Tiles`]; who audits it has [`verify_inclusion`] and [`verify_consistency`].

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test fails by panicking"
    )
)]

mod bundle;
mod frontier;
mod hash;
mod head;
mod node;
mod proof;
mod tile;
mod tile_path;
mod tiles;
#[cfg(test)]
mod vectors;

pub use bundle::{Bundle, BundleFault, EntryTooLong, MAX_BUNDLE_LEN, MAX_ENTRY_LEN, write_entry};
pub use frontier::Frontier;
pub use hash::{HASH_LEN, Hash, NoHash};
pub use head::{HeadFault, MAX_TREE_SIZE, TreeHead};
pub use node::{Node, SourceFault};
pub use proof::{
    BadProof, MAX_PROOF_LEN, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};
pub use tile::{TILE_WIDTH, Tile, TileFault, TileHashes};
pub use tile_path::{PathFault, TilePath};
pub use tiles::{Tiles, TilesFault};
