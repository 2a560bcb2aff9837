//! The program as somebody starts it who has read no more than its help: what it says in which form, what it ends with, and what it leaves
//! alone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const FILE: &str = "auth: { method: none }\ncertificate: { name: web, sans: { dns: [a.example] }, output: { dir: tls }, state_dir: state, \
                    deploy: [{ type: nginx, cert_path: nginx/cert.pem, key_path: nginx/key.pem }] }\n";

fn courier(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_courier"));
    command.current_dir(dir).args(words).env_clear();
    command.output().unwrap()
}

fn file(dir: &Path) {
    let path = dir.join("config.yaml");
    std::fs::write(&path, FILE).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// What stands on standard output, line by line; each is one object.
fn told(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_dry_run_of_what_has_none_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    file(dir);
    let order = "550e8400-e29b-41d4-a716-446655440000";
    let commands: [&[&str]; 8] = [
        &["revoke", "--reason", "keyCompromise"],
        &["export", "--format", "der", "--out", "out"],
        &["order", "cancel", order],
        &["trust", "--out", "out"],
        &["init", "--method", "spiffe", "--out", "out"],
        &["man", "--dir", "."],
        &["schedule", "install", "--root", "."],
        &["schedule", "remove", "--root", "."],
    ];
    for words in commands {
        let done = courier(dir, &[&["--dry-run", "--output", "json"], words].concat());
        assert_eq!(done.status.code(), Some(2), "{words:?}: {done:?}");
        let told = told(&done);
        let message = told[0]["error"]["message"].as_str().unwrap();
        assert!(message.contains("has no dry run"), "{words:?}: {message}");
        assert_eq!(names(dir), ["config.yaml"], "{words:?}");
    }
    let made = courier(dir, &["--dry-run", "--output", "json", "generate-keys"]);
    assert_eq!(told(&made)[0]["action"], "would_make_key", "{made:?}");
    assert!(!dir.join("state/web.prepared-key.pem").exists());
}

#[test]
fn a_command_line_that_is_wrong_is_told_in_the_form_it_asks_for() {
    let dir = tempfile::tempdir().unwrap();
    for words in [
        &["--output", "json", "--unheard-of"] as &[&str],
        &["--output=json", "status", "--unheard-of"],
        &["--output", "json", "unheard-of"],
        &["--output", "json", "export"],
        &["--output", "json", "revoke", "--reason", "because"],
        &["--output", "json", "--wait", "soon", "run"],
    ] {
        let done = courier(dir.path(), words);
        assert_eq!(done.status.code(), Some(2), "{words:?}");
        let told = told(&done);
        assert_eq!(told.len(), 1, "{words:?}");
        assert_eq!(told[0]["error"]["code"], "USAGE", "{words:?}");
        let message = told[0]["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("--help") && !message.starts_with("error"),
            "{message}"
        );
        let simple = courier(dir.path(), &[words, &["--exit-codes", "simple"]].concat());
        assert_eq!(simple.status.code(), Some(1), "{words:?}");
    }
    let done = courier(dir.path(), &["--unheard-of"]);
    assert!(done.stdout.is_empty() && !done.stderr.is_empty());
    // What stands behind `--` is no option.
    let done = courier(dir.path(), &["--", "--output", "json"]);
    assert!(done.stdout.is_empty() && done.status.code() == Some(2));
    for words in [&["--help"] as &[&str], &["-V"], &["help", "run"]] {
        let done = courier(dir.path(), words);
        assert!(
            done.status.success() && !done.stdout.is_empty(),
            "{words:?}: {done:?}"
        );
    }
}

#[test]
fn every_result_is_json_where_json_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path());
    for words in [
        &["validate-config"] as &[&str],
        &["schedule", "print"],
        &["schedule", "print", "--format", "cron"],
        &["schedule", "print", "--format", "windows-task"],
        &["schedule", "remove", "--root", "."],
        &["generate-keys"],
        &["status", "--offline"],
        &["doctor"],
        &["run"],
        &["renew"],
        &["deploy"],
        &["check-health"],
        &["check-api-auth"],
        &["trust"],
        &["order", "list"],
        &["revoke", "--reason", "superseded"],
        &["export", "--format", "der", "--out", "out"],
        &["--name", "nobody", "status"],
        &["-c", "nowhere.yaml", "status"],
        &["--config-dir", "nowhere", "status"],
    ] {
        let done = courier(dir.path(), &[&["--output", "json"], words].concat());
        let told = told(&done);
        assert!(
            !told.is_empty() && told.iter().all(Value::is_object),
            "{words:?}: {done:?}"
        );
    }
    let printed = courier(dir.path(), &["--output", "json", "schedule", "print"]);
    let printed = told(&printed);
    let names: Vec<&str> = printed[0]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["courier-config.service", "courier-config.timer"]);
}

