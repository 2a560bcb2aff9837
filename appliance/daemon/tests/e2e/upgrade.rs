//! `chancery upgrade check`: what is in the way of an upgrade, and that nothing is changed by looking.

use serde_json::Value;

use crate::harness::{Appliance, Keys, text};

fn look(appliance: &Appliance, code: i32) -> Vec<(String, String, String)> {
    let output = appliance.run(&["-o", "json", "upgrade", "check"]);
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|one| (word(one, "what"), word(one, "state"), word(one, "detail")))
        .collect()
}

fn said(findings: &[(String, String, String)], what: &str) -> (String, String) {
    let found = findings.iter().find(|finding| finding.0 == what);
    let (_, state, detail) = found.unwrap_or_else(|| panic!("{what}: {findings:?}"));
    (state.clone(), detail.clone())
}

#[test]
fn e2e_upgrade_softhsm() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    let found = look(&appliance, 0);
    for what in ["configuration", "schema", "servers", "token"] {
        assert_eq!(said(&found, what).0, "ok", "{found:?}");
    }
    assert!(said(&found, "token").1.contains("hsm: "), "{found:?}");
    appliance.serve();
    let (state, detail) = said(&look(&appliance, 0), "servers");
    if store_bed::is_postgres() {
        assert!(detail.contains(env!("CARGO_PKG_VERSION")), "{detail}");
    } else {
        assert_eq!(state, "note", "{detail}");
        assert_eq!(said(&look(&appliance, 0), "disk").0, "ok");
    }

    // A token that is away, a key of the configuration that is gone.
    let pin = appliance.state().join("pin");
    let kept = std::fs::read(&pin).unwrap();
    std::fs::remove_file(&pin).unwrap();
    assert_eq!(said(&look(&appliance, 1), "token").0, "problem");
    std::fs::write(&pin, kept).unwrap();
    let config = std::fs::read_to_string(appliance.config()).unwrap();
    std::fs::write(
        appliance.config(),
        config.clone() + "\n[limitz]\nconnections = 7\n",
    )
    .unwrap();
    let (state, detail) = said(&look(&appliance, 1), "configuration");
    assert!(state == "problem" && detail.contains("limits"), "{detail}");
    std::fs::write(appliance.config(), config).unwrap();
}

/// A store of a schema that this program does not know, with and without word that it may be used.
#[test]
fn a_newer_schema_is_a_problem_unless_it_says_otherwise() {
    let appliance = Appliance::init(Keys::Software);
    let change = |sql: &str| appliance.change_store(sql);
    change(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (99, 'expand', '', '0')",
    );
    change("DELETE FROM settings WHERE key = 'schema.least_program'");
    let (state, detail) = said(&look(&appliance, 1), "schema");
    assert!(state == "problem" && detail.contains("99"), "{detail}");
    change("INSERT INTO settings (key, value) VALUES ('schema.least_program', '4')");
    let (state, detail) = said(&look(&appliance, 0), "schema");
    assert!(state == "note" && detail.contains("may work on it"), "{detail}");
}
