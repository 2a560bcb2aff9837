//! `cargo xtask sizes`: product files against their line budgets (warn over 400, fail over 600; `main.rs` 100).
//!
//! Functions are held to 80 lines by clippy (`too_many_lines`), so only files are counted here. Test code does not count.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::shell;

const ROOMS: &[&str] = &[
    "appliance",
    "bench",
    "connectors",
    "courier",
    "pkcs11",
    "protocols",
    "xtask",
];
const WARN: usize = 400;
const FAIL: usize = 600;
const FAIL_MAIN: usize = 100;

/// Counts and judges.
pub(crate) fn run() -> Result<()> {
    let root = shell::root()?;
    let mut files = Vec::new();
    for room in ROOMS {
        collect(&root.join(room), &mut files)?;
    }
    ensure!(!files.is_empty(), "no source file was found");
    let mut over = 0;
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        let lines = product_lines(&text);
        let limit = if file.ends_with("src/main.rs") {
            FAIL_MAIN
        } else {
            FAIL
        };
        let shown = file.strip_prefix(&root).unwrap_or(file).display();
        if lines > limit {
            println!("too long: {shown}: {lines} lines (limit {limit})");
            over += 1;
        } else if lines > WARN {
            println!("long: {shown}: {lines} lines (aim 80 to 200)");
        }
    }
    ensure!(over == 0, "{over} files are over their budget");
    println!("{} files within budget", files.len());
    Ok(())
}

/// Lines up to the test module, if there is one.
fn product_lines(text: &str) -> usize {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]") && !line.contains("generated table"))
        .count()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name != "tests" && name != "testdata" && name != "target" {
                collect(&path, files)?;
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
    Ok(())
}
