//! Proofs that a leaf is in a tree and that a tree continues another, made from nodes and verified (RFC 9162
//! §2.1.3, §2.1.4).
//!
//! A size is not part of a root: size and root are believed together, from a signed checkpoint, and so they
//! are one argument here. Making a proof needs any source of hashes of nodes; [`crate::Tiles`] is one.

use crate::hash::Hash;
use crate::head::{MAX_TREE_SIZE, TreeHead};
use crate::node::{Node, Range, SourceFault};

/// Most hashes of a proof about trees of at most [`MAX_TREE_SIZE`] leaves.
pub const MAX_PROOF_LEN: usize = 63;

/// The proof does not show what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not verify")]
pub struct BadProof;

/// Makes the proof that the leaf of this index, counted from 0, is in the tree of `size` leaves: PATH of RFC
/// 9162 §2.1.3.1, from the lowest level to the highest.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    source: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, SourceFault<E>> {
    if index >= size || size > MAX_TREE_SIZE {
        return Err(SourceFault::OutOfTree);
    }
    let mut siblings = Vec::new();
    let mut tree = Range { start: 0, end: size };
    while let Some((left, right)) = tree.split() {
        let sibling;
        (tree, sibling) = if index < left.end {
            (left, right)
        } else {
            (right, left)
        };
        siblings.push(sibling);
    }
    hashes(&siblings, source)
}

/// Makes the proof that the tree of `new` leaves begins with the tree of `old` leaves: PROOF of RFC 9162
/// §2.1.4.1. It is empty when the sizes are equal, and when the old tree has no leaves: every tree continues
/// that one.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    source: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, SourceFault<E>> {
    if old > new || new > MAX_TREE_SIZE {
        return Err(SourceFault::OutOfTree);
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    let mut tree = Range { start: 0, end: new };
    // `tree` is the subtree of the new tree in which the old one ends; at last both end together.
    while tree.end != old
        && let Some((left, right)) = tree.split()
    {
        let part;
        (tree, part) = if old <= left.end {
            (left, right)
        } else {
            (right, left)
        };
        parts.push(part);
    }
    // What begins at 0 is the whole old tree, which the verifier knows.
    if tree.start != 0 {
        parts.push(tree);
    }
    hashes(&parts, source)
}

/// Verifies that the leaf with this hash is the one of this index, counted from 0, in the tree of this head
/// (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(tree: &TreeHead, index: u64, leaf: Hash, proof: &[Hash]) -> Result<(), BadProof> {
    let last = tree.size().checked_sub(1).ok_or(BadProof)?;
    if index > last {
        return Err(BadProof);
    }
    let mut walk = Walk { node: index, last };
    let mut hash = leaf;
    for sibling in proof {
        hash = match walk.up()? {
            Side::Left => Hash::of_children(sibling, &hash),
            Side::Right => Hash::of_children(&hash, sibling),
        };
    }
    // The proof has brought us to the top, not less far, and to the root.
    if walk.last == 0 && hash == tree.root() {
        Ok(())
    } else {
        Err(BadProof)
    }
}

/// Verifies that the new tree begins with the old one (RFC 9162 §2.1.4.2).
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, proof: &[Hash]) -> Result<(), BadProof> {
    let is_trivial = match old.size() {
        0 => true,
        size if size == new.size() => old.root() == new.root(),
        _ => false,
    };
    if is_trivial {
        return if proof.is_empty() { Ok(()) } else { Err(BadProof) };
    }
    if old.size() >= new.size() {
        return Err(BadProof);
    }
    let mut walk = Walk {
        node: old.size() - 1,
        last: new.size() - 1,
    };
    walk.skip_right_children();
    // An old tree that is one complete subtree stands in the new one as it is, and is not sent.
    let (first, rest) = if old.size().is_power_of_two() {
        (old.root(), proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(BadProof)?;
        (*first, rest)
    };
    let (mut old_hash, mut new_hash) = (first, first);
    for part in rest {
        match walk.up()? {
            Side::Left => {
                old_hash = Hash::of_children(part, &old_hash);
                new_hash = Hash::of_children(part, &new_hash);
            }
            Side::Right => new_hash = Hash::of_children(&new_hash, part),
        }
    }
    if walk.last == 0 && old_hash == old.root() && new_hash == new.root() {
        Ok(())
    } else {
        Err(BadProof)
    }
}

/// On which side of the way up the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

/// The way from a node to the root: `fn` and `sn` of RFC 9162, the index of the node and of the last one of
/// its level.
struct Walk {
    node: u64,
    last: u64,
}

impl Walk {
    /// One hash of the proof further up. Fails at the top.
    fn up(&mut self) -> Result<Side, BadProof> {
        if self.last == 0 {
            return Err(BadProof);
        }
        let side = if self.node & 1 == 1 {
            Side::Left
        } else if self.node == self.last {
            // The last node of a level without a right sibling rises until it is a right child.
            let levels = self.node.trailing_zeros();
            self.shift(levels);
            Side::Left
        } else {
            Side::Right
        };
        self.shift(1);
        Ok(side)
    }

    fn skip_right_children(&mut self) {
        let levels = self.node.trailing_ones();
        self.shift(levels);
    }

    fn shift(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or_default();
        self.last = self.last.checked_shr(levels).unwrap_or_default();
    }
}

/// Of the lowest first.
fn hashes<E>(
    ranges: &[Range],
    mut source: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, SourceFault<E>> {
    let hashes = ranges.iter().rev().map(|range| range.hash(&mut source));
    hashes.collect::<Result<_, _>>().map_err(SourceFault::Source)
}

#[cfg(test)]
mod tests;
