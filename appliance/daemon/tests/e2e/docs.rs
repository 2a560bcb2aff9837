//! The manual's commands, run as they stand.

use std::path::Path;
use std::process::Command;

use crate::harness::{Appliance, Keys, free_ports, text};

#[test]
fn e2e_docs_quick_start() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/quick-start.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let blocks: Vec<&str> = manual
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(
        blocks.len() >= 6,
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
    let said = text(&output);
    for word in ["host.pem: OK", "Response verify OK", "good", "revoked", "Sound"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// What an auditor does, on the log of a server that runs.
#[test]
fn e2e_docs_audit() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/audit.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let blocks: Vec<&str> = manual
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 6, "blocks of commands in the manual");
    let appliance = Appliance::start(Keys::Software);
    let state = appliance.state().display().to_string();
    let script = format!("set -euo pipefail\n{}", blocks.concat()).replace("/var/lib/chancery", &state);
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_chancery")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("CHANCERY_CONFIG", appliance.config())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output),
        appliance.log_text()
    );
    let said = text(&output);
    for word in [
        "Sound            true",
        "Continues        true",
        "witness witness.example+",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
