//! The section `discovery`.

use super::section::Section;
use crate::discover::DiscoverySettings;

/// Files that are read when nothing is said.
const FILES: u32 = 100_000;
/// Folders below each other that are entered when nothing is said.
const DEPTH: u32 = 16;

/// Reads the section.
pub(super) fn read(root: &Section<'_>) -> DiscoverySettings {
    let discovery = root.section("discovery");
    let directories = discovery.paths("directories");
    if discovery.is_there() && directories.is_empty() {
        discovery.problem("directories", "is missing: where certificates are looked for");
    }
    DiscoverySettings {
        directories,
        exclude: discovery.paths("exclude"),
        max_files: discovery.number("max_files", 1, 10_000_000).unwrap_or(FILES),
        max_depth: discovery.number("max_depth", 0, 100).unwrap_or(DEPTH),
    }
}
