//! What is wrong with a backup, or with the place it is to go to, is told with what helps, and nothing is damaged.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::backup::{backup, key, new_database, restore, restored, taken_at};
use crate::harness::{Appliance, Keys, judge, text};

/// Everything that stands in a folder, with its contents.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(contents(&path));
        } else if path.is_file()
            && !["-shm", "-wal"]
                .iter()
                .any(|end| path.to_string_lossy().ends_with(end))
        {
            let octets = std::fs::read(&path).unwrap();
            found.push((path, octets));
        }
    }
    found.sort();
    found
}

/// The state folder and the store.
fn everything(appliance: &Appliance) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = contents(&appliance.state());
    if let Some(url) = appliance.database() {
        let dumped = judge("pg_dump", &[&url]);
        // Lines by which psql is kept from reading what was not dumped differ each time.
        let lines = dumped.lines().filter(|line| !line.contains("restrict "));
        let lines: Vec<&str> = lines.collect();
        found.push((PathBuf::from("the database"), lines.join("\n").into_bytes()));
    }
    found
}

pub(crate) fn stopped(keys: Keys) -> (Appliance, PathBuf, PathBuf, String) {
    let mut appliance = Appliance::start(keys);
    let (key, recipient) = key(&appliance, "key");
    appliance.issue("one", "tls-server", "/CN=one.test", Some("DNS:one.test"));
    let file = backup(&appliance, &recipient, "one.age");
    let at = taken_at(&appliance, &file, &key);
    appliance.signal("TERM");
    appliance.wait();
    (appliance, file, key, at)
}

