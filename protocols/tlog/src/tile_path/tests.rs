use proptest::prelude::*;

use super::*;

#[test]
fn paths_are_those_of_the_specification() {
    let cases = [
        ("tile/0/x001/x234/067", 0, 1_234_067, 256),
        ("tile/0/x001/234.p/5", 0, 1234, 5),
        ("tile/0/000", 0, 0, 256),
        ("tile/2/000.p/1", 2, 0, 1),
        ("tile/1/x001/000.p/255", 1, 1000, 255),
        ("tile/7/000.p/64", 7, 0, 64),
        ("tile/0/x018/x014/x398/x509/x481/983", 0, (1 << 54) - 1, 256),
    ];
    for (path, level, index, width) in cases {
        let tile = Tile::new(level, index, width).unwrap();
        assert_eq!(TilePath::Hashes(tile).to_string(), path);
        assert_eq!(path.parse(), Ok(TilePath::Hashes(tile)));
    }
    let bundle = Bundle::new(1_234_067, 8).unwrap();
    let path = "tile/entries/x001/x234/067.p/8";
    assert_eq!(TilePath::Entries(bundle).to_string(), path);
    assert_eq!(path.parse(), Ok(TilePath::Entries(bundle)));
    assert_eq!(bundle.first(), 1_234_067 * 256);
}

#[test]
fn other_spellings_are_refused() {
    let paths = [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/x000/001",
        "tile/0/x001/x000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x01/000",
        "tile/0/X001/000",
        "tile/0/+01",
        "tile/0/-01",
        "tile/0/ 01",
        "tile/0/٠٠١",
        "tile/00/000",
        "tile/01/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/8/000",
        "tile/63/000.p/1",
        "tile/64/000",
        "tile/256/000",
        "tile/entry/000",
        "tile/entries/",
        "tile/entries",
        "tile/entries/0/000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/65537",
        "tile/0/000.p/5/",
        "tile/0/000.p/5.p/5",
        "tile/0/.p/5",
        "tile/7/000",
        "tile/7/000.p/65",
        "tile/0/x018/x014/x398/x509/x481/984",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
        "tile/0/000?",
        "tile/0/../0/000",
    ];
    for path in paths {
        assert_eq!(path.parse::<TilePath>(), Err(PathFault), "{path:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(level in 0_u8..8, index in any::<u64>(), shift in 0_u32..64, width in 1_u16..=256) {
        let Ok(tile) = Tile::new(level, index >> shift, width) else { return Ok(()) };
        let path = TilePath::Hashes(tile);
        prop_assert_eq!(path.to_string().parse(), Ok(path));
        if level == 0 {
            let path = TilePath::Entries(Bundle::new(tile.index(), width).unwrap());
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
    }

    #[test]
    fn what_is_read_is_written_the_same(path in "tile/([0-9]{1,2}|entries)/(x[0-9]{3}/){0,4}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(read) = path.parse::<TilePath>() {
            prop_assert_eq!(read.to_string(), path);
        }
    }

    #[test]
    fn never_panics(path in "(tile/|entries|[0-9x/.p]|\\PC){0,30}") {
        let _ = path.parse::<TilePath>();
    }
}
