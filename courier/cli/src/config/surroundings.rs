//! What a file is read in: its own place, the variables, and the other files that it names.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use crate::auth::Environment;

/// Longest file that the configuration refers to, in octets.
const MAX_FILE_LEN: usize = 1024 * 1024;
/// Who else may read a file.
pub(super) const OTHERS: u32 = 0o077;

/// Where files are read that the configuration names.
pub trait Files {
    /// The octets of a file; a private one must be readable by its owner alone.
    fn octets(&self, path: &Path, is_private: bool) -> Result<Zeroizing<Vec<u8>>, String>;
}

/// The files of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFiles;

/// What a configuration is read in.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The file, absolute.
    pub path: &'a Path,
    /// The variables.
    pub environment: &'a dyn Environment,
    /// The other files.
    pub files: &'a dyn Files,
    /// Whether others than the owner may read the file.
    pub is_exposed: bool,
    /// Whether this process is root's.
    pub is_root: bool,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Surroundings<'_> {
    /// The directory of the file.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// A path of the file, made absolute.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        let mut whole = PathBuf::new();
        for component in self.directory().join(path).components() {
            if component != Component::CurDir {
                whole.push(component);
            }
        }
        whole
    }

    /// The text of a private file, without the line's end.
    pub(super) fn secret_file(&self, path: &Path) -> Result<Zeroizing<String>, String> {
        let path = self.absolute(path);
        // What systemd hands over is its user's alone, by an access list that looks like a group's.
        let credentials = self.environment.var("CREDENTIALS_DIRECTORY");
        let is_handed = credentials.is_some_and(|directory| path.starts_with(directory));
        let octets = self.files.octets(&path, !is_handed)?;
        let text = std::str::from_utf8(&octets).map_err(|_| format!("{} is not text", path.display()))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(format!("{} is empty", path.display()));
        }
        Ok(Zeroizing::new(text.to_owned()))
    }
}

impl Files for HostFiles {
    fn octets(&self, path: &Path, is_private: bool) -> Result<Zeroizing<Vec<u8>>, String> {
        let shown = path.display();
        let unreadable = |cause: std::io::Error| format!("{shown} cannot be read: {cause}");
        // A pipe would be waited for; what was opened is what is looked at and read.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| unreadable(errno.into()))?;
        let file = File::from(file);
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(format!("{shown} is no file"));
        }
        if is_private && metadata.mode() & OTHERS != 0 {
            return Err(format!(
                "{shown} holds a secret and others than its owner may use it: chmod 0600"
            ));
        }
        let owner = metadata.uid();
        if is_private && owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(format!("{shown} holds a secret and belongs to somebody else"));
        }
        let limit = MAX_FILE_LEN.saturating_add(1);
        let size = usize::try_from(metadata.len()).unwrap_or(limit).min(limit);
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut octets = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        file.take(most).read_to_end(&mut octets).map_err(unreadable)?;
        if octets.len() > MAX_FILE_LEN {
            return Err(format!("{shown} is longer than {MAX_FILE_LEN} octets"));
        }
        Ok(octets)
    }
}