/// The backup opened, changed by a shell command in its folder, and closed again by age; without its signature, unless the command sets
/// `signature=manifest.sig`.
pub(crate) fn tampered(appliance: &Appliance, file: &Path, key: &Path, change: &str) -> PathBuf {
    let script = format!(
        "set -e; signature=; rm -rf unpacked; mkdir unpacked; age -d -i {key} {file} | tar -xz -C unpacked; cd unpacked; {change}; \
         tar -czf - header.json $(find files -type f) $(find tables -type f | sort -t/ -k3) manifest.json $signature | age -r $(age-keygen -y {key}) > ../tampered.age",
        key = key.display(),
        file = file.display()
    );
    let made = Command::new("sh")
        .args(["-c", &script])
        .current_dir(appliance.dir.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    appliance.file("tampered.age")
}

#[test]
fn e2e_backup_age_what_is_not_whole_or_not_ours_is_told_and_changes_nothing() {
    let (appliance, file, key, at) = stopped(Keys::Software);
    let octets = std::fs::read(&file).unwrap();
    let write = |name: &str, octets: &[u8]| {
        std::fs::write(appliance.file(name), octets).unwrap();
        appliance.file(name)
    };
    let mut flipped = octets.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let other = appliance.file("other");
    appliance.ok(&["backup", "keygen", "--to", other.to_str().unwrap()]);
    let newer = |what: &str, value: &str| {
        format!("sed -i 's/\"{what}\": [0-9]*/\"{what}\": {value}/' header.json manifest.json")
    };
    let cases = [
        (
            write("cut.age", &octets[..octets.len() - 1]),
            &key,
            "use another copy of it",
        ),
        (
            write("half.age", &octets[..octets.len() / 2]),
            &key,
            "use another copy of it",
        ),
        (write("flipped.age", &flipped), &key, "use another copy of it"),
        (write("none.age", b"PK\x03\x04"), &key, "this is no backup"),
        (write("empty.age", b""), &key, "this is no backup"),
        (
            file.clone(),
            &other,
            "name the private key of one of its recipients by --identity",
        ),
        (appliance.file("nowhere.age"), &key, "cannot be opened"),
    ];
    let target = appliance.file("target");
    let before = everything(&appliance);
    let words = [
        "--accept-lost-revocations",
        &at,
        "--dir",
        target.to_str().unwrap(),
    ];
    let refuse = |file: &Path, key: &Path, expected: &str| {
        let refused = restore(&appliance, file, key, &words);
        assert!(
            !refused.status.success() && text(&refused).contains(expected),
            "{expected}: {}",
            text(&refused)
        );
        let verify = [
            "backup",
            "verify",
            file.to_str().unwrap(),
            "--identity",
            key.to_str().unwrap(),
        ];
        let refused = appliance.run(&verify);
        assert!(
            !refused.status.success() && text(&refused).contains(expected),
            "{expected}: {}",
            text(&refused)
        );
        assert!(
            !target.exists() && !appliance.file(".target.chancery-restoring").exists(),
            "{expected}"
        );
    };
    for (file, key, expected) in &cases {
        refuse(file, key, expected);
    }
    for (change, expected) in [
        (newer("format", "3"), "use Chancery 0.1.0 or later"),
        (newer("schema", "99"), "use Chancery 0.1.0 or later"),
        (newer("schema", "3"), "restore it with Chancery 0.1.0"),
        ("rm tables/audit/*".to_owned(), "differs from the backup"),
        (
            "echo more >> files/state/ca-bundle.pem".to_owned(),
            "not those of its manifest",
        ),
        (
            "mv header.json away.json; cp manifest.json header.json".to_owned(),
            "backup",
        ),
    ] {
        let file = tampered(&appliance, &file, &key, &change);
        refuse(&file, &key, expected);
    }
    assert!(everything(&appliance) == before, "the old state was changed");
}

#[test]
fn a_place_that_is_taken_is_left_alone_unless_it_is_to_be_replaced() {
    let (mut appliance, file, key, at) = stopped(Keys::Software);
    let accept = ["--accept-lost-revocations", at.as_str()];
    let replace = [accept[0], accept[1], "--replace"];
    let before = everything(&appliance);
    let refused = text(&restore(&appliance, &file, &key, &accept));
    assert!(
        refused.contains("is not empty") && refused.contains("--replace"),
        "{refused}"
    );
    assert!(everything(&appliance) == before);
    appliance.serve();
    let refused = text(&restore(&appliance, &file, &key, &replace));
    assert!(refused.contains("stop it first"), "{refused}");
    appliance.issue("two", "tls-server", "/CN=two.test", Some("DNS:two.test"));
    appliance.signal("TERM");
    appliance.wait();

    let done = restored(&restore(&appliance, &file, &key, &replace));
    let old = PathBuf::from(done["old_state"].as_str().unwrap());
    assert!(old.join("crls").exists(), "{done}");
    assert_eq!(old.join("chancery.db").exists(), !store_bed::is_postgres());
    appliance.serve();
    let listed = appliance.json(&["cert", "list", "--name", "two.test"]);
    assert_eq!(listed.as_array().unwrap().len(), 0);
    appliance.signal("TERM");
    appliance.wait();

    // Another installation is not replaced, whatever is said.
    let stranger = Appliance::empty();
    let made = stranger.init_command(&["--software"]).output().unwrap();
    assert!(made.status.success());
    let state = stranger.state();
    let words = [
        accept[0],
        accept[1],
        "--replace",
        "--dir",
        state.to_str().unwrap(),
    ];
    let before = everything(&stranger);
    let refused = text(&restore(&appliance, &file, &key, &words));
    assert!(refused.contains("is another installation"), "{refused}");
    assert!(everything(&stranger) == before);
}

#[test]
fn a_file_that_is_there_and_a_key_on_the_command_line_are_refused() {
    let (appliance, file, key, _) = stopped(Keys::Software);
    let (octets, recipient) = (
        std::fs::read(&file).unwrap(),
        std::fs::read_to_string(&key).unwrap(),
    );
    let public = recipient
        .lines()
        .next()
        .unwrap()
        .strip_prefix("# public key: ")
        .unwrap();
    let secret = recipient.lines().nth(1).unwrap();
    let refused = text(&appliance.run(&["backup", "--recipient", public, "--to", file.to_str().unwrap()]));
    assert!(refused.contains("is there already"), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), octets);
    let fresh = appliance.file("fresh.age");
    let refused = text(&appliance.run(&["backup", "--recipient", secret, "--to", fresh.to_str().unwrap()]));
    assert!(
        refused.contains("private key") && !refused.contains(secret),
        "{refused}"
    );
    let refused = text(&appliance.run(&["backup", "--to", fresh.to_str().unwrap()]));
    assert!(refused.contains("keygen"), "{refused}");
    assert!(!fresh.exists());
}

