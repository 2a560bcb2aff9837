//! Backups of a running server, restored after a disaster: what was handed out is known, what was revoked stays revoked, and nothing
//! is good that nobody knows. The judges are openssl, SoftHSM2, PostgreSQL, age and tar.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use store_bed::Postgres;

use crate::harness::{Appliance, Keys, judge, text};

/// The key of backups, and its recipient.
pub(crate) fn key(appliance: &Appliance, name: &str) -> (PathBuf, String) {
    let file = appliance.file(name);
    let told = appliance.json(&["backup", "keygen", "--to", file.to_str().unwrap()]);
    (file, told["recipient"].as_str().unwrap().to_owned())
}

/// Makes a backup; its file. Without a server it is not signed.
pub(crate) fn backup(appliance: &Appliance, recipient: &str, name: &str) -> PathBuf {
    let file = appliance.file(name);
    let made = appliance.run(&["backup", "--recipient", recipient, "--to", file.to_str().unwrap()]);
    assert!(matches!(made.status.code(), Some(0 | 5)), "{}", text(&made));
    file
}

/// When a backup was made.
pub(crate) fn taken_at(appliance: &Appliance, file: &Path, key: &Path) -> String {
    let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let manifest = appliance.json(&["backup", "inspect", file, "--identity", key]);
    manifest["header"]["taken_at"].as_str().unwrap().to_owned()
}

/// `chancery restore` with further words; into a new database where the tests run over PostgreSQL and none is named.
pub(crate) fn restore(appliance: &Appliance, file: &Path, key: &Path, words: &[&str]) -> Output {
    let mut command = appliance.command(&["--output", "json", "restore"]);
    command.arg(file).arg("--identity").arg(key).args(words);
    if !words.contains(&"--store-url") {
        command.args(new_database(appliance));
    }
    command.output().unwrap()
}

/// The words that name an empty database; none where the store is a file.
pub(crate) fn new_database(appliance: &Appliance) -> Vec<String> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = format!("restored-{}.db", MADE.fetch_add(1, Ordering::Relaxed));
    store_bed::url(&appliance.file(&name)).map_or_else(Vec::new, |url| vec!["--store-url".to_owned(), url])
}

