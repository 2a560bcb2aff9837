use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::vectors::{self, Tree};
use crate::{Bundle, TilePath, Tiles};

/// The octets of a tile out of a tree that has all nodes.
fn octets(tree: &Tree, tile: Tile) -> Vec<u8> {
    let first = tile.index() * u64::from(TILE_WIDTH);
    (first..first + u64::from(tile.width()))
        .flat_map(|index| tree.node(Node::new(tile.level() * 8, index).unwrap()).unwrap().0)
        .collect()
}

fn path(tile: Tile) -> String {
    TilePath::Hashes(tile).to_string()
}

#[test]
fn a_large_tree_has_the_tiles_of_the_specification() {
    let vectors = vectors::tiles();
    let tree = Tree::of_size(vectors["size"].as_u64().unwrap());
    let digest = |octets: &[u8]| Hash(*digest_of(octets).first_chunk().unwrap()).to_string();
    let tiles: BTreeMap<_, _> = Tile::grown(0, tree.frontier.size())
        .map(|tile| (path(tile), digest(&octets(&tree, tile))))
        .collect();
    let expected = vectors["tiles"].as_object().unwrap();
    assert_eq!(tiles.len(), 277);
    assert_eq!(tiles.len(), expected.len());
    for (path, digest) in expected {
        assert_eq!(tiles.get(path).map(String::as_str), digest.as_str(), "{path}");
    }
    let bundles: BTreeMap<_, _> = Bundle::grown(0, tree.frontier.size())
        .map(|bundle| {
            let mut octets = Vec::new();
            for entry in bundle.first()..bundle.first() + u64::from(bundle.tile().width()) {
                crate::write_entry(&mut octets, entry.to_string().as_bytes()).unwrap();
            }
            (TilePath::Entries(bundle).to_string(), digest(&octets))
        })
        .collect();
    let expected = vectors["bundles"].as_object().unwrap();
    assert_eq!(bundles.len(), expected.len());
    for (path, digest) in expected {
        assert_eq!(bundles.get(path).map(String::as_str), digest.as_str(), "{path}");
    }
}

fn digest_of(octets: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets)
        .as_ref()
        .to_vec()
}

#[test]
fn growing_makes_the_tiles_that_were_not_there() {
    for case in vectors::tiles()["grown"].as_array().unwrap() {
        let (old, new) = (case["old"].as_u64().unwrap(), case["new"].as_u64().unwrap());
        let tiles: Vec<_> = Tile::grown(old, new).map(path).collect();
        assert_eq!(serde_json::json!(tiles), case["tiles"], "{old} to {new}");
        let bundles: Vec<_> = Bundle::grown(old, new)
            .map(|bundle| TilePath::Entries(bundle).to_string())
            .collect();
        assert_eq!(serde_json::json!(bundles), case["bundles"], "{old} to {new}");
    }
    assert_eq!(Tile::grown(7, 6).count(), 0);
    assert_eq!(Tile::grown(700, 6).count(), 0);
    assert_eq!(Tile::grown(u64::MAX - 1, u64::MAX).count(), 0);
    let last = Tile::grown(MAX_TREE_SIZE - 1, MAX_TREE_SIZE).last().unwrap();
    assert_eq!((last.level(), last.index(), last.width()), (7, 0, 64));
}

#[test]
fn no_tile_lies_beyond_the_largest_tree() {
    assert_eq!(Tile::new(7, 0, 64).unwrap().byte_len(), 2048);
    let beyond = [
        (7, 0, 65),
        (7, 1, 1),
        (8, 0, 1),
        (32, 0, 1),
        (255, 0, 1),
        (0, MAX_TREE_SIZE / 256, 1),
        (0, u64::MAX, 256),
        (0, 0, 0),
        (0, 0, 257),
    ];
    for (level, index, width) in beyond {
        assert_eq!(Tile::new(level, index, width), Err(TileFault::OutOfTree));
    }
    assert!(Tile::new(0, MAX_TREE_SIZE / 256 - 1, 256).unwrap().is_full());
}

