//! Paths of tiles and entry bundles: a tile has one path.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog::TilePath;

fuzz_target!(|path: &str| {
    if let Ok(tile) = path.parse::<TilePath>() {
        assert_eq!(tile.to_string(), path);
    }
});