pub(crate) fn restored(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The audit log of a store as an export has it: an entry a line.
pub(crate) fn export(appliance: &Appliance, name: &str) -> PathBuf {
    let entries = appliance
        .store()
        .read_here(|reader| ::store::audit::after(reader, 0, u32::MAX))
        .unwrap();
    let lines: Vec<String> = entries
        .iter()
        .map(|one| {
            let (entry, hash) = (&one.entry, hexadecimal(&one.hash));
            let at = jiff::Timestamp::from_millisecond(entry.at).unwrap().to_string();
            let details = serde_json::value::RawValue::from_string(entry.details.clone()).unwrap();
            let line = [
                ("seq", json!(one.seq).to_string()),
                ("at", json!(at).to_string()),
                ("actor", json!(entry.actor).to_string()),
                ("action", json!(entry.action).to_string()),
                ("object", json!(entry.object).to_string()),
                ("outcome", json!(entry.outcome).to_string()),
                ("details", details.get().to_owned()),
                ("hash", json!(hash).to_string()),
            ];
            let fields: Vec<String> = line
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", fields.join(","))
        })
        .collect();
    appliance.write(name, &lines.join("\n"))
}

pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

/// The serial of the certificate of this name.
fn serial(appliance: &Appliance, name: &str) -> String {
    let listed = appliance.json(&["cert", "list", "--name", name]);
    listed[0]["serial"].as_str().unwrap().to_owned()
}

pub(crate) fn issue(appliance: &Appliance, name: &str) -> (PathBuf, String) {
    let host = format!("{name}.test");
    let file = appliance.issue(
        name,
        "tls-server",
        &format!("/CN={host}"),
        Some(&format!("DNS:{host}")),
    );
    (file, serial(appliance, &host))
}

pub(crate) fn revoke(appliance: &Appliance, serial: &str, reason: &str) {
    appliance.ok(&["cert", "revoke", serial, "--reason", reason]);
}

/// What openssl's OCSP client is told about a serial: `good`, `revoked` or `unknown`.
pub(crate) fn ocsp(appliance: &Appliance, serial: &str) -> String {
    let url = appliance.json(&["ca", "show", "issuing"])["ocsp_url"].clone();
    let (issuer, root) = (appliance.ca("issuing"), appliance.ca("root"));
    let (issuer, root) = (issuer.to_str().unwrap(), root.to_str().unwrap());
    let number = format!("0x{serial}");
    let words = [
        "ocsp",
        "-issuer",
        issuer,
        "-serial",
        &number,
        "-url",
        url.as_str().unwrap(),
        "-CAfile",
        root,
        "-verify_other",
        issuer,
    ];
    let told = judge("openssl", &words);
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{number}: ")));
    line.unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[test]
fn an_archive_in_a_place_of_its_own_is_told_as_left_out() {
    let appliance = Appliance::start(Keys::Software);
    let (_, recipient) = key(&appliance, "key");
    let left_out = |file: &str| {
        let to = appliance.file(file);
        let words = ["backup", "--recipient", &recipient, "--to", to.to_str().unwrap()];
        appliance.json(&words)["left_out"].to_string()
    };
    assert!(!left_out("within.age").contains("archive"));
    appliance.edit(r#"archive = "archive""#, r#"archive = "/srv/old""#);
    let told = left_out("outside.age");
    assert!(
        told.contains("archive of ended certificates (/srv/old)"),
        "{told}"
    );
}

/// The number of the CRL that is published, as openssl reads it, and whether a serial is on it.
fn crl(appliance: &Appliance, serial: &str) -> (u64, bool) {
    let url = appliance.json(&["ca", "show", "issuing"])["crl_url"].clone();
    let file = appliance.file("fetched.crl");
    judge(
        "curl",
        &["-sf", "-o", file.to_str().unwrap(), url.as_str().unwrap()],
    );
    let words = [
        "crl",
        "-inform",
        "DER",
        "-noout",
        "-text",
        "-crlnumber",
        "-in",
        file.to_str().unwrap(),
    ];
    let told = judge("openssl", &words);
    let number = told
        .lines()
        .find_map(|line| line.strip_prefix("crlNumber=0x"))
        .unwrap();
    let is_listed = told.to_lowercase().contains(&format!("serial number: {serial}"));
    (u64::from_str_radix(number, 16).unwrap(), is_listed)
}

/// Ends the server and takes away all that it had.
pub(crate) fn disaster(appliance: &mut Appliance) {
    appliance.signal("KILL");
    appliance.wait();
    store_bed::lose(&appliance.file("chancery.db"));
    std::fs::remove_dir_all(appliance.state()).unwrap();
    for entry in std::fs::read_dir(appliance.file("tokens")).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
}

#[test]
fn e2e_backup_softhsm_nothing_is_good_that_was_revoked_or_is_not_known() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let (key, recipient) = key(&appliance, "key");
    let (_, good) = issue(&appliance, "good");
    let (_, gone) = issue(&appliance, "gone");
    let (_, doomed) = issue(&appliance, "doomed");
    let (_, held) = issue(&appliance, "held");
    revoke(&appliance, &gone, "keyCompromise");
    revoke(&appliance, &held, "certificateHold");
    let token = appliance.json(&["api-token", "create", "leaver", "--role", "operator"]);
    let file = backup(&appliance, &recipient, "one.age");
    let verified = appliance.json(&[
        "backup",
        "verify",
        file.to_str().unwrap(),
        "--identity",
        key.to_str().unwrap(),
    ]);
    assert_eq!(verified["is_sound"], true, "{verified}");
    let checks = verified["checks"].to_string();
    assert!(checks.contains("signs through the signing process"), "{checks}");
    assert!(checks.contains("is in the backup and signs"), "{checks}");

    // What the backup does not know.
    let (later, kept) = issue(&appliance, "kept");
    let (_, lost) = issue(&appliance, "lost");
    revoke(&appliance, &doomed, "superseded");
    revoke(&appliance, &held, "removeFromCRL");
    appliance.ok(&["api-token", "revoke", token["id"].as_str().unwrap()]);
    appliance.ok(&["ca", "publish-crl", "issuing"]);
    assert_eq!(ocsp(&appliance, &doomed), "revoked");
    let (number, _) = crl(&appliance, &doomed);
    let log = export(&appliance, "audit.jsonl");
    let entries = std::fs::read_to_string(&log).unwrap().lines().count() as u64;
    disaster(&mut appliance);

    let (log, later) = (log.to_str().unwrap(), later.to_str().unwrap());
    let words = ["--audit-export", log, "--certificates", later];
    let planned = restored(&restore(
        &appliance,
        &file,
        &key,
        &[&words[..], &["--dry-run"]].concat(),
    ));
    assert!(planned["store"].as_str().unwrap().contains("a new file") || store_bed::is_postgres());
    let done = restored(&restore(&appliance, &file, &key, &words));
    let epoch = &done["epoch"];
    assert_eq!(epoch["certificates_taken_in"], 1, "{done}");
    assert_eq!(epoch["serials_revoked"], 1, "{done}");
    assert_eq!(epoch["revocations"], 1, "{done}");
    assert_eq!(epoch["releases"], 1, "{done}");
    assert_eq!(epoch["tokens_ended"], 1, "{done}");
    assert_eq!(epoch["not_brought_back"], json!({}), "{done}");
    appliance.serve();
    for (serial, expected) in [
        (&good, "good"),
        (&gone, "revoked"),
        (&doomed, "revoked"),
        (&held, "good"),
        (&kept, "good"),
        (&lost, "revoked"),
        (&"5afe".repeat(8), "unknown"),
    ] {
        assert_eq!(ocsp(&appliance, serial), expected, "{serial}");
    }
    // Until there is another, that of the backup is handed out.
    crate::audit::wait_until("no newer list", || crl(&appliance, &lost).0 > number + 1_000_000);
    let (next, is_listed) = crl(&appliance, &lost);
    assert!(
        next > number + 1_000_000 && is_listed,
        "{next} after {number}: {is_listed}"
    );
    assert!(crl(&appliance, &doomed).1 && !crl(&appliance, &good).1);
    // The log goes on where it was, with every entry that it had.
    let audit = appliance.json(&["audit", "verify"]);
    assert_eq!(audit["sound"], true);
    assert!(audit["entries"].as_u64().unwrap() > entries);
    assert_eq!(
        epoch["log_continued"].as_u64().unwrap() + verified["audit_entries"].as_u64().unwrap(),
        entries
    );
    let tokens = appliance.json(&["api-token", "list"]).to_string();
    assert!(tokens.contains("leaver"), "{tokens}");
    let (_, again) = issue(&appliance, "again");
    assert_eq!(ocsp(&appliance, &again), "good");
    appliance.check_store().unwrap();
}

#[test]
fn e2e_backup_softhsm_without_an_export_the_loss_is_accepted_by_its_time() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let (key, recipient) = key(&appliance, "key");
    let (_, doomed) = issue(&appliance, "doomed");
    let file = backup(&appliance, &recipient, "one.age");
    let at = taken_at(&appliance, &file, &key);
    let (_, lost) = issue(&appliance, "lost");
    revoke(&appliance, &doomed, "keyCompromise");
    disaster(&mut appliance);
    let refused = restore(&appliance, &file, &key, &[]);
    assert!(
        text(&refused).contains(&format!("--accept-lost-revocations {at}")),
        "{}",
        text(&refused)
    );
    let other = restore(
        &appliance,
        &file,
        &key,
        &["--accept-lost-revocations", "2020-01-01T00:00:00Z"],
    );
    assert!(text(&other).contains("nothing was changed"), "{}", text(&other));
    assert!(!appliance.state().exists());
    let words = ["--accept-lost-revocations", &at];
    let planned = restored(&restore(
        &appliance,
        &file,
        &key,
        &[words[0], words[1], "--dry-run"],
    ));
    assert_eq!(planned["changed"], "nothing: this was a dry run");
    assert!(!appliance.state().exists());
    let done = restored(&restore(&appliance, &file, &key, &words));
    assert!(done["warnings"].to_string().contains("is good again"), "{done}");
    appliance.serve();
    assert_eq!(ocsp(&appliance, &lost), "unknown");
    assert_eq!(ocsp(&appliance, &doomed), "good");
    let logged = appliance.json(&["audit", "tail", "-n", "50"]).to_string();
    assert!(logged.contains("store.restore"), "{logged}");
}

/// From where it was, a file in the first round, to PostgreSQL, and from there to a file.
#[test]
fn e2e_backup_postgres_is_restored_from_a_file_and_back() {
    let mut appliance = Appliance::start(Keys::Software);
    let (key, recipient) = key(&appliance, "key");
    let (_, good) = issue(&appliance, "good");
    let (_, gone) = issue(&appliance, "gone");
    revoke(&appliance, &gone, "superseded");
    let file = backup(&appliance, &recipient, "one.age");
    let at = taken_at(&appliance, &file, &key);
    appliance.signal("TERM");
    appliance.wait();
    let database = Postgres::start();
    let (url, accept) = (database.url(), ["--accept-lost-revocations", &at]);
    let moved = appliance.file("moved");
    let words = [
        accept[0],
        accept[1],
        "--dir",
        moved.to_str().unwrap(),
        "--store-url",
        &url,
    ];
    let done = restored(&restore(&appliance, &file, &key, &words));
    assert!(done["store"].as_str().unwrap().contains("chancery"), "{done}");
    let again = restore(
        &appliance,
        &file,
        &key,
        &[
            &words[..3],
            &[appliance.file("third").to_str().unwrap()],
            &words[4..],
        ]
        .concat(),
    );
    assert!(text(&again).contains("empty database"), "{}", text(&again));

    appliance.config_is(moved.join("chancery.toml"));
    appliance.serve();
    assert_eq!(
        (ocsp(&appliance, &good).as_str(), ocsp(&appliance, &gone).as_str()),
        ("good", "revoked")
    );
    let (_, more) = issue(&appliance, "more");
    let (number, _) = crl(&appliance, &gone);
    let second = backup(&appliance, &recipient, "two.age");
    let key_path = key.to_str().unwrap();
    let verified = appliance.json(&[
        "backup",
        "verify",
        second.to_str().unwrap(),
        "--identity",
        key_path,
    ]);
    assert_eq!(verified["is_sound"], true, "{verified}");
    let at = taken_at(&appliance, &second, &key);
    appliance.signal("TERM");
    appliance.wait();
    let back = appliance.file("back");
    let words = [
        "--accept-lost-revocations",
        &at,
        "--dir",
        back.to_str().unwrap(),
        "--store-url",
        "sqlite:chancery.db",
    ];
    restored(&restore(&appliance, &second, &key, &words));
    appliance.config_is(back.join("chancery.toml"));
    appliance.serve();
    for (serial, expected) in [(&good, "good"), (&gone, "revoked"), (&more, "good")] {
        assert_eq!(ocsp(&appliance, serial), expected);
    }
    crate::audit::wait_until("no newer list", || crl(&appliance, &gone).0 > number + 1_000_000);
    assert_eq!(appliance.json(&["audit", "verify"])["sound"], true);
}

/// A restore into a database that is killed in the middle is no store, and goes on with the same backup.
#[test]
fn e2e_backup_postgres_a_restore_that_breaks_off_goes_on() {
    use std::io::Write as _;
    use std::process::Stdio;

    let mut appliance = Appliance::start(Keys::Software);
    let (key, recipient) = key(&appliance, "key");
    issue(&appliance, "good");
    // What comes after the rows, so that most of the backup has them.
    judge(
        "dd",
        &[
            "if=/dev/urandom",
            "bs=1k",
            "count=800",
            &format!("of={}", appliance.state().join("big").display()),
        ],
    );
    let file = backup(&appliance, &recipient, "one.age");
    let at = taken_at(&appliance, &file, &key);
    appliance.signal("KILL");
    appliance.wait();
    let (database, target) = (Postgres::start(), appliance.file("target"));
    let url = database.url();
    let words = [
        "--accept-lost-revocations",
        &at,
        "--dir",
        target.to_str().unwrap(),
        "--store-url",
        &url,
    ];
    let mut command = appliance.command(&["restore", "-", "--identity"]);
    command
        .arg(&key)
        .args(words)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let octets = std::fs::read(&file).unwrap();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&octets[..octets.len() * 3 / 4])
        .unwrap();
    // Rows are in the database, and the rest never comes.
    let since = std::time::Instant::now();
    let has_schema =
        || database.run("SELECT count(*) FROM information_schema.tables WHERE table_name = 'audit'") == "1";
    while !(has_schema() && database.run("SELECT count(*) FROM audit") != "0") {
        assert!(
            since.elapsed() < std::time::Duration::from_mins(1),
            "nothing arrives"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!target.exists());
    let stranger = Appliance::empty()
        .init_on(Some(&url), &["--software"])
        .output()
        .unwrap();
    assert!(
        text(&stranger).contains("run `chancery restore` again with the same file"),
        "{}",
        text(&stranger)
    );
    restored(&restore(&appliance, &file, &key, &words));
    appliance.config_is(target.join("chancery.toml"));
    appliance.serve();
    issue(&appliance, "later");
}

#[test]
fn e2e_backup_age_and_tar_open_what_is_made_and_their_keys_are_taken() {
    let appliance = Appliance::start(Keys::Software);
    let key = appliance.file("key");
    judge("age-keygen", &["-o", key.to_str().unwrap()]);
    let recipient = judge("age-keygen", &["-y", key.to_str().unwrap()]);
    let list = appliance.write("recipients", &format!("# ours\n{recipient}"));
    let file = appliance.file("one.age");
    appliance.ok(&[
        "backup",
        "--recipients-file",
        list.to_str().unwrap(),
        "--to",
        file.to_str().unwrap(),
    ]);
    let plain = appliance.file("one.tar.gz");
    judge(
        "age",
        &[
            "-d",
            "-i",
            key.to_str().unwrap(),
            "-o",
            plain.to_str().unwrap(),
            file.to_str().unwrap(),
        ],
    );
    let listed = judge("tar", &["-tzf", plain.to_str().unwrap()]);
    let names: Vec<&str> = listed.lines().collect();
    assert_eq!(
        (names[0], names[names.len() - 1]),
        ("header.json", "manifest.sig")
    );
    for name in [
        "files/state/chancery.toml",
        "files/state/signerd.toml",
        "files/state/tls/server.key",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert!(
        names.iter().any(|name| name.starts_with("files/state/keys/")),
        "{names:?}"
    );
    assert!(!names.iter().any(|name| name.contains("chancery.db")
        || name.contains("/ocsp-answers")
        || name.ends_with("/node")));
    let inspected = appliance.json(&[
        "backup",
        "inspect",
        file.to_str().unwrap(),
        "--identity",
        key.to_str().unwrap(),
    ]);
    let keys = inspected["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 5, "{inspected}");
    assert!(keys.iter().any(|key| key["used_by"] == json!(["audit log"])));
    let issuing = keys
        .iter()
        .find(|key| key["used_by"][0] == "ca issuing 1")
        .unwrap();
    assert_eq!(
        issuing["chain"],
        json!(["CN=Chancery Issuing CA", "CN=Chancery Root CA"])
    );
    assert_eq!(
        (&issuing["token"], &issuing["is_included"]),
        (&json!("software"), &json!(true))
    );
}

#[test]
fn a_backup_of_a_stopped_server_by_a_key_with_a_passphrase_goes_through_a_pipe() {
    let mut appliance = Appliance::start(Keys::Software);
    appliance.signal("TERM");
    appliance.wait();
    let phrase = appliance.write("phrase", "correct horse\n");
    judge("chmod", &["600", phrase.to_str().unwrap()]);
    let key = appliance.file("key");
    let (phrase, key_path) = (phrase.to_str().unwrap(), key.to_str().unwrap());
    let told = appliance.json(&["backup", "keygen", "--to", key_path, "--passphrase-file", phrase]);
    let piped = appliance.run(&[
        "backup",
        "--recipient",
        told["recipient"].as_str().unwrap(),
        "--to",
        "-",
    ]);
    let told = String::from_utf8_lossy(&piped.stderr);
    assert!(
        piped.status.code() == Some(5) && told.contains("NOT signed"),
        "{told}"
    );
    let file = appliance.file("piped.age");
    std::fs::write(&file, &piped.stdout).unwrap();
    let file = file.to_str().unwrap();
    let words = [
        "backup",
        "verify",
        file,
        "--identity",
        key_path,
        "--passphrase-file",
        phrase,
    ];
    let work = appliance.file("work");
    std::fs::create_dir(&work).unwrap();
    let output = ["--output", "json"];
    let more = ["--work-dir", work.to_str().unwrap()];
    let verified = appliance.run(&[&output[..], &words, &more].concat());
    // All that is wrong with it is that no signing process was there to sign it.
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    let told: Value = serde_json::from_slice(&verified.stdout).unwrap();
    let problems = told["checks"].as_array().unwrap().iter();
    let problems: Vec<&Value> = problems.filter(|one| !one["problem"].is_null()).collect();
    assert_eq!(problems.len(), 1, "{told}");
    assert!(problems[0].to_string().contains("is not signed"), "{told}");
    assert_eq!(
        std::fs::read_dir(&work).unwrap().count(),
        0,
        "the sandbox is gone"
    );
    let told = text(&appliance.run(&words[..5]));
    assert!(told.contains("--passphrase-file"), "{told}");
}

/// The configuration and the PIN stand apart from the state, as under systemd.
#[test]
fn e2e_backup_softhsm_two_folders_and_a_pin_elsewhere_come_back() {
    let mut appliance = Appliance::empty();
    let etc = appliance.file("etc");
    let elsewhere = appliance.file("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let pin = elsewhere.join("pin");
    let words = [
        "--init-token",
        "--config-dir",
        etc.to_str().unwrap(),
        "--pin-file",
        pin.to_str().unwrap(),
    ];
    let made = appliance.init_command(&words).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    appliance.config_is(etc.join("chancery.toml"));
    appliance.serve();
    let (key, recipient) = key(&appliance, "key");
    let file = backup(&appliance, &recipient, "one.age");
    let at = taken_at(&appliance, &file, &key);
    appliance.signal("KILL");
    appliance.wait();
    for folder in [&etc, &elsewhere, &appliance.state()] {
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::create_dir(&etc).unwrap();
    std::fs::write(etc.join("chancery.toml"), "version = 1\n").unwrap();
    let accept = ["--accept-lost-revocations", &at];
    let refused = restore(&appliance, &file, &key, &accept);
    assert!(text(&refused).contains("--replace"), "{}", text(&refused));
    assert!(!appliance.state().exists());
    let done = restored(&restore(
        &appliance,
        &file,
        &key,
        &[accept[0], accept[1], "--replace"],
    ));
    assert!(
        done["kept_under_another_name"][0]
            .as_str()
            .unwrap()
            .contains("chancery.toml.before-restore-"),
        "{done}"
    );
    assert!(
        done["put_in_place"].to_string().contains(pin.to_str().unwrap()),
        "{done}"
    );
    appliance.serve();
    issue(&appliance, "again");
}