/// Runs a command with a disk of this size in a folder, which tells on standard output what it leaves there.
fn on_a_small_disk(appliance: &Appliance, folder: &Path, size: &str, words: &[&str]) -> Output {
    let script = format!(
        "mount -t tmpfs -o size={size} none {0} && \"$@\"; outcome=$?; find {0} -mindepth 1; exit $outcome",
        folder.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    command.arg(env!("CARGO_BIN_EXE_chancery"));
    command.arg("--config").arg(appliance.config());
    command.args(words).output().unwrap()
}

/// A disk that is too small for the backup, for what is restored, and for the sandbox.
#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    let (appliance, file, key, at) = stopped(Keys::Software);
    let recipient = std::fs::read_to_string(&key).unwrap();
    let recipient = recipient
        .lines()
        .next()
        .unwrap()
        .strip_prefix("# public key: ")
        .unwrap();
    let small = appliance.file("small");
    std::fs::create_dir(&small).unwrap();
    let before = everything(&appliance);
    let run = |size: &str, words: &[&str]| on_a_small_disk(&appliance, &small, size, words);
    let to = small.join("x.age");
    let made = run(
        "8k",
        &["backup", "--recipient", recipient, "--to", to.to_str().unwrap()],
    );
    assert!(
        !made.status.success() && text(&made).contains("make room"),
        "{}",
        text(&made)
    );
    assert_eq!(String::from_utf8_lossy(&made.stdout), "", "something was left");
    let (target, file, key) = (
        small.join("target"),
        file.to_str().unwrap(),
        key.to_str().unwrap(),
    );
    let words = [
        "--identity",
        key,
        "--accept-lost-revocations",
        &at,
        "--dir",
        target.to_str().unwrap(),
    ];
    let database = new_database(&appliance);
    let database: Vec<&str> = database.iter().map(String::as_str).collect();
    // The rows of a database are not on this disk.
    let sizes: &[&str] = if store_bed::is_postgres() {
        &["24k"]
    } else {
        &["24k", "80k", "200k"]
    };
    for size in sizes {
        let full = run(size, &[&["restore", file], &words[..], &database[..]].concat());
        let told = text(&full);
        assert!(
            !full.status.success() && (told.contains("full") || told.contains("make room")),
            "{size}: {told}"
        );
        assert_eq!(
            String::from_utf8_lossy(&full.stdout),
            "",
            "{size}: something was left"
        );
    }
    let words = [
        "backup",
        "verify",
        file,
        "--identity",
        key,
        "--work-dir",
        small.to_str().unwrap(),
    ];
    let full = run("80k", &words);
    assert!(
        !full.status.success() && text(&full).contains("full"),
        "{}",
        text(&full)
    );
    assert!(everything(&appliance) == before);
}

