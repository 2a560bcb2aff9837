use proptest::prelude::*;

use super::*;
use crate::vectors::{self, Tree};

fn number(value: &serde_json::Value) -> u64 {
    value.as_u64().unwrap()
}

fn check_inclusion(tree: &Tree, cases: &serde_json::Value, entries: impl Fn(u64) -> Hash) {
    for case in cases.as_array().unwrap() {
        let (index, size) = (number(&case["index"]), number(&case["size"]));
        let proof = inclusion_proof(index, size, |node| tree.node(node)).unwrap();
        assert_eq!(proof, vectors::proof(case), "{index} in {size}");
        let head = tree.head(size);
        assert_eq!(verify_inclusion(&head, index, entries(index), &proof), Ok(()));
    }
}

fn check_consistency(tree: &Tree, cases: &serde_json::Value) {
    for case in cases.as_array().unwrap() {
        let (old, new) = (number(&case["old"]), number(&case["new"]));
        let proof = consistency_proof(old, new, |node| tree.node(node)).unwrap();
        assert_eq!(proof, vectors::proof(case), "{old} to {new}");
        assert_eq!(
            verify_consistency(&tree.head(old), &tree.head(new), &proof),
            Ok(())
        );
    }
}

#[test]
fn makes_the_proofs_of_rfc_6962() {
    let vectors = vectors::rfc6962();
    let entries: Vec<_> = vectors["leaves"]
        .as_array()
        .unwrap()
        .iter()
        .map(vectors::octets)
        .collect();
    let tree = Tree::of(&entries);
    let leaf = |index: u64| Hash::of_leaf(&entries[usize::try_from(index).unwrap()]);
    check_inclusion(&tree, &vectors["inclusion"], leaf);
    check_consistency(&tree, &vectors["consistency"]);
}

#[test]
fn makes_the_proofs_of_a_large_tree() {
    let vectors = vectors::tiles();
    let tree = Tree::of_size(number(&vectors["size"]));
    check_inclusion(&tree, &vectors["inclusion"], |index| {
        Hash::of_leaf(index.to_string().as_bytes())
    });
    check_consistency(&tree, &vectors["consistency"]);
}

#[test]
fn makes_no_proof_of_what_is_not_there() {
    let none = |_| -> Result<Hash, ()> { panic!("nothing is read") };
    assert_eq!(inclusion_proof(0, 0, none), Err(SourceFault::OutOfTree));
    assert_eq!(inclusion_proof(7, 7, none), Err(SourceFault::OutOfTree));
    assert_eq!(
        inclusion_proof(7, MAX_TREE_SIZE + 1, none),
        Err(SourceFault::OutOfTree)
    );
    assert_eq!(consistency_proof(8, 7, none), Err(SourceFault::OutOfTree));
    assert_eq!(
        consistency_proof(8, MAX_TREE_SIZE + 1, none),
        Err(SourceFault::OutOfTree)
    );
    assert_eq!(consistency_proof(0, 7, none), Ok(vec![]));
    assert_eq!(consistency_proof(7, 7, none), Ok(vec![]));
    assert_eq!(
        inclusion_proof(0, 2, Err::<Hash, _>),
        Err(SourceFault::Source(Node::new(0, 1).unwrap()))
    );
}

#[test]
fn proofs_have_at_most_63_hashes() {
    let same = |_| Ok::<_, ()>(Hash::of_nothing());
    let sizes = [1, 2, 3, MAX_TREE_SIZE / 2 + 1, MAX_TREE_SIZE - 1, MAX_TREE_SIZE];
    let mut longest = 0;
    for size in sizes {
        for other in [1, 2, 3, size / 2, size / 2 + 1, size - 1] {
            if other > 0 && other < size {
                longest = longest.max(inclusion_proof(other, size, same).unwrap().len());
                longest = longest.max(consistency_proof(other, size, same).unwrap().len());
            }
        }
    }
    assert_eq!(longest, MAX_PROOF_LEN);
}

#[test]
fn trivial_proofs_are_empty_and_strict() {
    let tree = Tree::of_size(5);
    let other = TreeHead::new(5, Hash::of_nothing()).unwrap();
    let (empty, head) = (TreeHead::empty(), tree.head(5));
    let extra = [Hash::of_nothing()];
    for (old, new) in [(&empty, &head), (&empty, &empty), (&head, &head)] {
        assert_eq!(verify_consistency(old, new, &[]), Ok(()));
        assert_eq!(verify_consistency(old, new, &extra), Err(BadProof));
    }
    assert_eq!(verify_consistency(&head, &other, &[]), Err(BadProof));
    assert_eq!(verify_consistency(&head, &empty, &[]), Err(BadProof));
    assert_eq!(verify_consistency(&tree.head(4), &head, &[]), Err(BadProof));
    assert_eq!(
        verify_inclusion(&empty, 0, Hash::of_nothing(), &[]),
        Err(BadProof)
    );
    assert_eq!(
        verify_inclusion(&tree.head(1), 0, Hash::of_leaf(b"0"), &[]),
        Ok(())
    );
    assert_eq!(
        verify_inclusion(&tree.head(1), 1, Hash::of_leaf(b"0"), &[]),
        Err(BadProof)
    );
}

/// On which side the hashes of an inclusion proof stand, by the definition of PATH in RFC 9162 §2.1.3.1.
fn sides(index: u64, size: u64) -> String {
    if size <= 1 {
        return String::new();
    }
    let half = size.next_power_of_two() / 2;
    if index < half {
        sides(index, half) + "right "
    } else {
        sides(index - half, size - half) + "left "
    }
}

