//! `chancery store`: a server moves from a file to PostgreSQL, and what is wrong with a store is told with what helps.

use serde_json::json;
use store_bed::Postgres;

use crate::harness::{Appliance, Keys, judge, text};

/// What openssl's OCSP client is told about a certificate.
fn ocsp(appliance: &Appliance, certificate: &std::path::Path) -> String {
    let url = appliance.json(&["ca", "show", "issuing"])["ocsp_url"].clone();
    let issuer = appliance.ca("issuing");
    let root = appliance.ca("root");
    judge(
        "openssl",
        &[
            "ocsp",
            "-issuer",
            issuer.to_str().unwrap(),
            "-cert",
            certificate.to_str().unwrap(),
            "-url",
            url.as_str().unwrap(),
            "-CAfile",
            root.to_str().unwrap(),
            "-verify_other",
            issuer.to_str().unwrap(),
        ],
    )
}

#[test]
fn e2e_store_postgres_takes_over_what_was_in_a_file() {
    let mut appliance = Appliance::start(Keys::Software);
    let good = appliance.issue("good", "tls-server", "/CN=good.test", Some("DNS:good.test"));
    let gone = appliance.issue("gone", "tls-server", "/CN=gone.test", Some("DNS:gone.test"));
    let serial = appliance.json(&["cert", "list", "--name", "gone.test"])[0]["serial"].clone();
    appliance.ok(&[
        "cert",
        "revoke",
        serial.as_str().unwrap(),
        "--reason",
        "keyCompromise",
    ]);
    let head = appliance.json(&["audit", "verify"])["head"].clone();

    let database = Postgres::start();
    let text_before = std::fs::read_to_string(appliance.config()).unwrap();
    let moved = text_before.replace("sqlite:chancery.db", &database.url());
    let moved = appliance.write("state/moved.toml", &moved);
    let copy = ["store", "copy", "--to", moved.to_str().unwrap()];
    let refused = appliance.run(&copy);
    assert!(text(&refused).contains("stop it first"), "{}", text(&refused));
    let own = appliance.config();
    let refused = appliance.run(&["store", "copy", "--to", own.to_str().unwrap()]);
    assert!(text(&refused).contains("name one store"), "{}", text(&refused));
    appliance.signal("TERM");
    appliance.wait();

    let copied = appliance.run(&[
        "--output",
        "json",
        "store",
        "copy",
        "--to",
        moved.to_str().unwrap(),
    ]);
    assert!(copied.status.success(), "{}", text(&copied));
    let progress = String::from_utf8(copied.stderr).unwrap();
    let mut lines = progress
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let is_last = |line: serde_json::Value| {
        line["stage"] == "comparing" && line["table"] == "certificates" && line["rows"] == line["of"]
    };
    assert!(lines.any(is_last), "{progress}");
    let again = appliance.run(&copy);
    assert!(text(&again).contains("holds a store already"), "{}", text(&again));

    appliance.config_is(moved);
    appliance.serve();
    assert!(ocsp(&appliance, &good).contains(": good"));
    assert!(ocsp(&appliance, &gone).contains(": revoked"));
    appliance.issue("later", "tls-server", "/CN=later.test", Some("DNS:later.test"));
    let verified = appliance.json(&["audit", "verify", "--offline"]);
    assert!(
        verified["sound"] == true && verified["head"] != head,
        "{verified}"
    );
    let found = appliance.run(&["store", "check"]);
    assert!(
        text(&found).contains("set it to on in postgresql.conf"),
        "{}",
        text(&found)
    );
}

#[test]
fn a_store_is_made_migrated_and_checked() {
    let appliance = Appliance::init(Keys::Software);
    let (found, known) = ::store::Store::schema_versions(&appliance.store_config()).unwrap();
    assert_eq!(found, known);
    let told = appliance.json(&["store", "migrate", "--dry-run"]);
    assert_eq!(
        told,
        json!({ "schema": "is as this program wants it", "from": known, "to": known })
    );
    assert_eq!(appliance.json(&["store", "migrate"])["to"], known);
    let stats = appliance.json(&["store", "stats"]);
    let rows = |name: &str| {
        let tables = stats["tables"].as_array().unwrap();
        let table = tables.iter().find(|table| table["table"] == name);
        table.unwrap()["rows"].as_u64().unwrap()
    };
    assert!(stats["bytes"].as_u64().unwrap() > 100_000, "{stats}");
    assert_eq!(rows("issuers"), 2);
    assert!(rows("audit") > 3 && rows("certificates") > 1, "{stats}");
    let shown = appliance.run(&["store", "stats"]);
    assert!(text(&shown).contains("Bytes in all"), "{}", text(&shown));
    let checked = appliance.run(&["--output", "json", "store", "check"]);
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let bad: Vec<_> = checked
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["is_whole"] == false)
        .collect();
    // The databases of tests do not wait for the disk.
    assert!(
        bad.iter()
            .all(|one| one["outcome"].as_str().unwrap().contains("fsync")),
        "{bad:?}"
    );
    assert_eq!(bad.len(), usize::from(store_bed::is_postgres()));
}

#[test]
fn a_store_that_is_not_there_yet_is_made_by_migrate() {
    let appliance = Appliance::init(Keys::Software);
    let database = Postgres::start();
    let text_before = std::fs::read_to_string(appliance.config()).unwrap();
    let line = text_before
        .lines()
        .find(|line| line.starts_with("url = "))
        .unwrap();
    let fresh = text_before.replace(line, &format!("url = \"{}\"", database.url()));
    let fresh = appliance.write("state/fresh.toml", &fresh);
    let run = |words: &[&str]| {
        let mut all = vec!["--config", fresh.to_str().unwrap(), "--output", "json"];
        all.extend(words);
        appliance.command(&all).output().unwrap()
    };
    let empty = run(&["store", "check"]);
    assert!(
        text(&empty).contains("chancery store migrate"),
        "{}",
        text(&empty)
    );
    let would: serde_json::Value =
        serde_json::from_slice(&run(&["store", "migrate", "--dry-run"]).stdout).unwrap();
    assert_eq!(
        (&would["schema"], &would["from"]),
        (&json!("would be migrated"), &json!(0))
    );
    let done: serde_json::Value = serde_json::from_slice(&run(&["store", "migrate"]).stdout).unwrap();
    assert_eq!(done["schema"], "was migrated");
    let again: serde_json::Value = serde_json::from_slice(&run(&["store", "migrate"]).stdout).unwrap();
    assert_eq!(again["schema"], "is as this program wants it");
}