#[test]
fn e2e_backup_softhsm_a_key_that_is_missing_is_found_out() {
    let (appliance, file, key, _) = stopped(Keys::SoftHsm);
    let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let other = Appliance::empty();
    let made = other.init_command(&["--init-token"]).output().unwrap();
    assert!(made.status.success());
    // The token of another installation has none of the keys; the backup itself has all of them.
    let signing = other.state().join("signerd.toml");
    let words = [
        "--output",
        "json",
        "backup",
        "verify",
        file,
        "--identity",
        key,
        "--signing",
        signing.to_str().unwrap(),
    ];
    let mut command = other.command(&["--config", appliance.config().to_str().unwrap()]);
    let wrong = command.args(words).output().unwrap();
    assert_eq!(wrong.status.code(), Some(1), "{}", text(&wrong));
    let told: serde_json::Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(told["is_sound"], false);
    let checks = told["checks"].as_array().unwrap();
    let bad: Vec<_> = checks.iter().filter(|one| !one["problem"].is_null()).collect();
    assert_eq!(bad.len(), 5, "{told}");
    assert!(
        bad.iter()
            .all(|one| one["problem"].as_str().unwrap().contains("--signing")),
        "{told}"
    );
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("NOT sound"),
        "{}",
        text(&wrong)
    );

    // A machine that has nothing but the backup.
    let words = [
        "--output",
        "json",
        "--config",
        "/nowhere.toml",
        "backup",
        "verify",
        file,
        "--identity",
        key,
    ];
    let alone = other.command(&words).output().unwrap();
    assert!(alone.status.success(), "{}", text(&alone));
}

#[test]
fn a_backup_that_lacks_a_software_key_is_found_out() {
    let (appliance, _, key, _) = stopped(Keys::Software);
    let keys = appliance.state().join("keys");
    let lost = std::fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    std::fs::rename(&lost, appliance.file("away.pem")).unwrap();
    let recipient = judge("age-keygen", &["-y", key.to_str().unwrap()]);
    let file = backup(&appliance, recipient.trim(), "lacking.age");
    let words = [
        "backup",
        "verify",
        file.to_str().unwrap(),
        "--identity",
        key.to_str().unwrap(),
    ];
    let found = appliance.run(&words);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found));
    assert!(
        text(&found).contains("the backup cannot bring this key back"),
        "{}",
        text(&found)
    );
}

/// The chain of a CA that does not hold is told with the name of the CA, and of no other.
#[test]
fn a_chain_that_does_not_hold_is_found_out() {
    let (appliance, file, key, _) = stopped(Keys::Software);
    let recipient = judge("age-keygen", &["-y", key.to_str().unwrap()]);
    let verify = |file: &Path| {
        let words = ["--output", "json", "backup", "verify", file.to_str().unwrap()];
        let found = appliance.run(&[&words[..], &["--identity", key.to_str().unwrap()]].concat());
        let told: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
        let checks = told["checks"].as_array().unwrap().clone();
        let chains = checks
            .iter()
            .filter(|one| one["check"].as_str().unwrap().contains("chain of the CA"));
        let verdicts: Vec<(String, bool)> = chains
            .map(|one| {
                (
                    one["check"].as_str().unwrap().to_owned(),
                    one["problem"].is_null(),
                )
            })
            .collect();
        (found, verdicts)
    };
    let holds = |name: &str| format!("the chain of the CA {name} 1 holds");
    let (found, verdicts) = verify(&file);
    assert_eq!(found.status.code(), Some(0), "{}", text(&found));
    assert_eq!(verdicts.len(), 2, "{verdicts:?}");
    assert!(verdicts.contains(&(holds("issuing"), true)), "{verdicts:?}");

    for (name, change) in [
        (
            "chain",
            "UPDATE issuers SET chain = certificate WHERE name = 'issuing'",
        ),
        (
            "certificate",
            "UPDATE issuers SET chain = (SELECT chain FROM issuers WHERE name = 'root'),
                certificate = (SELECT certificate FROM issuers WHERE name = 'root') WHERE name = 'issuing'",
        ),
    ] {
        appliance.change_store(change);
        let file = backup(&appliance, recipient.trim(), &format!("{name}.age"));
        let (found, verdicts) = verify(&file);
        assert_eq!(found.status.code(), Some(1), "{name}: {}", text(&found));
        assert!(
            verdicts.contains(&(holds("issuing"), false)),
            "{name}: {verdicts:?}"
        );
        assert!(verdicts.contains(&(holds("root"), true)), "{name}: {verdicts:?}");
        assert!(text(&found).contains("NOT sound"), "{name}: {}", text(&found));
    }
}

