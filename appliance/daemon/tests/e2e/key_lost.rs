//! A CA whose key is lost with its HSM: it is noted, nobody waits for its signatures, a backup is sound without it; and it is taken up
//! again when the key turns up after all.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Appliance, Keys, judge, softhsm, text};

fn refused(appliance: &Appliance, words: &[&str]) -> (Option<i32>, Value) {
    let output = appliance.run(&[&["--output", "json"], words].concat());
    let told: Value = serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{}", text(&output)));
    (output.status.code(), told["error"].clone())
}

fn stop(appliance: &mut Appliance) {
    appliance.signal("TERM");
    assert!(appliance.wait().success(), "{}", appliance.log_text());
}

fn state(appliance: &Appliance, ca: &str) -> String {
    appliance.json(&["ca", "show", ca])["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

const LOST: [&str; 5] = ["ca", "key-lost", "issuing", "--reason", "the HSM burnt"];

/// Gives where the token was, and where it is then.
fn is_refused_while_it_may_be_there(appliance: &mut Appliance) -> (PathBuf, PathBuf) {
    // The key is there; then its token is away, and may have it.
    let (code, told) = refused(appliance, &LOST);
    assert_eq!(
        (code, &told["code"]),
        (Some(3), &"issuer_key_there".into()),
        "{told}"
    );
    assert!(told["hint"].is_string(), "{told}");
    let tokens = appliance.file("tokens");
    let token = fs::read_dir(&tokens).unwrap().next().unwrap().unwrap().path();
    let away = appliance.file("away");
    fs::rename(&token, &away).unwrap();
    stop(appliance);
    appliance.serve();
    let (code, told) = refused(appliance, &LOST);
    assert_eq!(code, Some(4), "{told}");
    assert_eq!(state(appliance, "issuing"), "active");
    stop(appliance);
    (token, away)
}

fn gets_another_token(appliance: &mut Appliance) -> (token::Config, token::Config) {
    let signerd = appliance.state().join("signerd.toml");
    let with_old = fs::read_to_string(&signerd).unwrap();
    let module = softhsm();
    let (pin, so_pin) = (
        appliance.write("new-pin", "473625\n"),
        appliance.write("new-so", "98274652\n"),
    );
    for file in [&pin, &so_pin] {
        judge("chmod", &["600", file.to_str().unwrap()]);
    }
    let (pin, so_pin) = (
        pin.to_str().unwrap().to_owned(),
        so_pin.to_str().unwrap().to_owned(),
    );
    let words = ["--module", &module, "--label", "new", "--pin-file", &pin];
    appliance.ok(&[&["token", "init"], &words[..], &["--so-pin-file", &so_pin]].concat());
    let old: token::Config = toml::from_str(&with_old).unwrap();
    let mut config = old.clone();
    "new".clone_into(&mut config.tokens[0].name);
    config.tokens[0].label = Some("new".to_owned());
    config.tokens[0].pin_file = Some(pin.into());
    fs::write(&signerd, toml::to_string(&config).unwrap()).unwrap();
    appliance.serve();
    (old, config)
}

fn is_noted(appliance: &Appliance) {
    let (code, told) = refused(appliance, &["ca", "key-lost", "issuing", "--reason", " "]);
    assert_eq!((code, &told["code"]), (Some(3), &"reason_missing".into()));
    for ca in ["issuing", "root"] {
        let noted = appliance.json(&["ca", "key-lost", ca, "--reason", "the HSM burnt"]);
        assert_eq!(
            (&noted["state"], &noted["key_lost_reason"]),
            (&"key_lost".into(), &"the HSM burnt".into())
        );
        assert!(noted["key_lost_at"].is_string());
    }
    // Said twice it is as said once.
    appliance.json(&LOST);
    let entries = appliance.json(&["audit", "tail", "--lines", "100", "--action", "issuer.key_lost"]);
    assert_eq!(entries.as_array().unwrap().len(), 2, "{entries}");
}

fn does_nothing_more(appliance: &Appliance, serial: &str, url: &str) {
    // It issues nothing and makes no list; what there is goes on being handed out, and a revocation is recorded.
    let csr = appliance.csr("more", "/CN=more.test", Some("DNS:more.test"));
    let order = [
        "cert",
        "issue",
        "--profile",
        "tls-server",
        "--ca",
        "issuing",
        csr.to_str().unwrap(),
    ];
    assert_eq!(refused(appliance, &order).0, Some(3));
    let (code, told) = refused(appliance, &["ca", "publish-crl", "issuing"]);
    assert_eq!(
        (code, &told["code"]),
        (Some(3), &"issuer_key_lost".into()),
        "{told}"
    );
    assert!(told["hint"].as_str().unwrap().contains("key-found"), "{told}");
    judge("curl", &["-fsS", "-o", "/dev/null", url]);
    appliance.ok(&["cert", "revoke", serial]);
    assert_eq!(appliance.json(&["cert", "show", serial])["status"], "revoked");
}

fn is_in_no_backup(appliance: &Appliance) {
    // A backup does not want the key, and says so. The key of the audit log was lost with the others.
    appliance.ok(&["audit", "begin-anew", "--reason", "its key burnt with the HSM"]);
    let (key, backup) = (appliance.file("backup-key"), appliance.file("backup.age"));
    let (key, backup) = (key.to_str().unwrap(), backup.to_str().unwrap());
    appliance.ok(&["backup", "keygen", "--to", key]);
    let words = fs::read_to_string(key).unwrap();
    let recipient = words
        .split_whitespace()
        .find(|word| word.starts_with("age1"))
        .unwrap();
    appliance.ok(&["backup", "--recipient", recipient, "--to", backup]);
    let verified = appliance.run(&["backup", "verify", backup, "--identity", key]);
    assert!(verified.status.success(), "{}", text(&verified));
    assert_eq!(
        text(&verified).matches("is lost since").count(),
        2,
        "{}",
        text(&verified)
    );
    let (code, told) = refused(appliance, &["ca", "key-found", "issuing"]);
    assert_eq!(
        (code, &told["code"]),
        (Some(3), &"hsm_key_missing".into()),
        "{told}"
    );
}

#[test]
fn e2e_key_lost_softhsm() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let leaf = appliance.issue("leaf", "tls-server", "/CN=leaf.test", Some("DNS:leaf.test"));
    let serial = judge(
        "openssl",
        &["x509", "-noout", "-serial", "-in", leaf.to_str().unwrap()],
    );
    let serial = serial.trim().strip_prefix("serial=").unwrap().to_lowercase();
    let id = appliance.json(&["ca", "show", "issuing"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = format!("{}/.well-known/pki/crl/{id}", appliance.public_url());
    let (token, away) = is_refused_while_it_may_be_there(&mut appliance);
    let (mut old, mut config) = gets_another_token(&mut appliance);
    is_noted(&appliance);
    does_nothing_more(&appliance, &serial, &url);
    is_in_no_backup(&appliance);
    stop(&mut appliance);

    // It turns up after all: lists are made again, with what was revoked meanwhile.
    fs::rename(&away, &token).unwrap();
    config.tokens.append(&mut old.tokens);
    let signerd = appliance.state().join("signerd.toml");
    fs::write(&signerd, toml::to_string(&config).unwrap()).unwrap();
    appliance.serve();
    assert_eq!(state(&appliance, "issuing"), "key_lost");
    assert_eq!(
        appliance.json(&["ca", "key-found", "issuing"])["state"],
        "retired"
    );
    appliance.ok(&["ca", "publish-crl", "issuing"]);
    let crl = appliance.file("found.crl");
    judge("curl", &["-fsS", "-o", crl.to_str().unwrap(), &url]);
    let shown = judge(
        "openssl",
        &[
            "crl",
            "-inform",
            "DER",
            "-noout",
            "-text",
            "-in",
            crl.to_str().unwrap(),
        ],
    );
    assert!(shown.to_lowercase().contains(&serial), "{shown}");
}