#[test]
fn the_doctor_looks_at_the_servers_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    file(dir);
    let about_nginx = || {
        let done = courier(dir, &["--output", "json", "doctor"]);
        let found = told(&done).into_iter();
        let mut found = found.filter(|finding| finding["about"] == "web: deploy nginx");
        found.next().unwrap()["detail"].as_str().unwrap().to_owned()
    };
    let missing = about_nginx();
    assert!(missing.ends_with("nginx does not exist: make it"), "{missing}");
    std::fs::create_dir(dir.join("nginx")).unwrap();
    // Without a PATH there is no program either.
    let programs = about_nginx();
    assert!(programs.contains("`nginx` is no program"), "{programs}");
}

#[test]
fn what_needs_the_appliance_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(
        dir.join("config.yaml"),
        "api: { uuid: 550e8400-e29b-41d4-a716-446655440000 }\nauth: { method: spiffe }\n",
    )
    .unwrap();
    for word in ["check-api-health", "check-api-auth"] {
        let done = courier(dir, &[word]);
        assert_eq!(done.status.code(), Some(2));
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(said.contains("`api.base_url`"), "{word}: {said}");
    }
}

#[test]
fn a_password_that_is_empty_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    file(dir);
    let password = dir.join("password");
    std::fs::write(&password, "\n").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::create_dir(dir.join("tls")).unwrap();
    let line = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=a.example -addext \
                subjectAltName=DNS:a.example -keyout tls/privkey.pem -out tls/fullchain.pem";
    let made = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let words = [
        "export",
        "--format",
        "p12",
        "--password-file",
        "password",
        "--out",
        "out.p12",
    ];
    let done = courier(dir, &words);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("has no password"), "{said}");
    assert!(!dir.join("out.p12").exists());
    std::fs::write(&password, "s3cr3t\n").unwrap();
    assert!(courier(dir, &words).status.success());
}

#[test]
fn a_directory_of_files_is_nobody_elses_to_fill() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("conf.d");
    std::fs::create_dir(&inner).unwrap();
    file(&inner);
    let words = ["--config-dir", "conf.d", "validate-config"];
    assert!(courier(dir.path(), &words).status.success());
    std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let refused = courier(dir.path(), &words);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn a_file_is_checked_without_a_trace_and_as_a_run_would_take_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let write = |text: &str| std::fs::write(dir.join("config.yaml"), text).unwrap();
    write("api: { base_url: 'https://pki.example' }\nlogging: { file: courier.log }\n");
    for words in [&["validate-config"] as &[&str], &["schedule", "print"]] {
        let done = courier(dir, words);
        assert!(done.status.success(), "{done:?}");
        assert_eq!(names(dir), ["config.yaml"], "{words:?}");
    }
    write(
        "api: { base_url: 'https://pki.example', tls_server_name: a.example, proxy: 'http://proxy.example' }\n",
    );
    let refused = courier(dir, &["validate-config"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let refused = courier(dir, &["--config-dir", "nowhere", "validate-config"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn two_files_that_share_what_is_remembered_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Nobody listens there: a run ends early, and remembers that.
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    let auth = format!(
        "auth: {{ method: client_secret, uuid: {uuid}, client_id: cour_x, client_secret_file: secret }}\napi: {{ base_url: \
         'https://127.0.0.1:1', retries: 0 }}\n"
    );
    let text = FILE.replace("auth: { method: none }\n", &auth);
    std::fs::write(dir.join("secret"), "s3cr3t\n").unwrap();
    std::fs::set_permissions(dir.join("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(dir.join("config.yaml"), &text).unwrap();
    std::fs::write(dir.join("other.yaml"), text.replace("dir: tls", "dir: other")).unwrap();
    let warnings = |config: &str| {
        let done = courier(dir, &["--output", "json", "-c", config, "run"]);
        assert_eq!(done.status.code(), Some(4), "{done:?}");
        let told = told(&done);
        told[0]["warnings"].as_array().unwrap().len()
    };
    let inner = format!("{}/.//config.yaml", dir.display());
    assert_eq!(
        [warnings("config.yaml"), warnings(&inner), warnings("other.yaml")],
        [0, 0, 1]
    );
}

#[test]
fn files_are_handed_to_servers_while_no_run_is_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    file(dir);
    std::fs::create_dir(dir.join("state")).unwrap();
    let lock = std::fs::File::create(dir.join("state/web.lock")).unwrap();
    lock.lock().unwrap();
    let refused = courier(dir, &["--output", "json", "deploy"]);
    assert_eq!(refused.status.code(), Some(10), "{refused:?}");
    assert_eq!(told(&refused)[0]["error"]["code"], "LOCKED");
    // What only looks is let through.
    let looked = courier(dir, &["--output", "json", "--dry-run", "deploy"]);
    assert_eq!(looked.status.code(), Some(2), "{looked:?}");
    drop(lock);
    assert_eq!(courier(dir, &["deploy"]).status.code(), Some(2));
}
