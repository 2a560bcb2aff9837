//! Transparency logs: the Merkle tree of RFC 6962 and RFC 9162, the tiles, checkpoints and signed notes of
//! C2SP.
//!
//! Octets and values in, octets and values out: no clock, randomness, socket, file or signer lives here. Who
//! writes a log uses [`Growth`], makes proofs with [`inclusion_proof`] and
//! [`consistency_proof`] over [`Tiles`], and signs a [`Checkpoint`] by way of [`NoteKey::message`] and
//! [`NoteKey::signature`]. Who audits it reads [`Note::parse`], [`Note::verify`], [`Checkpoint::parse`],
//! [`verify_inclusion`] and [`verify_consistency`]. A witness decides by [`witnessed`] and [`continued`].
//!
//! The formats are c2sp.org/tlog-tiles, c2sp.org/tlog-checkpoint@v1.0.0, c2sp.org/signed-note@v1.0.0,
//! c2sp.org/tlog-cosignature, c2sp.org/tlog-witness and c2sp.org/tlog-proof. Left out on purpose: pruning, and the ML-DSA-44 cosignatures of subtrees.

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
mod checkpoint;
mod frontier;
mod growth;
mod hash;
mod head;
mod key_name;
mod node;
mod note;
mod note_key;
mod note_signature;
mod proof;
mod proof_text;
mod signature_kind;
mod tile;
mod tile_path;
mod tiles;
#[cfg(test)]
mod vectors;
mod witness;

pub use bundle::{Bundle, BundleFault, EntryTooLong, MAX_BUNDLE_LEN, MAX_ENTRY_LEN, write_entry};
pub use checkpoint::{Checkpoint, CheckpointFault};
pub use frontier::Frontier;
pub use growth::Growth;
pub use hash::{HASH_LEN, Hash, NoHash};
pub use head::{HeadFault, MAX_TREE_SIZE, TreeHead};
pub use key_name::{KeyName, KeyNameFault};
pub use node::{Node, SourceFault};
pub use note::{MAX_NOTE_LEN, MAX_SIGNATURES, Note, NoteFault, Signer, Verified, VerifyFault};
pub use note_key::{NoteKey, NoteKeyFault, SignatureFault};
pub use note_signature::NoteSignature;
pub use proof::{
    BadProof, MAX_PROOF_LEN, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};
pub use proof_text::{ConsistencyText, InclusionText, MAX_PROOF_TEXT_LEN, ProofTextFault};
pub use signature_kind::{KeyId, SignatureKind};
pub use tile::{TILE_WIDTH, Tile, TileFault, TileHashes};
pub use tile_path::{PathFault, TilePath};
pub use tiles::{Tiles, TilesFault};
pub use witness::{
    NotCosigned, TLOG_SIZE, WitnessRefusal, continued, cosignature, read_size, unverified_origin, witnessed,
};
