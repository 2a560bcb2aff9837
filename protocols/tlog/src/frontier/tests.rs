use proptest::prelude::*;

use super::*;
use crate::vectors::{self, Tree};

/// The definition of RFC 9162 §2.1.1, as it stands there.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_nothing(),
        [leaf] => *leaf,
        _ => {
            let half = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(half);
            Hash::of_children(&tree_hash(left), &tree_hash(right))
        }
    }
}

#[test]
fn gives_the_roots_of_rfc_6962() {
    let vectors = vectors::rfc6962();
    let tree = Tree::of(vectors["leaves"].as_array().unwrap().iter().map(vectors::octets));
    let roots = vectors["roots"].as_array().unwrap();
    assert_eq!(tree.heads.len(), roots.len());
    for (size, root) in (0..).zip(roots) {
        assert_eq!(tree.head(size).root(), vectors::hash(root), "{size}");
        assert_eq!(tree.head(size).size(), size);
    }
}

/// The values that implementations of Certificate Transparency have in common, against a mistake in the
/// vectors themselves.
#[test]
fn gives_the_roots_everybody_knows() {
    let roots = vectors::rfc6962()["roots"].clone();
    let known = [
        (
            0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            2,
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        ),
        (
            3,
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ),
        (
            7,
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        ),
        (
            8,
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];
    for (size, root) in known {
        assert_eq!(roots[size], root);
    }
}

#[test]
fn gives_the_roots_of_a_large_tree() {
    let vectors = vectors::tiles();
    let tree = Tree::of_size(vectors["size"].as_u64().unwrap());
    for (size, root) in vectors["roots"].as_object().unwrap() {
        assert_eq!(
            tree.head(size.parse().unwrap()).root(),
            vectors::hash(root),
            "{size}"
        );
    }
    assert_eq!(tree.frontier.root(), vectors::hash(&vectors["root"]));
}

#[test]
fn tells_every_node_once_from_the_lowest_level_up() {
    let mut frontier = Frontier::new();
    let mut told = Vec::new();
    for _ in 0..4 {
        let leaf = Hash::of_leaf(b"");
        frontier
            .push(leaf, |node, _| told.push((node.level(), node.index())))
            .unwrap();
    }
    assert_eq!(told, [(0, 0), (0, 1), (1, 0), (0, 2), (0, 3), (1, 1), (2, 0)]);
}

/// All nodes the same: enough to reach sizes that nobody could fill.
#[test]
fn is_full_at_the_largest_tree() {
    let same = |_| Ok::<_, ()>(Hash::of_nothing());
    let mut frontier = Frontier::read(MAX_TREE_SIZE - 1, same).unwrap();
    let mut highest = 0;
    frontier
        .push(Hash::of_nothing(), |node, _| highest = node.level())
        .unwrap();
    assert_eq!((highest, frontier.size()), (62, MAX_TREE_SIZE));
    let full = frontier.clone();
    assert_eq!(
        frontier.push(Hash::of_nothing(), |_, _| panic!("nothing is complete")),
        Err(HeadFault::TooLarge)
    );
    assert_eq!(frontier, full);
    assert_eq!(
        Frontier::read(MAX_TREE_SIZE + 1, same),
        Err(SourceFault::OutOfTree)
    );
    assert_eq!(
        Frontier::read(3, |node: Node| if node.level() == 0 {
            Err("lost")
        } else {
            Ok(Hash::of_nothing())
        }),
        Err(SourceFault::Source("lost"))
    );
}

proptest! {
    #[test]
    fn appending_is_hashing_anew(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..300)) {
        let leaves: Vec<_> = entries.iter().map(|entry| Hash::of_leaf(entry)).collect();
        let tree = Tree::of(&entries);
        prop_assert_eq!(tree.frontier.root(), tree_hash(&leaves));
        for (node, hash) in &tree.nodes {
            let first = usize::try_from(node.index() << node.level()).unwrap();
            prop_assert_eq!(*hash, tree_hash(&leaves[first..first + (1 << node.level())]));
        }
    }

    #[test]
    fn goes_on_from_stored_nodes(before in 0_u64..600, after in 0_u64..40) {
        let tree = Tree::of_size(before + after);
        let mut frontier = Frontier::read(before, |node| tree.node(node)).unwrap();
        prop_assert_eq!(frontier.head(), tree.head(before));
        for index in before..before + after {
            let leaf = Hash::of_leaf(index.to_string().as_bytes());
            frontier.push(leaf, |node, hash| assert_eq!(tree.node(node), Ok(hash))).unwrap();
        }
        prop_assert_eq!(frontier, tree.frontier);
    }
}
