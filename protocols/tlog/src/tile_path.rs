//! Paths of tiles and entry bundles below the prefix of a log, without a slash before (c2sp.org/tlog-tiles).
//!
//! Every tile has one path, so that what is cached or served as a file is found under it alone; any other
//! spelling is refused.

use std::fmt;
use std::str::FromStr;

use crate::bundle::Bundle;
use crate::tile::{TILE_WIDTH, Tile};

/// What a path below `tile/` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TilePath {
    /// Hashes of the tree: `tile/<L>/<N>[.p/<W>]`.
    Hashes(Tile),
    /// Entries of the log: `tile/entries/<N>[.p/<W>]`.
    Entries(Bundle),
}

/// The text is not the path of a tile that a tree can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile")]
pub struct PathFault;

impl FromStr for TilePath {
    type Err = PathFault;

    fn from_str(path: &str) -> Result<Self, PathFault> {
        let place = path.strip_prefix("tile/").ok_or(PathFault)?;
        let (kind, place) = place.split_once('/').ok_or(PathFault)?;
        let (number, width) = match place.split_once(".p/") {
            Some((number, width)) => (number, decimal(width).filter(|width| *width < TILE_WIDTH)),
            None => (place, Some(TILE_WIDTH)),
        };
        let index = index(number).ok_or(PathFault)?;
        let width = width.ok_or(PathFault)?;
        if kind == "entries" {
            return Bundle::new(index, width)
                .map(Self::Entries)
                .map_err(|_| PathFault);
        }
        let level = decimal(kind).and_then(|level| u8::try_from(level).ok());
        let tile = Tile::new(level.ok_or(PathFault)?, index, width);
        tile.map(Self::Hashes).map_err(|_| PathFault)
    }
}

/// ASCII digits without leading zeros, of what fits in the numbers of a path.
fn decimal(text: &str) -> Option<u16> {
    let is_decimal = text.bytes().all(|octet| octet.is_ascii_digit());
    let is_shortest = !text.starts_with('0') || text == "0";
    if is_decimal && is_shortest {
        text.parse().ok()
    } else {
        None
    }
}

/// Elements of three digits, an `x` before all but the last; the first is not `x000`.
fn index(text: &str) -> Option<u64> {
    let (before, last) = match text.rsplit_once('/') {
        Some((before, last)) => (Some(before), last),
        None => (None, text),
    };
    let mut index = 0_u64;
    for element in before.into_iter().flat_map(|before| before.split('/')) {
        index = thousand(index, element.strip_prefix('x')?)?;
        if index == 0 {
            return None;
        }
    }
    thousand(index, last)
}

/// Three more digits behind a number.
fn thousand(number: u64, digits: &str) -> Option<u64> {
    if digits.len() != 3 || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    number.checked_mul(1000)?.checked_add(digits.parse().ok()?)
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tile = match self {
            Self::Hashes(tile) => {
                write!(f, "tile/{}/", tile.level())?;
                *tile
            }
            Self::Entries(bundle) => {
                f.write_str("tile/entries/")?;
                bundle.tile()
            }
        };
        // An index has at most 54 bits, so 17 digits, so five elements before the last.
        for power in (1..=5).rev() {
            let before = tile.index() / 1000_u64.pow(power);
            if before > 0 {
                write!(f, "x{:03}/", before % 1000)?;
            }
        }
        write!(f, "{:03}", tile.index() % 1000)?;
        if tile.is_full() {
            Ok(())
        } else {
            write!(f, ".p/{}", tile.width())
        }
    }
}

#[cfg(test)]
mod tests;
