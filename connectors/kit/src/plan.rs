//! What has to happen, as data.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::command::CommandLine;
use crate::folder::Access;
use crate::probe::Probe;

/// A file with its contents.
#[derive(Clone)]
pub struct PutFile {
    /// Where; absolute.
    pub path: PathBuf,
    /// What stands in it.
    pub contents: Zeroizing<Vec<u8>>,
    /// Its mode and whose it is.
    pub access: Access,
}

impl std::fmt::Debug for PutFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PutFile")
            .field("path", &self.path)
            .field("octets", &self.contents.len())
            .finish_non_exhaustive()
    }
}

impl PutFile {
    /// A file of this process's account.
    pub fn new(path: impl Into<PathBuf>, contents: &[u8], mode: u32) -> Self {
        Self {
            path: path.into(),
            contents: Zeroizing::new(contents.to_vec()),
            access: Access {
                mode,
                ..Access::default()
            },
        }
    }
}

/// How the server takes what is new.
#[derive(Clone, Debug)]
pub enum Apply {
    /// A command.
    Command(CommandLine),
    /// The runtime interface of HAProxy, without a reload: the certificate of this file is replaced in memory.
    HaproxySocket {
        /// The socket.
        socket: PathBuf,
        /// The file, by the name that the configuration gives it.
        certificate: PathBuf,
    },
}

/// What has to happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Files that are put.
    pub files: Vec<PutFile>,
    /// Whether the server would start with them.
    pub check: Option<CommandLine>,
    /// How it takes them.
    pub apply: Apply,
    /// Whether processes of the server read the files by themselves, also between two steps: the check comes before the files then, so that
    /// none of them serves what is taken back.
    pub reads_by_itself: bool,
    /// Where the served certificate is looked at.
    pub probe: Option<Probe>,
}
