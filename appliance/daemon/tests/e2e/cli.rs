//! The command line against a running server.

use serde_json::json;

use crate::harness::{Appliance, Keys, judge, text};

#[test]
fn a_certificates_life_by_the_command_line() {
    let mut appliance = Appliance::start(Keys::Software);
    appliance.issue("one", "tls-server", "/CN=one.test", Some("DNS:one.test"));
    let listed = appliance.json(&["cert", "list", "--name", "one.test"]);
    let serial = listed[0]["serial"].as_str().unwrap().to_owned();
    assert!(appliance.ok(&["cert", "show", &serial]).contains("dns:one.test"));
    let renewed = appliance.json(&["cert", "renew", &serial]);
    assert_ne!(renewed["serial"], json!(serial));
    assert_eq!(renewed["names"], json!(["dns:one.test"]));
    let hold = appliance.json(&["cert", "revoke", &serial, "--reason", "certificateHold"]);
    assert_eq!(
        (&hold["status"], &hold["already"]),
        (&json!("revoked"), &json!(false))
    );
    assert_eq!(
        appliance.json(&["cert", "revoke", &serial, "--reason", "removeFromCRL"])["status"],
        "valid"
    );
    appliance.json(&["cert", "revoke", &serial, "--reason", "superseded"]);
    assert_eq!(
        appliance.json(&["cert", "revoke", &serial, "--reason", "superseded"])["already"],
        true
    );
    assert_eq!(appliance.json(&["audit", "verify"])["sound"], true);
    assert_eq!(appliance.json(&["audit", "verify", "--offline"])["sound"], true);
    appliance.signal("TERM");
    assert!(appliance.wait().success(), "{}", appliance.log_text());
    assert!(appliance.log_text().contains("stopped"));
}

#[test]
fn a_refusal_is_explained() {
    let appliance = Appliance::start(Keys::Software);
    let csr = appliance.csr("bad", "/CN=other.test", Some("DNS:a.test"));
    let refused = appliance.run(&[
        "cert",
        "issue",
        "--profile",
        "tls-server",
        "--ca",
        "issuing",
        csr.to_str().unwrap(),
    ]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    let said = text(&refused);
    assert!(said.contains("common_name_not_in_names"), "{said}");
    let order = said
        .split("cert explain ")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        appliance.json(&["cert", "explain", &order])["code"],
        "common_name_not_in_names"
    );
    let unknown = appliance.run(&[
        "cert",
        "issue",
        "--profile",
        "nothing",
        "--ca",
        "issuing",
        csr.to_str().unwrap(),
    ]);
    assert!(text(&unknown).contains("nothing"), "{}", text(&unknown));
    assert_eq!(
        appliance.run(&["cert", "revoke", "0102030405"]).status.code(),
        Some(3)
    );
}

#[test]
fn a_second_init_changes_nothing() {
    let appliance = Appliance::init(Keys::Software);
    let token = std::fs::read(appliance.state().join("admin.token")).unwrap();
    let state = appliance.state();
    let again = appliance
        .command(&["init", "--dir", state.to_str().unwrap(), "--software"])
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", text(&again));
    assert!(!text(&again).contains("made"), "{}", text(&again));
    assert_eq!(std::fs::read(state.join("admin.token")).unwrap(), token);
}

#[test]
fn a_hang_up_reloads_and_a_bad_file_changes_nothing() {
    let appliance = Appliance::start(Keys::Software);
    let file = appliance.config();
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("level = \"info\"", "level = \"debug\"")).unwrap();
    appliance.signal("HUP");
    appliance.wait_for_log("reloaded: log level");
    std::fs::write(&file, good.replace("[log]", "[lgo]")).unwrap();
    appliance.signal("HUP");
    appliance.wait_for_log("not reloaded, everything stays as it was");
    appliance.wait_for_log("did you mean `log`?");
    std::fs::write(&file, good).unwrap();
    appliance.json(&["ca", "list"]);
}

#[test]
fn a_wrong_pin_is_told_and_tried_once() {
    let appliance = Appliance::init(Keys::SoftHsm);
    std::fs::write(appliance.state().join("pin"), "0000000000000000\n").unwrap();
    for _ in 0..2 {
        let refused = appliance.run(&["serve"]);
        assert!(!refused.status.success());
        assert!(text(&refused).contains("rejected"), "{}", text(&refused));
    }
}

#[test]
fn two_servers_do_not_share_a_store_on_a_file() {
    let appliance = Appliance::start(Keys::Software);
    let refused = appliance.run(&["serve"]);
    assert!(
        !refused.status.success() && text(&refused).contains("in use"),
        "{}",
        text(&refused)
    );
}

