//! Certificates on this host, whoever put them there: found in folders, told to the appliance page by page.
//!
//! Private keys are looked at for who may read them and for nothing else; none is decoded, and none leaves the host.

mod read;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use courier_wire::{
    DiscoveryPage, FoundCertificate, FoundPlace, MAX_FOUND, MAX_PATH, MAX_PLACES, ScanCounts,
};

/// Octets of certificates and paths on a page; the appliance takes no longer bodies than [`courier_wire::MAX_BODY`].
const PAGE: usize = courier_wire::MAX_BODY - 4 * 1024;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// Where it begins.
    pub directories: Vec<PathBuf>,
    /// What is left out, with everything below it.
    pub exclude: Vec<PathBuf>,
    /// Most files that are read.
    pub max_files: u32,
    /// How deep below a directory.
    pub max_depth: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The places of each certificate, by its octets.
    pub certificates: BTreeMap<Vec<u8>, BTreeSet<FoundPlace>>,
    /// What was looked at.
    pub counts: ScanCounts,
}

/// Looks through folders. What is read is told to `progress` now and then; `is_managed` says which files are the courier's own.
pub fn scan(
    settings: &DiscoverySettings,
    is_managed: &dyn Fn(&Path) -> bool,
    progress: &mut dyn FnMut(&ScanCounts),
) -> Scan {
    let mut scan = Scan::default();
    let mut seen = BTreeSet::new();
    for directory in &settings.directories {
        let mut walk = walk::Walk::new(settings, directory, &mut seen);
        while let Some(step) = walk.next(&mut scan.counts) {
            if scan.counts.files >= u64::from(settings.max_files) {
                scan.counts.skipped += 1;
                continue;
            }
            scan.look_at(&step, is_managed);
            if scan.counts.files.is_multiple_of(500) {
                progress(&scan.counts);
            }
        }
    }
    scan
}

impl Scan {
    fn look_at(&mut self, path: &Path, is_managed: &dyn Fn(&Path) -> bool) {
        let Ok(contents) = read::file(path) else {
            self.counts.unreadable += 1;
            return;
        };
        let Some(contents) = contents else {
            self.counts.skipped += 1;
            return;
        };
        self.counts.files += 1;
        if contents.certificates.is_empty() {
            return;
        }
        let place = FoundPlace {
            path: shown(path),
            managed: is_managed(path),
            key_exposed: contents.is_key_exposed || read::is_key_beside_exposed(path),
        };
        for der in contents.certificates {
            self.certificates.entry(der).or_default().insert(place.clone());
        }
    }

    /// The pages that tell it, one at least.
    pub fn pages(&self, scan: &str) -> Vec<DiscoveryPage> {
        let empty = || DiscoveryPage {
            scan: scan.to_owned(),
            last: false,
            certificates: Vec::new(),
            counts: None,
        };
        let mut pages = vec![empty()];
        let mut length = 0;
        for (der, places) in &self.certificates {
            let found = FoundCertificate {
                der: STANDARD.encode(der),
                places: places.iter().take(MAX_PLACES).cloned().collect(),
            };
            let own = length_of(&found);
            let is_full = |page: &DiscoveryPage| {
                page.certificates.len() >= MAX_FOUND || (!page.certificates.is_empty() && length + own > PAGE)
            };
            if pages.last().is_none_or(is_full) {
                pages.push(empty());
                length = 0;
            }
            length += own;
            if let Some(page) = pages.last_mut() {
                page.certificates.push(found);
            }
        }
        if let Some(page) = pages.last_mut() {
            page.last = true;
            page.counts = Some(self.counts);
        }
        pages
    }
}

/// How long it is as JSON, or a little less than that.
fn length_of(found: &FoundCertificate) -> usize {
    // Quotation marks in a path are written with one octet more.
    let places = found.places.iter().map(|place| 2 * place.path.len() + 64);
    found.der.len() + 32 + places.sum::<usize>()
}

/// A path as it is told: what is no text, or no line of one, is replaced; a long one loses its beginning.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text: String = text
        .chars()
        .map(|one| {
            if one.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                one
            }
        })
        .collect();
    if text.len() <= MAX_PATH {
        return text;
    }
    let from = (text.len() - MAX_PATH..text.len()).find(|at| text.is_char_boundary(*at));
    text.get(from.unwrap_or(0)..).unwrap_or_default().to_owned()
}
