//! A directory held open: everything in it is reached through its descriptor, so that nobody who renames or links
//! beside us leads a write elsewhere.
//!
//! Files are created exclusively, never through a symbolic link, with owner and mode set before the first octet.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// Longest file read, in octets.
pub const MAX_FILE_LEN: u64 = 8 * 1024 * 1024;
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Why a directory or a file in it is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderFault {
    /// The system refused.
    #[error("{path}: {what}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else could change what is written there.
    #[error("{path} is refused: {why}")]
    Unsafe {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Who owns what is made, and with which bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The permission bits.
    pub mode: u32,
    /// The owner; the process when absent.
    pub owner: Option<u32>,
    /// The group; the process's when absent.
    pub group: Option<u32>,
}

/// A directory held open.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a directory that must exist, after looking at every component of its path. `trusted` is one more account
    /// that may own them beside this process's and root's.
    pub fn open(path: &Path, trusted: Option<u32>) -> Result<Self, FolderFault> {
        check_path(path, trusted)?;
        let canonical = std::fs::canonicalize(path).map_err(|source| io(path, "cannot be found", source))?;
        check_path(&canonical, trusted)?;
        let root = rustix::fs::open("/", DIRECTORY, Mode::empty());
        let mut folder = Self {
            fd: root.map_err(|errno| io(Path::new("/"), "cannot be opened", errno.into()))?,
            path: PathBuf::from("/"),
        };
        for component in canonical.components() {
            if let Component::Normal(name) = component {
                folder = folder.enter(&name.to_string_lossy())?;
            }
        }
        let stat = folder.stat_self()?;
        let is_sticky = stat.st_mode & 0o1000 != 0;
        if stat.st_mode & 0o022 != 0 && !is_sticky {
            return Err(folder.refuse("", "its group or everybody may write to it; chmod go-w"));
        }
        Ok(folder)
    }

    /// Opens a directory, and makes what is missing of its path.
    pub fn create(path: &Path, access: Access) -> Result<Self, FolderFault> {
        let mut missing = Vec::new();
        let mut at = path;
        while std::fs::symlink_metadata(at).is_err() {
            let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else {
                return Err(unsafe_path(path, "it is not an absolute path"));
            };
            missing.push(name.to_string_lossy().into_owned());
            at = parent;
        }
        if missing.is_empty() {
            return Self::open(path, access.owner);
        }
        check_path(at, access.owner)?;
        let mut made = at.to_path_buf();
        for name in missing.iter().rev() {
            let parent = Self::reach(&made, access.owner)?;
            parent.make_folder(name, access)?;
            made.push(name);
        }
        Self::open(path, access.owner)
    }

    /// Opens a directory whose own mode is not judged: one that only leads to ours.
    fn reach(path: &Path, trusted: Option<u32>) -> Result<Self, FolderFault> {
        check_path(path, trusted)?;
        let fd = rustix::fs::open(path, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty());
        Ok(Self {
            fd: fd.map_err(|errno| io(path, "cannot be opened", errno.into()))?,
            path: path.to_path_buf(),
        })
    }

    /// A directory in it; a symbolic link is refused.
    pub fn enter(&self, name: &str) -> Result<Self, FolderFault> {
        let fd = rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty());
        Ok(Self {
            fd: fd.map_err(|errno| self.fault(name, "is no directory that can be opened", errno))?,
            path: self.path.join(name),
        })
    }

    /// Makes a directory in it; one that exists is entered and left as it is.
    pub fn make_folder(&self, name: &str, access: Access) -> Result<Self, FolderFault> {
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) => self.enter(name),
            Err(errno) => Err(self.fault(name, "cannot be made", errno)),
            Ok(()) => {
                let made = self.enter(name)?;
                made.grant(&made.fd, name, access)?;
                self.sync()?;
                Ok(made)
            }
        }
    }

    /// Writes a new file; one of that name must not exist. It is durable when this returns, but its name is not before
    /// [`Self::sync`].
    pub fn create_file(&self, name: &str, access: Access, contents: &[u8]) -> Result<(), FolderFault> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600));
        let fd = fd.map_err(|errno| self.fault(name, "cannot be created", errno))?;
        self.grant(&fd, name, access)?;
        let mut file = std::fs::File::from(fd);
        let written = file.write_all(contents).and_then(|()| file.sync_all());
        written.map_err(|source| io(&self.path.join(name), "cannot be written", source))
    }

    /// Replaces a file by a whole new one, atomically and durably.
    pub fn replace_file(&self, name: &str, access: Access, contents: &[u8]) -> Result<(), FolderFault> {
        let temporary = format!(".{name}.new");
        self.remove_file(&temporary)?;
        self.create_file(&temporary, access, contents)?;
        self.rename(&temporary, name)?;
        self.sync()
    }

    /// Makes a symbolic link that takes the place of whatever file had its name.
    pub fn replace_link(&self, name: &str, target: &str) -> Result<(), FolderFault> {
        let temporary = format!(".{name}.new");
        self.remove_file(&temporary)?;
        rustix::fs::symlinkat(target, &self.fd, &temporary)
            .map_err(|errno| self.fault(&temporary, "cannot be linked", errno))?;
        self.rename(&temporary, name)?;
        self.sync()
    }

    /// Gives something in it another name.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FolderFault> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to)
            .map_err(|errno| self.fault(to, "cannot be switched to its new contents", errno))
    }

    /// Removes a file or a link; one that is absent is no fault.
    pub fn remove_file(&self, name: &str) -> Result<(), FolderFault> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.fault(name, "cannot be removed", errno)),
        }
    }

    /// Removes a directory of files.
    pub fn remove_folder(&self, name: &str) -> Result<(), FolderFault> {
        let inner = self.enter(name)?;
        for entry in inner.names()? {
            inner.remove_file(&entry)?;
        }
        rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)
            .map_err(|errno| self.fault(name, "cannot be removed", errno))?;
        self.sync()
    }

    /// Makes what was created, renamed and removed in it durable.
    pub fn sync(&self) -> Result<(), FolderFault> {
        rustix::fs::fsync(&self.fd).map_err(|errno| self.fault("", "cannot be made durable", errno))
    }

    /// Reads a regular file that has only this name; nothing when it is absent.
    pub fn read_file(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FolderFault> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|errno| self.fault(name, "cannot be opened", errno))?,
        };
        let file = std::fs::File::from(fd);
        let metadata = file
            .metadata()
            .map_err(|source| io(&self.path.join(name), "cannot be looked at", source))?;
        if !metadata.is_file() || metadata.nlink() > 1 {
            return Err(self.refuse(name, "it is not a regular file with a single name"));
        }
        let mut contents = Zeroizing::new(Vec::new());
        file.take(MAX_FILE_LEN + 1)
            .read_to_end(&mut contents)
            .map_err(|source| io(&self.path.join(name), "cannot be read", source))?;
        if u64::try_from(contents.len()).unwrap_or(u64::MAX) > MAX_FILE_LEN {
            return Err(self.refuse(name, "it is too long"));
        }
        Ok(Some(contents))
    }

    /// Where a symbolic link points; nothing when there is none of that name.
    pub fn link_target(&self, name: &str) -> Result<Option<String>, FolderFault> {
        match rustix::fs::readlinkat(&self.fd, name, Vec::new()) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(errno) => Err(self.fault(name, "cannot be looked at", errno)),
        }
    }

    /// What stands under a name, links not followed.
    pub fn stat(&self, name: &str) -> Result<Option<Stat>, FolderFault> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.fault(name, "cannot be looked at", errno)),
        }
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Result<Vec<String>, FolderFault> {
        let listing = Dir::read_from(&self.fd).map_err(|errno| self.fault("", "cannot be listed", errno))?;
        let mut names = Vec::new();
        for entry in listing {
            let entry = entry.map_err(|errno| self.fault("", "cannot be listed", errno))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A refusal of something in it.
    pub fn refuse(&self, name: &str, why: &'static str) -> FolderFault {
        unsafe_path(&self.path.join(name), why)
    }

    fn stat_self(&self) -> Result<Stat, FolderFault> {
        rustix::fs::fstat(&self.fd).map_err(|errno| self.fault("", "cannot be looked at", errno))
    }

    fn grant(&self, fd: &OwnedFd, name: &str, access: Access) -> Result<(), FolderFault> {
        if access.owner.is_some() || access.group.is_some() {
            rustix::fs::fchown(
                fd,
                access.owner.map(Uid::from_raw),
                access.group.map(Gid::from_raw),
            )
            .map_err(|errno| self.fault(name, "cannot be given to its owner", errno))?;
        }
        rustix::fs::fchmod(fd, Mode::from_raw_mode(access.mode))
            .map_err(|errno| self.fault(name, "cannot be given its mode", errno))
    }

    fn fault(&self, name: &str, what: &'static str, errno: Errno) -> FolderFault {
        io(&self.path.join(name), what, errno.into())
    }
}

fn io(path: &Path, what: &'static str, source: std::io::Error) -> FolderFault {
    let path = path.to_path_buf();
    FolderFault::Io { path, what, source }
}

fn unsafe_path(path: &Path, why: &'static str) -> FolderFault {
    FolderFault::Unsafe {
        path: path.to_path_buf(),
        why,
    }
}

/// Looks at each component: nobody but root, this account and the trusted one may own it, nor may everybody rename in it.
fn check_path(path: &Path, trusted: Option<u32>) -> Result<(), FolderFault> {
    if !path.is_absolute() || path.as_os_str().as_bytes().contains(&0) {
        return Err(unsafe_path(path, "it is not an absolute path"));
    }
    let own = rustix::process::geteuid().as_raw();
    let mut at = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            return Err(unsafe_path(path, "it has `..` in it"));
        }
        at.push(component);
        let stat = rustix::fs::lstat(&at).map_err(|errno| io(&at, "cannot be looked at", errno.into()))?;
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let is_trusted = stat.st_uid == own || stat.st_uid == 0 || trusted == Some(stat.st_uid);
        if is_link && stat.st_uid != own && stat.st_uid != 0 {
            return Err(unsafe_path(&at, "it is a symbolic link of another account"));
        }
        if !is_trusted {
            return Err(unsafe_path(&at, "it belongs to another account"));
        }
        if !is_link && stat.st_mode & 0o002 != 0 && stat.st_mode & 0o1000 == 0 {
            return Err(unsafe_path(&at, "everybody may write to it"));
        }
    }
    Ok(())
}
