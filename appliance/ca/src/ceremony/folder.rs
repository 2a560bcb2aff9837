//! The folder of a ceremony: transcript, approvals, the step that is waiting, and what was made.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::approval::Approval;
use super::fault::CeremonyError;
use super::known::Known;
use super::output::{Output, Role};
use super::statement::Statement;

/// Longest file read here, in octets.
const MOST: u64 = 64 * 1024 * 1024;

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// The step that waits for approvals, for those who approve elsewhere.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pending {
    pub(super) step_hash: String,
    pub(super) statement: Statement,
    pub(super) known: Known,
}

impl Folder {
    /// The folder of a plan: the given one, or one beside the plan, named after it.
    pub fn of(plan: &Path, given: Option<&Path>) -> Self {
        let beside = || plan.with_extension("ceremony");
        Self {
            path: given.map_or_else(beside, Path::to_owned),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The transcript.
    pub fn transcript(&self) -> PathBuf {
        self.path.join("transcript.jsonl")
    }

    /// Makes it, with the folders in it.
    pub(super) fn make(&self) -> Result<(), CeremonyError> {
        for folder in [
            self.path.clone(),
            self.path.join("approvals"),
            self.path.join("out"),
        ] {
            fs::create_dir_all(&folder).map_err(|source| CeremonyError::File { path: folder, source })?;
        }
        Ok(())
    }

    /// Every approval that was handed in for a step; a file that is none is told as refused.
    pub(super) fn approvals(&self, step: usize) -> Result<(Vec<Approval>, Vec<String>), CeremonyError> {
        let folder = self.path.join("approvals");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            entries => entries.map_err(|source| CeremonyError::File { path: folder, source })?,
        };
        let mut names: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        names.sort();
        let (mut approvals, mut refused) = (Vec::new(), Vec::new());
        let begin = format!("step-{step}-");
        for path in names {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let is_of_step = name.starts_with(&begin) && path.extension().is_some_and(|end| end == "json");
            if !is_of_step {
                continue;
            }
            match serde_json::from_slice(&read(&path)?) {
                Ok(approval) => approvals.push(approval),
                Err(error) => refused.push(format!("{name}: this is no approval: {error}")),
            }
        }
        Ok((approvals, refused))
    }

    /// Keeps an approval; gives its file.
    pub fn keep_approval(&self, approval: &Approval) -> Result<PathBuf, CeremonyError> {
        self.make()?;
        let name = format!("step-{}-{}.json", approval.step, approval.approver);
        let path = self.path.join("approvals").join(name);
        write_json(&path, approval)?;
        Ok(path)
    }

    fn pending_file(&self) -> PathBuf {
        self.path.join("pending.json")
    }

    /// Keeps the step that waits.
    pub(super) fn keep_pending(&self, pending: &Pending) -> Result<(), CeremonyError> {
        write_json(&self.pending_file(), pending)
    }

    /// Takes away the step that waited.
    pub(super) fn clear_pending(&self) -> Result<(), CeremonyError> {
        match fs::remove_file(self.pending_file()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CeremonyError::File {
                path: self.pending_file(),
                source,
            }),
            _ => Ok(()),
        }
    }

    /// The step that waits.
    pub(super) fn pending(&self) -> Result<Pending, CeremonyError> {
        let path = self.pending_file();
        if !path.exists() {
            let what = "no step waits for approvals here: run the ceremony first (`chancery ceremony run`)";
            return Err(CeremonyError::Approval(what.to_owned()));
        }
        serde_json::from_slice(&read(&path)?)
            .map_err(|error| CeremonyError::Approval(format!("{}: {error}", path.display())))
    }

    /// Writes what a step made, a certificate also with those above it; gives the files.
    pub(super) fn keep_outputs(
        &self,
        outputs: &[Output],
        above: &[String],
    ) -> Result<Vec<PathBuf>, CeremonyError> {
        let mut files = Vec::new();
        for output in outputs {
            let path = self.path.join("out").join(&output.file);
            write(&path, output.pem.as_bytes())?;
            if output.role == Role::Certificate && !above.is_empty() {
                let chain = path.with_extension("chain.pem");
                write(&chain, (output.pem.clone() + &above.concat()).as_bytes())?;
                files.push(chain);
            }
            files.push(path);
        }
        Ok(files)
    }
}

/// Reads a file of bounded length.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CeremonyError> {
    let fault = |source| CeremonyError::File {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(fault)?.len() > MOST {
        return Err(fault(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is too long",
        )));
    }
    fs::read(path).map_err(fault)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CeremonyError> {
    let mut octets = serde_json::to_vec_pretty(value).map_err(|error| CeremonyError::File {
        path: path.to_owned(),
        source: error.into(),
    })?;
    octets.push(b'\n');
    write(path, &octets)
}

/// Writes a file in one step: a new one beside it, then a rename.
fn write(path: &Path, octets: &[u8]) -> Result<(), CeremonyError> {
    let put = || {
        let fresh = path.with_extension("new");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o644)
            .open(&fresh)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    put().map_err(|source| CeremonyError::File {
        path: path.to_owned(),
        source,
    })?;
    sync_parent(path)
}

/// Makes what was done in the folder of a file durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), CeremonyError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| CeremonyError::File {
            path: folder.to_owned(),
            source,
        })
}
