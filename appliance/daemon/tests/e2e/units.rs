//! The systemd units: correct, and shut as far as the programs allow.

use std::path::{Path, PathBuf};

use crate::harness::{run, text};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd")
}

#[test]
fn e2e_units_systemd_analyze() {
    for name in ["chancery.service", "chancery-signerd.service"] {
        let unit = folder().join(name);
        let unit = unit.to_str().unwrap();
        let judged = run(
            "systemd-analyze",
            &["security", "--offline=true", "--threshold=20", unit],
            b"",
        );
        assert!(
            judged.status.success(),
            "{name} is open wider than 2.0: {}",
            text(&judged)
        );
        let said = text(&run("systemd-analyze", &["verify", "--man=no", unit], b""));
        // The programs are not installed where the tests run; everything else it says is a fault.
        let faults: Vec<&str> = said
            .lines()
            .filter(|line| !line.contains("is not executable"))
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}

#[test]
fn the_sample_of_the_signing_process_can_be_used() {
    let config = token::Config::load(&folder().join("signerd.toml")).unwrap();
    assert_eq!(config.tokens[0].pin_credential.as_deref(), Some("pin"));
    assert!(config.socket_group_access && !config.allowed_uids.is_empty());
}
