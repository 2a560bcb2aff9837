use std::collections::HashMap;

use super::*;
use crate::vectors::Tree;

/// Tiles as a log keeps them: at each place the widest.
#[derive(Default)]
struct Kept(HashMap<Place, Vec<u8>>);

impl Kept {
    fn put(&mut self, tiles: Vec<(Tile, Vec<u8>)>) {
        for (tile, octets) in tiles {
            assert_eq!(octets.len(), tile.byte_len());
            let before = self.0.insert((tile.level(), tile.index()), octets.clone());
            assert!(before.is_none_or(|before| octets.starts_with(&before)));
        }
    }

    fn fetch(&self, tile: Tile) -> Result<Vec<u8>, Place> {
        let place = (tile.level(), tile.index());
        let octets = self.0.get(&place).ok_or(place)?;
        Ok(octets[..tile.byte_len()].to_vec())
    }
}

#[test]
fn a_log_that_stops_and_goes_on_is_the_one_that_never_stopped() {
    let sizes = [0, 1, 2, 255, 256, 257, 300, 511, 512, 1000, 70_000, 70_001];
    let tree = Tree::of_size(70_001);
    let mut kept = Kept::default();
    for pair in sizes.windows(2) {
        let mut growth = Growth::resume(pair[0], |tile| kept.fetch(tile)).unwrap();
        assert_eq!(growth.head(), tree.head(pair[0]));
        for leaf in pair[0]..pair[1] {
            growth.push(Hash::of_leaf(leaf.to_string().as_bytes())).unwrap();
        }
        assert_eq!(growth.head(), tree.head(pair[1]));
        let tiles = growth.take_tiles();
        let expected: Vec<Tile> = Tile::grown(pair[0], pair[1]).collect();
        assert_eq!(tiles.iter().map(|(tile, _)| *tile).collect::<Vec<_>>(), expected);
        assert!(growth.take_tiles().is_empty());
        kept.put(tiles);
    }
    let mut tiles = Tiles::new(70_001, |tile| kept.fetch(tile));
    for (node, hash) in &tree.nodes {
        if node.is_in(70_001) && node.level() % 3 == 2 {
            assert_eq!(tiles.node(*node), Ok(*hash));
        }
    }
}

#[test]
fn a_tile_that_is_gone_or_short_stops_it() {
    let mut kept = Kept::default();
    let mut growth = Growth::new();
    for leaf in 0..300_u32 {
        growth.push(Hash::of_leaf(&leaf.to_be_bytes())).unwrap();
    }
    kept.put(growth.take_tiles());
    let gone = Growth::resume(300, |tile| match tile.index() {
        1 => Err((0, 1)),
        _ => kept.fetch(tile),
    });
    assert!(matches!(
        gone,
        Err(SourceFault::Source(TilesFault::Fetch((0, 1))))
    ));
    let short = Growth::resume(300, |_| Ok::<_, Place>(vec![0; 32]));
    assert!(matches!(short, Err(SourceFault::Source(TilesFault::Tile(_)))));
}
