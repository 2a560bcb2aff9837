//! What the tests share: the vectors of `testdata/`, and a tree that keeps all its nodes.

use std::collections::HashMap;

use serde_json::Value;

use crate::{Frontier, Hash, Node, TreeHead};

/// The trees of up to eight leaves that Certificate Transparency tests with.
pub(crate) fn rfc6962() -> Value {
    serde_json::from_str(include_str!("../testdata/rfc6962.json")).unwrap()
}

/// The tree of 70,000 entries and its tiles.
pub(crate) fn tiles() -> Value {
    serde_json::from_str(include_str!("../testdata/tiles.json")).unwrap()
}

pub(crate) fn octets(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes();
    let octet = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

pub(crate) fn hash(hex: &Value) -> Hash {
    Hash(octets(hex).try_into().unwrap())
}

pub(crate) fn proof(case: &Value) -> Vec<Hash> {
    case["proof"].as_array().unwrap().iter().map(hash).collect()
}

/// A tree with all its nodes, and the heads it had.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) frontier: Frontier,
    pub(crate) nodes: HashMap<Node, Hash>,
    pub(crate) heads: Vec<TreeHead>,
}

impl Tree {
    pub(crate) fn of<T: AsRef<[u8]>>(entries: impl IntoIterator<Item = T>) -> Self {
        let mut tree = Self::default();
        tree.heads.push(TreeHead::empty());
        for entry in entries {
            let completed = |node, hash| assert!(tree.nodes.insert(node, hash).is_none());
            let leaf = Hash::of_leaf(entry.as_ref());
            tree.frontier.push(leaf, completed).unwrap();
            tree.heads.push(tree.frontier.head());
        }
        tree
    }

    /// The tree whose entries are their indexes in decimal.
    pub(crate) fn of_size(size: u64) -> Self {
        Self::of((0..size).map(|index| index.to_string()))
    }

    pub(crate) fn node(&self, node: Node) -> Result<Hash, Node> {
        self.nodes.get(&node).copied().ok_or(node)
    }

    pub(crate) fn head(&self, size: u64) -> TreeHead {
        self.heads[usize::try_from(size).unwrap()]
    }
}