#[test]
fn whoever_stops_listening_stops_nothing() {
    let appliance = Appliance::start(Keys::Software);
    let csr = appliance.csr("pipe", "/CN=pipe.test", Some("DNS:pipe.test"));
    let config = appliance.config();
    let config = config.to_str().unwrap();
    let issue = [
        "--config",
        config,
        "cert",
        "issue",
        "--profile",
        "tls-server",
        csr.to_str().unwrap(),
    ];
    for words in [
        issue.as_slice(),
        &["completions", "bash"],
        &["config", "reference"],
    ] {
        let mut command = appliance.command(words);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        assert!(output.stderr.is_empty(), "{words:?}: {}", text(&output));
    }
    let listed = appliance.json(&["cert", "list", "--profile", "tls-server"]);
    let serial = listed.as_array().unwrap().last().unwrap()["serial"]
        .as_str()
        .unwrap()
        .to_owned();
    let explained = appliance.json(&["cert", "explain", &serial]);
    assert_eq!(explained["state"], "issued", "{explained}");
}

#[test]
fn what_is_told_is_told_to_machines_too() {
    let mut appliance = Appliance::init(Keys::Software);
    let state = appliance.state();
    let planned = appliance
        .command(&["--output", "json", "init", "--software", "--dry-run", "--dir"])
        .arg(&state)
        .output()
        .unwrap();
    let planned = String::from_utf8(planned.stdout).unwrap();
    let steps: Vec<serde_json::Value> = planned
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        steps
            .iter()
            .any(|step| step["step"] == "root" && step["outcome"] == "is there"),
        "{steps:?}"
    );

    let checked = appliance.json(&["config", "check"]);
    assert_eq!(checked["problems"], serde_json::json!([]));
    let keys = appliance.json(&["config", "reference"]);
    let drain = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["key"] == "limits.drain_seconds")
        .unwrap();
    assert_eq!(
        (&drain["default"], &drain["file"]),
        (&10.into(), &"chancery.toml".into())
    );
    appliance.edit("connections = 4096", "connections = 0");
    appliance.edit("api_body = 1048576", "api_body = 1");
    let refused = appliance.run(&["--output", "json", "config", "check"]);
    assert_eq!(refused.status.code(), Some(78));
    let told: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(told["problems"].as_array().unwrap().len(), 2, "{told}");
    appliance.edit("connections = 0", "connections = 4096");
    appliance.edit("api_body = 1", "api_body = 1048576");

    appliance.serve();
    appliance.ok(&[
        "ca",
        "subordinate",
        "ad",
        "--subject",
        "CN=AD",
        "--token",
        "software",
    ]);
    let csr = appliance.json(&["ca", "csr", "ad"]);
    assert!(
        csr["csr_pem"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE REQUEST"),
        "{csr}"
    );
}

#[test]
fn what_cannot_be_meant_is_told_before_the_server_is_asked() {
    let appliance = Appliance::init(Keys::Software);
    let reason = appliance.run(&["cert", "revoke", "5a", "--reason", "keyCompromize"]);
    assert_eq!(reason.status.code(), Some(2));
    assert!(text(&reason).contains("keyCompromise"), "{}", text(&reason));
    let file = appliance.run(&["cert", "issue", "--profile", "tls-server", "nowhere.csr"]);
    assert!(text(&file).contains("is the path right"), "{}", text(&file));
}

#[test]
fn what_could_not_be_written_is_not_ordered() {
    let appliance = Appliance::start(Keys::Software);
    let csr = appliance.csr("lost", "/CN=lost.test", Some("DNS:lost.test"));
    let order = ["cert", "issue", "--profile", "tls-server", "--ca", "issuing"];
    let lost = appliance.run(&[&order[..], &[csr.to_str().unwrap(), "--out", "/nowhere/lost.pem"]].concat());
    assert!(text(&lost).contains("nothing was ordered"), "{}", text(&lost));
    let listed = appliance.json(&["cert", "list", "--name", "lost.test"]);
    assert_eq!(listed, serde_json::json!([]));
    // Nor is the certificate of a CA renewed where that changes nothing.
    let issuing = appliance.json(&["ca", "show", "issuing"]);
    let pem = appliance.write("issuing.pem", issuing["certificate_pem"].as_str().unwrap());
    let serial = judge(
        "openssl",
        &["x509", "-in", pem.to_str().unwrap(), "-noout", "-serial"],
    );
    let serial = serial.trim().trim_start_matches("serial=").to_lowercase();
    let renewed = appliance.run(&["cert", "renew", &serial]);
    assert!(
        text(&renewed).contains("chancery ca rollover"),
        "{}",
        text(&renewed)
    );
}

