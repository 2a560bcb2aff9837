//! Files that the configuration names, looked at and read through one descriptor.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Longest file with a secret, in octets.
pub(super) const MAX_SECRET: u64 = 64 * 1024;

/// A file that the configuration names.
pub(super) fn octets(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let named = |what: &str| format!("names {}, which {what}", path.display());
    let (file, _) = regular(path, limit).map_err(|what| named(&what))?;
    let mut octets = Vec::new();
    let read = file.take(limit).read_to_end(&mut octets);
    read.map_err(|error| named(&format!("cannot be read: {error}")))?;
    Ok(octets)
}

/// The first octets of a file, where it can be read.
pub(super) fn beginning(path: &Path) -> Option<Vec<u8>> {
    let (file, _) = regular(path, MAX_SECRET).ok()?;
    let mut octets = Vec::new();
    file.take(16).read_to_end(&mut octets).ok()?;
    Some(octets)
}

/// A file that is opened: what is looked at is what is read then. A pipe is not waited for, and a device is not read.
pub(super) fn regular(path: &Path, limit: u64) -> Result<(File, Metadata), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| unreadable(errno.into()))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    if metadata.len() > limit {
        return Err(format!("is longer than {limit} octets"));
    }
    Ok((file, metadata))
}
