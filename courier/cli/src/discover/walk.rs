//! The files of a folder and of those below it. A folder that is a link is not entered; a file that is one is read where it lies, when
//! that is below the same folder, as certbot has it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use courier_wire::ScanCounts;

use super::DiscoverySettings;

/// What a file with a certificate is called.
const EXTENSIONS: [&str; 5] = ["pem", "crt", "cer", "cert", "der"];
/// Most entries that are looked at below a folder, whatever they are.
const MAX_ENTRIES: u64 = 5_000_000;

/// A walk.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    settings: &'a DiscoverySettings,
    /// The folder without links; nothing outside is read.
    root: Option<PathBuf>,
    /// Folders that are still to be read, with their depth.
    folders: Vec<(PathBuf, u32)>,
    /// Files of the folder that was read last.
    files: Vec<PathBuf>,
    /// Files that were given, over all folders that begin a walk.
    seen: &'a mut BTreeSet<PathBuf>,
    entries: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        settings: &'a DiscoverySettings,
        directory: &Path,
        seen: &'a mut BTreeSet<PathBuf>,
    ) -> Self {
        let root = std::fs::canonicalize(directory).ok();
        Self {
            folders: vec![(directory.to_path_buf(), 0)],
            files: Vec::new(),
            settings,
            root,
            seen,
            entries: 0,
        }
    }

    /// The next file. What cannot be read on the way is counted.
    pub(super) fn next(&mut self, counts: &mut ScanCounts) -> Option<PathBuf> {
        loop {
            if let Some(file) = self.files.pop() {
                if self.seen.insert(file.clone()) {
                    return Some(file);
                }
                continue;
            }
            let (folder, depth) = self.folders.pop()?;
            if self.read(&folder, depth, counts).is_none() {
                counts.unreadable += 1;
            }
        }
    }

    fn read(&mut self, folder: &Path, depth: u32, counts: &mut ScanCounts) -> Option<()> {
        let root = self.root.clone()?;
        for entry in std::fs::read_dir(folder).ok()? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                counts.skipped += 1;
                return Some(());
            }
            let Ok(entry) = entry else {
                counts.unreadable += 1;
                continue;
            };
            let path = entry.path();
            let is_excluded = |path: &Path| self.settings.exclude.iter().any(|one| path.starts_with(one));
            if is_excluded(&path) {
                continue;
            }
            let Ok(kind) = entry.file_type() else {
                counts.unreadable += 1;
                continue;
            };
            if kind.is_dir() {
                if depth < self.settings.max_depth {
                    self.folders.push((path, depth + 1));
                } else {
                    counts.skipped += 1;
                }
            } else if is_called_so(&path) {
                if kind.is_file() {
                    self.files.push(path);
                } else if kind.is_symlink()
                    && let Ok(behind) = std::fs::canonicalize(&path)
                    && behind.starts_with(&root)
                    && !is_excluded(&behind)
                {
                    self.files.push(behind);
                }
            }
        }
        Some(())
    }
}

fn is_called_so(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|own| EXTENSIONS.iter().any(|known| own.eq_ignore_ascii_case(known)))
}