/// Killed at any time, a restore leaves the old state, or one that a second restore finishes.
#[test]
fn a_restore_that_is_killed_leaves_the_old_state_or_is_finished_by_the_next() {
    let (mut appliance, file, key, at) = stopped(Keys::Software);
    let mut database = new_database(&appliance);
    for wait in [5, 40, 80, 120, 160, 200, 250, 300, 400] {
        let mut command = appliance.command(&["restore"]);
        command.arg(&file).arg("--identity").arg(&key);
        command
            .args(["--accept-lost-revocations", &at, "--replace"])
            .args(&database)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
        let checked = appliance.check_store();
        let is_said = |problem: String| problem.contains("chancery restore").then_some(()).ok_or(problem);
        checked
            .clone()
            .or_else(is_said)
            .unwrap_or_else(|problem| panic!("after {wait} ms: {problem}"));
        // One that came to its end took the database.
        if checked.is_ok() && appliance.database() == database.get(1).cloned() {
            database = new_database(&appliance);
        }
    }
    let words = ["--accept-lost-revocations", &at, "--replace"];
    let database: Vec<&str> = database.iter().map(String::as_str).collect();
    restored(&restore(
        &appliance,
        &file,
        &key,
        &[&words[..], &database].concat(),
    ));
    assert!(!appliance.file(".state.chancery-restoring").exists());
    appliance.serve();
    appliance.issue("again", "tls-server", "/CN=again.test", Some("DNS:again.test"));
}

/// An export with a gap, of another log, or nothing at all.
#[test]
fn an_export_that_does_not_follow_on_the_backup_is_refused() {
    let (appliance, file, key, _) = stopped(Keys::Software);
    let before = everything(&appliance);
    let verdict = text(&appliance.run(&["audit", "verify", "--offline"]));
    assert!(verdict.contains("true"), "{verdict}");
    let target = appliance.file("target");
    let refuse = |export: &str, expected: &str| {
        let export = appliance.write("export.jsonl", export);
        let words = [
            "--audit-export",
            export.to_str().unwrap(),
            "--dir",
            target.to_str().unwrap(),
        ];
        for trial in [&["--dry-run"][..], &[]] {
            let refused = restore(&appliance, &file, &key, &[&words[..], trial].concat());
            let said = text(&refused);
            assert!(
                !refused.status.success() && said.contains(expected),
                "{expected}: {said}"
            );
        }
        assert!(!target.exists());
    };
    let line = |seq: u32, hash: &str| {
        format!(
            "{{\"seq\":{seq},\"at\":\"2026-01-01T00:00:00Z\",\"actor\":\"a\",\"action\":\"b\",\"object\":\"c\",\"outcome\":\"ok\",\
             \"details\":{{}},\"hash\":\"{hash}\"}}\n"
        )
    };
    refuse("", "is empty");
    refuse("no export", "cannot be read");
    refuse(&line(1000, "00"), "lacks entry");
    refuse(&format!("{}{}", line(1, "00"), line(3, "00")), "lacks entry 2");
    refuse(&line(1, "00"), "is not the one of the backup");
    refuse(&line(1, "zz"), "has no hash");
    // Of a log that begins behind the backup, and whose hashes show nothing, nobody knows whose it is.
    let inspect = ["backup", "inspect", file.to_str().unwrap()];
    let manifest = appliance.json(&[&inspect[..], &["--identity", key.to_str().unwrap()]].concat());
    let last = u32::try_from(manifest["audit"]["entries"].as_u64().unwrap()).unwrap();
    let behind = format!("{}{}", line(last + 1, "00"), line(last + 2, "11"));
    refuse(&behind, &format!("export --after {}", last - 1));
    assert!(everything(&appliance) == before, "the old state was changed");
    let export = appliance.write("export.jsonl", &behind);
    let words = [
        "--audit-export",
        export.to_str().unwrap(),
        "--dir",
        target.to_str().unwrap(),
        "--accept-unproven-export",
    ];
    let done = restored(&restore(&appliance, &file, &key, &words));
    assert_eq!(done["epoch"]["not_brought_back"]["b"], 2, "{done}");
}
