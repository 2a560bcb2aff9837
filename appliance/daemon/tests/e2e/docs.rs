//! The manual's commands, run as they stand.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::backup::export;
use crate::harness::{Appliance, Keys, free_ports, text};

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
    let mut script = format!(
        "set -euo pipefail\ntrap 'kill %1' EXIT\n{}",
        commands(page, least)
    );
    for (port, free) in ["8440", "8441", "8442"].into_iter().zip(free_ports()) {
        script = script.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path())
        .output()
        .unwrap();
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{log}", text(&output));
    text(&output)
}

/// The commands of a page of the manual, which has so many blocks of them at least, one after the other.
pub(crate) fn commands(page: &str, least: usize) -> String {
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
        "{page} has {} blocks of commands",
        blocks.len()
    );
    blocks.concat()
}

/// The path on which the programs of this build come first.
pub(crate) fn path() -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_chancery")).parent().unwrap();
    format!("{}:{}", programs.display(), std::env::var("PATH").unwrap())
}

/// Runs the commands of a page as an operator of this appliance would.
fn follow(appliance: &Appliance, page: &str, least: usize) -> String {
    let output = Command::new("bash")
        .args(["-c", &format!("set -euo pipefail\n{}", commands(page, least))])
        .current_dir(appliance.dir.path())
        .envs([
            ("PATH", path().as_str()),
            ("KEY", "backup.key"),
            ("RECIPIENTS", "recipients"),
            ("BACKUP", "one.age"),
        ])
        .envs([("EXPORT", "audit.jsonl"), ("CERTIFICATES", "later.pem")])
        .env("CONFIG", appliance.config())
        .env("STATE", appliance.state())
        .env("SOFTHSM2_CONF", appliance.file("softhsm2.conf"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{page}: {}", text(&output));
    text(&output)
}

#[test]
fn e2e_docs_backup_and_restore() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let said = follow(&appliance, "operations/backup.md", 4);
    assert!(said.contains("signs through the signing process"), "{said}");
    appliance.issue("later", "tls-server", "/CN=later.test", Some("DNS:later.test"));
    export(&appliance, "audit.jsonl");
    appliance.signal("KILL");
    appliance.wait();
    std::fs::remove_dir_all(appliance.state()).unwrap();
    let said = follow(&appliance, "operations/restore.md", 4);
    assert!(
        said.contains("Taken in again   1") && said.contains("Sound            true"),
        "{said}"
    );
    appliance.serve();
    let listed = appliance.json(&["cert", "list", "--name", "later.test"]);
    assert_eq!(listed[0]["status"], "valid", "{listed}");
}

/// Waits until a server has come to rest and all it logged is in the files of the audit log, which follow by a moment.
fn wait_until_written_out(appliance: &Appliance) {
    let checkpoint = appliance.state().join("audit-log/checkpoint");
    let since = Instant::now();
    let mut times = 0;
    while times < 3 {
        assert!(
            since.elapsed() < Duration::from_mins(1),
            "{}",
            appliance.log_text()
        );
        let last = appliance.json(&["audit", "tail", "--lines", "1"])[0]["seq"].to_string();
        let written = std::fs::read_to_string(&checkpoint).unwrap_or_default();
        let is_all = written.lines().nth(1) == Some(&last);
        times = if is_all { times + 1 } else { 0 };
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What an auditor does, on the log of a server that runs.
#[test]
fn e2e_docs_audit() {
    let appliance = Appliance::start(Keys::Software);
    wait_until_written_out(&appliance);
    let state = appliance.state().display().to_string();
    let script =
        format!("set -euo pipefail\n{}", commands("audit.md", 6)).replace("/var/lib/chancery", &state);
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path())
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
