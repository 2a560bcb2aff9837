//! The licences of what is linked into the programs: one file with all their texts, each text once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Press;
use super::rows::Row;
use super::workspace::{Crate, Workspace};

/// How the names of the files begin that say under which terms a crate may be passed on.
const BEGINNINGS: [&str; 5] = ["licen", "copying", "copyright", "notice", "unlicen"];

/// The list of the crates that are linked into these crates of the workspace, and the texts of their licences.
pub(super) fn of_linked(workspace: &Workspace, crates: &[&str]) -> Result<String> {
    let linked = workspace.linked(crates);
    let mut list = String::from(
        "The programs of this package have the following crates linked into them, under these licences.\n\n",
    );
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &linked {
        let name = format!("{} {}", one.name, one.version);
        let licence = one.license.as_deref().unwrap_or("see its text below");
        writeln!(list, "{name}: {licence}")?;
        for text in texts_of(one)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    let mut texts: Vec<(Vec<String>, String)> =
        texts.into_iter().map(|(text, names)| (names, text)).collect();
    texts.sort_unstable();
    for (names, text) in texts {
        write!(
            list,
            "\n{}\n{}\n\n{}\n",
            "-".repeat(78),
            names.join(", "),
            text.trim_end()
        )?;
    }
    Ok(list)
}

/// The terms of the package itself: the licence that the repository has, and that it has none otherwise.
pub(super) fn of_package(row: &Row, press: &Press) -> Result<String> {
    let mut text = format!(
        "{} {}\n\nCopyright {} the authors of Chancery\n\n",
        row.name,
        press.version,
        press.moment.year()?
    );
    let own = texts_in(&press.root)?;
    if own.is_empty() {
        text += "License: the sources name none; whoever wants to pass this on asks the authors.\n";
    }
    for licence in own {
        write!(text, "{}\n\n", licence.trim_end())?;
    }
    text += "\nWhat other people's work is linked into the programs, and under which licences, is in\nthird-party-licences.gz beside \
             this file.\n";
    Ok(text)
}

/// The texts of a crate's licences. Some crates name their licence and have no text of it.
fn texts_of(one: &Crate) -> Result<Vec<String>> {
    texts_in(one.folder())
}

fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let found = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut texts = Vec::new();
    for entry in found {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) && entry.path().is_file() {
            texts.push(String::from_utf8_lossy(&std::fs::read(entry.path())?).into_owned());
        }
    }
    texts.sort_unstable();
    Ok(texts)
}
