//! The vectors under `testdata/`, for tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;

fn folder(noun: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(noun)
}

/// One vector, by its path under `testdata/`.
pub(crate) fn read(path: &str) -> Vec<u8> {
    std::fs::read(folder(path)).unwrap_or_else(|cause| panic!("testdata/{path}: {cause}"))
}

/// Every vector of a noun whose name ends so, with its name, sorted by name.
pub(crate) fn all(noun: &str, end: &str) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder(noun)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(end)).collect();
    names.sort();
    assert!(!names.is_empty(), "no vector in testdata/{noun} ends in {end}");
    names
        .into_iter()
        .map(|name| (name.clone(), read(&format!("{noun}/{name}"))))
        .collect()
}

/// Vectors of a noun with a few octets changed, cut or doubled: input that looks right at first sight.
pub(crate) fn bent(noun: &'static str, end: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let vectors: Vec<Vec<u8>> = all(noun, end).into_iter().map(|(_, vector)| vector).collect();
    let edits = proptest::collection::vec((any::<Index>(), any::<u8>(), 0..4_u8), 1..5);
    (proptest::sample::select(vectors), edits).prop_map(|(mut vector, edits)| {
        for (place, octet, how) in edits {
            if vector.is_empty() {
                break;
            }
            let place = place.index(vector.len());
            match how {
                0 => drop(vector.splice(place..=place, [octet])),
                1 => vector.truncate(place),
                2 => vector.insert(place, octet),
                _ => drop(vector.remove(place)),
            }
        }
        vector
    })
}
