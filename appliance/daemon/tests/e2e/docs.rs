//! The manual's commands, run as they stand.

use std::path::Path;
use std::process::Command;

use crate::harness::{free_ports, text};

#[test]
fn e2e_docs_quick_start() {
    let said = run("quick-start.md", 6);
    for word in ["host.pem: OK", "Response verify OK", "good", "revoked", "Sound"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn e2e_docs_ceremony() {
    let said = run("operations/ceremony.md", 8);
    for word in [
        "the rehearsal went through",
        "the transcript holds",
        "the ceremony is finished",
        "01-devices.pem: OK",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// Runs the blocks of commands of a page, of which there are so many at least; what they said.
fn run(page: &str, least: usize) -> String {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    let manual = std::fs::read_to_string(manual).unwrap();
    let blocks: Vec<&str> = manual
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(
        blocks.len() >= least,
        "the manual has {} blocks of commands",
        blocks.len()
    );
    let mut script = format!("set -euo pipefail\ntrap 'kill %1' EXIT\n{}", blocks.concat());
    for (port, free) in ["8440", "8441", "8442"].into_iter().zip(free_ports()) {
        script = script.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_chancery")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{log}", text(&output));
    text(&output)
}