#[test]
fn files_that_cannot_be_used_are_told_by_the_check() {
    let appliance = Appliance::init(Keys::SoftHsm);
    let pin = appliance.state().join("pin");
    judge("chmod", &["644", pin.to_str().unwrap()]);
    let signing = appliance.state().join("signerd.toml");
    let text_of = std::fs::read_to_string(&signing).unwrap();
    std::fs::write(&signing, text_of.replace("libsofthsm2.so", "libsofthsm3.so")).unwrap();
    let checked = appliance.run(&["config", "check"]);
    assert_eq!(checked.status.code(), Some(78));
    for expected in [
        "tokens[0].pin_file",
        "everybody",
        "tokens[0].module",
        "libsofthsm3.so",
    ] {
        assert!(
            text(&checked).contains(expected),
            "{expected}: {}",
            text(&checked)
        );
    }
}

/// The error that a command prints for machines, and its exit status.
fn error_of(appliance: &Appliance, words: &[&str]) -> (Option<i32>, serde_json::Value) {
    let output = appliance.run(&[&["--output", "json"], words].concat());
    let said: serde_json::Value =
        serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{words:?}: {}", text(&output)));
    assert!(output.stdout.is_empty(), "{}", text(&output));
    (output.status.code(), said["error"].clone())
}

#[test]
fn an_error_is_told_to_machines_too() {
    let appliance = Appliance::start(Keys::Software);
    let csr = appliance.csr("one", "/CN=one.test", Some("DNS:one.test"));
    let order = [
        "cert",
        "issue",
        "--profile",
        "nothing",
        "--ca",
        "issuing",
        csr.to_str().unwrap(),
    ];
    let (code, error) = error_of(&appliance, &order);
    assert_eq!((code, &error["retryable"]), (Some(3), &json!(false)), "{error}");
    assert_eq!(
        (&error["code"], &error["hint"]),
        (
            &json!("unknown_profile"),
            &json!("see the profiles there are: chancery profile list")
        )
    );
    assert!(!error["message"].as_str().unwrap().contains("hint"), "{error}");
    let away = ["--server", "https://127.0.0.1:1", "ca", "list"];
    let (code, error) = error_of(&appliance, &away);
    assert_eq!(code, Some(4), "{error}");
    assert_eq!(
        (&error["code"], &error["retryable"]),
        (&json!("server_unreachable"), &json!(true))
    );
    for words in [
        &["frobnicate"][..],
        &["backup", "--to", "/nowhere/one.age"],
        &["audit", "verify", "--key", "x"],
    ] {
        let (code, error) = error_of(&appliance, words);
        assert_eq!(
            (code, &error["code"]),
            (Some(2), &json!("usage")),
            "{words:?}: {error}"
        );
    }
}

#[test]
fn an_error_says_what_to_do_about_it() {
    let appliance = Appliance::start(Keys::Software);
    let words = ["--token-file", "/nowhere.token", "ca", "list"];
    assert!(
        error_of(&appliance, &words).1["message"]
            .to_string()
            .contains("--token-file")
    );
    let (code, error) = error_of(&appliance, &["audit", "prove", "9999"]);
    assert_eq!((code, &error["code"]), (Some(3), &json!("not_found")), "{error}");
    assert!(
        error["message"].to_string().contains("chancery audit tail"),
        "{error}"
    );
    let none = appliance.run(&["audit", "tail", "--object", "issuing"]);
    assert!(
        text(&none).contains("chancery ca show issuing"),
        "{}",
        text(&none)
    );
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let full = appliance
        .command(&["audit", "export"])
        .env("CHANCERY_CONFIG", appliance.config())
        .stdout(full)
        .output()
        .unwrap();
    assert!(
        !full.status.success() && text(&full).contains("make room"),
        "{}",
        text(&full)
    );
    // By the store and by the API.
    for words in [["store", "check"], ["audit", "tail"]] {
        let all = [&["-o", "json", "--config", "/nowhere.toml"][..], &words].concat();
        let output = appliance.command(&all).output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        let error = &said["error"];
        assert_eq!(
            (output.status.code(), &error["code"]),
            (Some(78), &json!("configuration_unusable")),
            "{words:?}"
        );
        let message = error["message"].as_str().unwrap();
        assert_eq!(message.matches("No such file").count(), 1, "{message}");
    }
}
