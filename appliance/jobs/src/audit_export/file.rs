//! Lines in a file, which the operator rotates: renamed or removed, it is made anew before the next line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ca::AuditLine;
use tokio::sync::Mutex;

use super::joined;

#[derive(Debug)]
pub(super) struct FileExport {
    path: PathBuf,
    open: Arc<Mutex<Option<File>>>,
}

impl FileExport {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            open: Arc::default(),
        }
    }

    pub(super) async fn send(&self, lines: &[AuditLine]) -> Result<(), String> {
        let (path, text) = (self.path.clone(), joined(lines));
        let mut open = Arc::clone(&self.open).lock_owned().await;
        let write = move || {
            let outcome = append(&path, &mut open, text.as_bytes());
            if outcome.is_err() {
                // Begun anew, and what was half written is ended first.
                *open = None;
            }
            outcome.map_err(|error| format!("{}: {error}", path.display()))
        };
        let done = tokio::task::spawn_blocking(write).await;
        done.unwrap_or_else(|error| Err(error.to_string()))
    }
}

fn append(path: &Path, open: &mut Option<File>, text: &[u8]) -> io::Result<()> {
    if !open.as_ref().is_some_and(|file| is_at(file, path)) {
        *open = Some(reopen(path)?);
    }
    if let Some(file) = open {
        file.write_all(text)?;
        file.sync_data()?;
    }
    Ok(())
}

/// Whether the file is still the one of this path.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Opens it behind its last line. What a crash left of a line is ended, so that the next one stands alone.
fn reopen(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    fn line(seq: i64) -> AuditLine {
        AuditLine {
            seq,
            at: "2030-01-01T12:00:00Z".parse().unwrap(),
            action: "certificate.issue".to_owned(),
            json: format!("{{\"seq\":{seq}}}"),
        }
    }

    #[tokio::test]
    async fn a_file_that_was_rotated_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit.log"), folder.path().join("audit.log.1"));
        let export = FileExport::new(path.clone());
        export.send(&[line(1), line(2)]).await.unwrap();
        std::fs::rename(&path, &old).unwrap();
        export.send(&[line(3)]).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        export.send(&[line(4)]).await.unwrap();
        assert_eq!(
            std::fs::read_to_string(old).unwrap(),
            "{\"seq\":1}\n{\"seq\":2}\n"
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"seq\":4}\n");
    }

    #[tokio::test]
    async fn half_a_line_is_ended_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::fs::write(&path, "{\"seq\":1}\n{\"se").unwrap();
        FileExport::new(path.clone()).send(&[line(2)]).await.unwrap();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "{\"seq\":1}\n{\"se\n{\"seq\":2}\n"
        );
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/audit.log");
        let error = FileExport::new(path).send(&[line(1)]).await.unwrap_err();
        assert!(error.contains("none/audit.log: No such file"), "{error}");
    }
}
