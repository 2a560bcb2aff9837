//! A folder that looks as the machine will after the installation, from which each form is made.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Press;
use super::contents::{Contents, Source};
use crate::shell;

/// The folder; taken away when it is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    work: PathBuf,
}

impl Stage {
    /// Puts the files in place, with their modes.
    pub(super) fn fill(press: &Press, name: &str, contents: &Contents) -> Result<Self> {
        let work = press.out.join(format!(".{name}"));
        if work.exists() {
            std::fs::remove_dir_all(&work)?;
        }
        let stage = Self { work };
        let mut packed = Vec::new();
        for entry in &contents.entries {
            // gzip adds the end of the name itself.
            let place = entry.place.strip_suffix(".gz");
            let file = stage.root().join(place.unwrap_or(&entry.place));
            let folder = file.parent().context("a file lies in a folder")?;
            std::fs::create_dir_all(folder)?;
            match &entry.source {
                Source::Program(from) => strip(from, &file)?,
                Source::File(from) => {
                    std::fs::copy(from, &file).with_context(|| format!("copying {}", from.display()))?;
                }
                Source::Text(text) => std::fs::write(&file, text)?,
            }
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(entry.mode()))?;
            if place.is_some() {
                packed.push(file);
            }
        }
        if !packed.is_empty() {
            let mut gzip = shell::command("gzip", &["-9", "-n"])?;
            gzip.args(packed);
            shell::output(gzip)?;
        }
        Ok(stage)
    }

    /// What stands for `/`.
    pub(super) fn root(&self) -> PathBuf {
        self.work.join("root")
    }

    /// A place beside it, for what the tools want.
    pub(super) fn beside(&self) -> &Path {
        &self.work
    }

    /// Gives everything in it the one time, and folders the usual mode: the last that is done.
    pub(super) fn settle(&self, press: &Press) -> Result<()> {
        let root = self.root();
        let root = root.to_string_lossy();
        let modes = [&*root, "-type", "d", "-exec", "chmod", "0755", "{}", "+"];
        shell::output(shell::command("find", &modes)?)?;
        let at = press.moment.at();
        let times = [
            &*root,
            "-exec",
            "touch",
            "--no-dereference",
            "--date",
            &at,
            "{}",
            "+",
        ];
        shell::output(shell::command("find", &times)?).map(drop)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What stays is in the way of nothing: the next run takes it away.
        let _ = std::fs::remove_dir_all(&self.work);
    }
}

fn strip(from: &Path, to: &Path) -> Result<()> {
    let mut strip = shell::command("strip", &["--strip-unneeded", "-o"])?;
    strip.arg(to).arg(from);
    shell::output(strip).map(drop)
}