/// A size is not part of a root. A head that lies about it is believed as far as the way up is the same, and
/// no further.
#[test]
fn inclusion_is_of_one_way_up() {
    let tree = Tree::of_size(21);
    for (size, index) in (1..=21).flat_map(|size| (0..size).map(move |index| (size, index))) {
        let proof = inclusion_proof(index, size, |node| tree.node(node)).unwrap();
        let (leaf, root) = (
            Hash::of_leaf(index.to_string().as_bytes()),
            tree.head(size).root(),
        );
        for (claimed, other) in (1..70).flat_map(|size| (0..size).map(move |index| (size, index))) {
            let head = TreeHead::new(claimed, root).unwrap();
            let is_same = sides(index, size) == sides(other, claimed);
            let verdict = verify_inclusion(&head, other, leaf, &proof);
            assert_eq!(
                verdict.is_ok(),
                is_same,
                "{index} in {size}, {other} in {claimed}"
            );
        }
    }
}

#[test]
fn consistency_goes_up_to_the_top() {
    let tree = Tree::of_size(5);
    let as_size = |size| TreeHead::new(size, tree.head(3).root()).unwrap();
    let proof = consistency_proof(2, 3, |node| tree.node(node)).unwrap();
    // The tree of four has the same way up, those of five to eight one level more.
    for size in [3, 4] {
        assert_eq!(verify_consistency(&tree.head(2), &as_size(size), &proof), Ok(()));
    }
    for size in [5, 6, 7, 8, 9] {
        assert_eq!(
            verify_consistency(&tree.head(2), &as_size(size), &proof),
            Err(BadProof)
        );
    }
}

/// Every proof that differs from this one in a bit, or in its length.
fn spoilt(proof: &[Hash], bit: usize) -> Vec<Vec<Hash>> {
    let mut others: Vec<Vec<Hash>> = (0..proof.len())
        .map(|place| {
            let mut other = proof.to_vec();
            other[place].0[bit / 8] ^= 1 << (bit % 8);
            other
        })
        .collect();
    for place in 0..=proof.len() {
        let mut longer = proof.to_vec();
        longer.insert(place, Hash::of_nothing());
        others.push(longer);
    }
    for place in 0..proof.len() {
        let mut shorter = proof.to_vec();
        shorter.remove(place);
        others.push(shorter);
    }
    others
}

/// Index, or smaller size, and size of a tree.
fn places() -> impl Strategy<Value = (u64, u64)> {
    (1_u64..700).prop_flat_map(|size| (0..size, Just(size)))
}

proptest! {
    #[test]
    fn inclusion_is_shown_of_this_leaf_alone((index, size) in places(), bit in 0_usize..256, beyond in 0_u64..5) {
        let tree = Tree::of_size(size + beyond);
        let leaf = Hash::of_leaf(index.to_string().as_bytes());
        let head = tree.head(size);
        let proof = inclusion_proof(index, size, |node| tree.node(node)).unwrap();
        prop_assert!(proof.len() <= MAX_PROOF_LEN);
        prop_assert_eq!(verify_inclusion(&head, index, leaf, &proof), Ok(()));
        for other in spoilt(&proof, bit) {
            prop_assert_eq!(verify_inclusion(&head, index, leaf, &other), Err(BadProof));
        }
        for other in (0..size + 2).filter(|other| *other != index).chain([u64::MAX]) {
            prop_assert_eq!(verify_inclusion(&head, other, leaf, &proof), Err(BadProof));
        }
        for other in tree.heads.iter().filter(|other| **other != head) {
            prop_assert_eq!(verify_inclusion(other, index, leaf, &proof), Err(BadProof));
        }
        let mut wrong = leaf;
        wrong.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(verify_inclusion(&head, index, wrong, &proof), Err(BadProof));
    }

    #[test]
    fn consistency_is_shown_of_these_trees_alone((old, new) in places(), bit in 0_usize..256) {
        let tree = Tree::of_size(new);
        let proof = consistency_proof(old, new, |node| tree.node(node)).unwrap();
        prop_assert!(proof.len() <= MAX_PROOF_LEN);
        let (from, to) = (tree.head(old), tree.head(new));
        prop_assert_eq!(verify_consistency(&from, &to, &proof), Ok(()));
        for other in spoilt(&proof, bit) {
            prop_assert_eq!(verify_consistency(&from, &to, &other), Err(BadProof));
        }
        if old == 0 {
            return Ok(());
        }
        for other in tree.heads.iter().filter(|other| **other != from && other.size() > 0) {
            prop_assert_eq!(verify_consistency(other, &to, &proof), Err(BadProof));
        }
        for other in tree.heads.iter().filter(|other| **other != to) {
            prop_assert_eq!(verify_consistency(&from, other, &proof), Err(BadProof));
        }
        for head in [from, to] {
            let mut wrong = head;
            wrong.root.0[bit / 8] ^= 1 << (bit % 8);
            let (from, to) = if head == from { (wrong, to) } else { (from, wrong) };
            prop_assert_eq!(verify_consistency(&from, &to, &proof), Err(BadProof));
        }
    }

    #[test]
    fn never_panics(sizes in any::<(u64, u64, u64)>(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let (old, new, index) = sizes;
        let proof: Vec<_> = proof.into_iter().map(Hash).collect();
        let head = |size: u64| TreeHead::new((size >> 1).clamp(1, MAX_TREE_SIZE), Hash::of_nothing()).unwrap();
        prop_assert!(verify_inclusion(&head(new), index, Hash::of_nothing(), &proof).is_err());
        let _ = verify_consistency(&head(old), &head(new), &proof);
    }
}