#[test]
fn reads_tiles_of_their_length_alone() {
    let tile = Tile::new(0, 3, 2).unwrap();
    for length in [0, 32, 63, 65, 96, 8192] {
        assert_eq!(tile.read(&vec![0; length]).unwrap_err(), TileFault::Length);
    }
    let octets: Vec<u8> = (0..64).collect();
    let hashes = tile.read(&octets).unwrap();
    let node = |level, index| hashes.node(Node::new(level, index).unwrap());
    let (left, right) = (node(0, 768).unwrap(), node(0, 769).unwrap());
    assert_eq!(left.as_bytes(), &octets[..32]);
    assert_eq!(right.as_bytes(), &octets[32..]);
    assert_eq!(node(1, 384), Some(Hash::of_children(&left, &right)));
    let others = [
        (0, 767),
        (0, 770),
        (1, 385),
        (1, 383),
        (2, 192),
        (8, 3),
        (9, 1),
        (62, 0),
    ];
    for (level, index) in others {
        assert_eq!(node(level, index), None, "{level} {index}");
    }
}

#[test]
fn a_full_tile_has_the_hash_of_the_level_above() {
    let tree = Tree::of_size(70_000);
    for tile in Tile::grown(0, 70_000).filter(|tile| tile.is_full()) {
        let octets = octets(&tree, tile);
        let above = Node::new(tile.level() * 8 + 8, tile.index()).unwrap();
        assert_eq!(tile.read(&octets).unwrap().node(above), tree.node(above).ok());
    }
}

#[test]
fn broken_tiles_are_told() {
    let mut lost = Tiles::new(300, |tile| Err::<Vec<u8>, _>(path(tile)));
    let node = Node::new(0, 299).unwrap();
    assert_eq!(
        lost.node(node),
        Err(crate::TilesFault::Fetch("tile/0/001.p/44".to_owned()))
    );
    let outside = Node::new(0, 300).unwrap();
    assert_eq!(lost.node(outside), Err(crate::TilesFault::OutOfTree));
    let mut short = Tiles::new(300, |_| Ok::<_, ()>(vec![0; 32]));
    assert_eq!(short.node(node), Err(crate::TilesFault::Tile(TileFault::Length)));
}

proptest! {
    #[test]
    fn every_node_is_found_in_its_tile(size in 1_u64..3000, at in any::<u64>()) {
        let tree = Tree::of_size(size);
        let mut tiles = Tiles::new(size, |tile| Ok::<_, ()>(octets(&tree, tile)));
        for node in tree.nodes.keys().filter(|node| node.index() % 16 == at % 16) {
            prop_assert_eq!(tiles.node(*node).ok(), tree.node(*node).ok());
        }
        let outside = Node::new(0, size).unwrap();
        prop_assert_eq!(Tile::containing(outside, size), None);
        prop_assert_eq!(tiles.frontier().unwrap(), tree.frontier.clone());
        let proof = crate::inclusion_proof(at % size, size, |node| tiles.node(node)).unwrap();
        let leaf = Hash::of_leaf((at % size).to_string().as_bytes());
        prop_assert_eq!(crate::verify_inclusion(&tree.frontier.head(), at % size, leaf, &proof), Ok(()));
    }

    /// Step by step, the tiles told are all there are, each as wide as it is.
    #[test]
    fn growing_in_steps_leaves_nothing_out(steps in prop::collection::vec(0_u64..700, 1..20)) {
        let (mut size, mut tiles) = (0, BTreeMap::new());
        for step in steps {
            for tile in Tile::grown(size, size + step) {
                prop_assert!(tiles.insert((tile.level(), tile.index()), tile).is_none_or(|old| old.width() < tile.width()));
            }
            size += step;
        }
        let all: BTreeMap<_, _> = Tile::grown(0, size).map(|tile| ((tile.level(), tile.index()), tile)).collect();
        prop_assert_eq!(tiles, all);
    }
}
