//! One courier at a time for a set of files: a lock on a file that says who holds it.
//!
//! The file stays when the lock is given back; removing it would let two processes hold locks on two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock that another holds is tried again.
const EVERY: Duration = Duration::from_millis(100);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockFault {
    /// Another process has it.
    #[error("{path} is held by {}", holder(*pid))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, when it could be read.
        pid: Option<u32>,
    },
    /// The file cannot be used.
    #[error("the lock {path} cannot be taken")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// The lock; given back when it is dropped, and by the system when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting at most so long for another to give it back.
    pub async fn acquire(path: &Path, wait: Duration) -> Result<Self, LockFault> {
        let io = |source| LockFault::Io {
            path: path.to_path_buf(),
            source,
        };
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options
            .mode(0o600)
            .custom_flags(nofollow)
            .open(path)
            .map_err(io)?;
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(io(source)),
                Err(TryLockError::WouldBlock) if tokio::time::Instant::now() >= deadline => {
                    let pid = read_pid(&mut file);
                    return Err(LockFault::Held {
                        path: path.to_path_buf(),
                        pid,
                    });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(EVERY.min(wait)).await,
            }
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    #[tokio::test]
    async fn one_holds_it_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let held = Lock::acquire(&path, Duration::ZERO).await.unwrap();
        let refused = Lock::acquire(&path, Duration::from_millis(150))
            .await
            .unwrap_err();
        assert!(matches!(refused, LockFault::Held { pid, .. } if pid == Some(std::process::id())));
        let (waited, ()) = tokio::join!(Lock::acquire(&path, Duration::from_secs(30)), async {
            drop(held);
        });
        waited.unwrap();
        let link = folder.path().join("b.lock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let linked = Lock::acquire(&link, Duration::ZERO).await;
        assert!(matches!(linked, Err(LockFault::Io { .. })));
    }
}
