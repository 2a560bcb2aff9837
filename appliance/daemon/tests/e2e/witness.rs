//! One server witnesses the audit log of another, over TLS: what it cosigned is verified with files alone, and what it has seen nobody
//! takes back.

use std::path::PathBuf;

use serde_json::Value;

use crate::audit::{offline, signed, wait_until};
use crate::backup;
use crate::harness::{Appliance, Keys, judge, text};

/// A server with a log, and another one that watches it.
struct Pair {
    log: Appliance,
    witness: Appliance,
    key: String,
    witness_key: String,
}

impl Pair {
    fn start() -> Self {
        let (mut log, mut witness) = (Appliance::start(Keys::Software), Appliance::init(Keys::Software));
        let key = log.ok(&["audit", "key"]).trim().to_owned();
        append(
            &witness,
            &format!(
                "[audit.witness]\nname = \"witness.example\"\nkey_file = \"witness.pem\"\nlogs = [\"{key}\"]"
            ),
        );
        witness.ok(&["config", "check"]);
        assert!(
            !witness.state().join("witness.pem").exists(),
            "a check makes nothing"
        );
        witness.serve();
        let witness_key = witness.ok(&["audit", "witness-key"]).trim().to_owned();
        append(
            &log,
            &format!(
                "[[audit.witnesses]]\nurl = \"{}/audit/witness\"\nkey = \"{witness_key}\"\ntls_roots = \"{}\"",
                witness.api_url(),
                witness.state().join("ca-bundle.pem").display()
            ),
        );
        log.ok(&["config", "check"]);
        restart(&mut log);
        Self {
            log,
            witness,
            key,
            witness_key,
        }
    }

    /// Whether the files of the log are sound and have the signature of the witness.
    fn is_cosigned(&self) -> bool {
        let folder = self.log.state().join("audit-log").display().to_string();
        let words = [&folder, "--key", &self.key, "--witness", &self.witness_key];
        offline(&self.log, &words).0
    }

    /// Waits until everything that is logged is cosigned; the size.
    fn wait_until_cosigned(&self) -> u64 {
        let size = signed(&self.log);
        wait_until("the witness has not cosigned it", || {
            self.is_cosigned() && self.seen() >= size
        });
        size
    }

    /// How many entries the witness has cosigned.
    fn seen(&self) -> u64 {
        let shown = self.witness.json(&["audit", "witness-key"]);
        shown["logs"][0]["size"].as_u64().unwrap()
    }

    fn issue(&self, name: &str) {
        let san = format!("DNS:{name}.example");
        self.log
            .issue(name, "tls-server", &format!("/CN={name}.example"), Some(&san));
    }

    fn failures(&self) -> u64 {
        let start = "chancery_audit_witness_failures_total{witness=\"witness.example\"} ";
        let metrics = self.log.metrics();
        let mut found = metrics.lines().filter_map(|line| line.strip_prefix(start));
        found.next().map_or(0, |value| value.trim().parse().unwrap())
    }

    fn wait_for_failure(&self) {
        let before = self.failures();
        wait_until("no failure is counted", || self.failures() > before);
        assert!(!self.is_cosigned());
    }

    /// The file of what the witness has seen.
    fn state(&self) -> PathBuf {
        let files = std::fs::read_dir(self.witness.state().join("witness")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        // A kill leaves one behind that never got its name.
        let is_of_a_log = |file: &PathBuf| file.extension().is_none() && !file.ends_with("known");
        files.find(is_of_a_log).unwrap()
    }
}

fn append(appliance: &Appliance, section: &str) {
    let text = std::fs::read_to_string(appliance.config()).unwrap();
    std::fs::write(appliance.config(), format!("{text}\n{section}\n")).unwrap();
}

fn stop(appliance: &mut Appliance) {
    appliance.signal("TERM");
    appliance.wait();
}

fn restart(appliance: &mut Appliance) {
    stop(appliance);
    appliance.serve();
}

fn ready(appliance: &Appliance) -> String {
    judge("curl", &["-sk", &format!("{}/readyz", appliance.api_url())])
}

#[test]
fn e2e_witness_chancery() {
    let mut pair = Pair::start();
    pair.wait_until_cosigned();
    // Also in what the server tells, and for whoever knows the log alone.
    let checkpoint = pair.log.ok(&["audit", "checkpoint"]);
    assert!(checkpoint.contains("\n\u{2014} witness.example "), "{checkpoint}");
    let proof = pair.log.file("proof").display().to_string();
    pair.log.ok(&["audit", "prove", "1", "--out", &proof]);
    let (is_sound, said) = offline(
        &pair.log,
        &[&proof, "--key", &pair.key, "--witness", &pair.witness_key],
    );
    assert!(is_sound, "{said}");
    let (is_sound, said) = offline(&pair.log, &[&proof, "--key", &pair.key]);
    assert!(is_sound, "{said}");
    assert_eq!(pair.log.json(&["audit", "verify"])["sound"], true);
    let lag = "chancery_audit_witness_lag{witness=\"witness.example\"} 0";
    wait_until("there is a lag", || pair.log.metrics().contains(lag));

    // It is away for a while: the log goes on, and its signature comes when it is back.
    stop(&mut pair.witness);
    let before = signed(&pair.log);
    pair.issue("one");
    assert!(signed(&pair.log) > before, "checkpoints do not wait for it");
    pair.wait_for_failure();
    pair.log.wait_for_log("the witness does not cosign the audit log");
    pair.witness.serve();
    assert!(pair.seen() >= before, "it remembers over its new start");
    pair.wait_until_cosigned();

    // Without its memory it cosigns nothing, and says so.
    let (state, kept) = (pair.state(), std::fs::read(pair.state()).unwrap());
    std::fs::write(&state, &kept[..kept.len() / 2]).unwrap();
    pair.issue("two");
    signed(&pair.log);
    pair.wait_for_failure();
    assert!(ready(&pair.witness).contains("audit_witness_state"));
    assert!(!ready(&pair.log).contains("audit_witness_alarm"));
    std::fs::write(&state, &kept).unwrap();
    pair.wait_until_cosigned();
    assert!(!ready(&pair.witness).contains("audit_witness_state"));

    // Somebody else's key, and one that is none.
    let refused = |from: &str, to: &str, told: &str| {
        pair.log.edit(from, to);
        let output = pair.log.run(&["config", "check"]);
        assert!(!output.status.success());
        assert!(text(&output).contains(told), "{}", text(&output));
        pair.log.edit(to, from);
    };
    refused(&pair.witness_key, "witness.example+1+x", "audit.witnesses[1].key");
    refused(&pair.witness_key, &pair.key, "chancery audit witness-key");
    refused(
        "url = \"https://localhost",
        "url = \"http://witness.example",
        "audit.witnesses[1].url",
    );
    refused("ca-bundle.pem", "none.pem", "audit.witnesses[1]");
    let key_file = pair.witness.state().join("witness.pem");
    let key = std::fs::read(&key_file).unwrap();
    std::fs::write(&key_file, "no key").unwrap();
    let output = pair.witness.run(&["config", "check"]);
    assert!(
        text(&output).contains("audit.witness.key_file") && text(&output).contains("openssl genpkey"),
        "{}",
        text(&output)
    );
    std::fs::write(&key_file, key).unwrap();
    // What it has seen is gone: it does not start as the witness it was.
    stop(&mut pair.witness);
    std::fs::remove_dir_all(pair.witness.state().join("witness")).unwrap();
    assert!(!pair.witness.try_serve(&[]));
    pair.witness.wait();
    assert!(pair.witness.log_text().contains("must take another key"));
}

/// A log of somebody else, with an Ed25519 key of openssl, tree and proofs of its own making, and every question there is.
#[test]
fn e2e_witness_python_and_openssl() {
    let mut witness = Appliance::init(Keys::Software);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/judges/tlog_client.py");
    let (script, folder) = (script.to_str().unwrap(), witness.dir.path().display().to_string());
    let key = judge("python3", &[script, "key", &folder]);
    append(
        &witness,
        &format!(
            "[audit.witness]\nname = \"witness.example/w1\"\nkey_file = \"witness.pem\"\nfolder = \"seen\"\nlogs = [\"{}\"]",
            key.trim()
        ),
    );
    witness.serve();
    let (url, own) = (witness.api_url(), witness.ok(&["audit", "witness-key"]));
    let roots = witness.state().join("ca-bundle.pem").display().to_string();
    let words = [
        script,
        "witness",
        &folder,
        &format!("{url}/audit/witness"),
        &roots,
        own.trim(),
    ];
    let said = judge("python3", &words);
    assert!(said.contains("the witness keeps to the protocol"), "{said}");
    assert!(witness.state().join("seen").is_dir());
}

/// Killed before it has remembered a checkpoint it knows nothing of it; killed after that it has cosigned it, and says so again.
#[test]
fn e2e_witness_chancery_that_is_killed() {
    let mut pair = Pair::start();
    let mut size = pair.wait_until_cosigned();
    for place in ["before", "after"] {
        stop(&mut pair.witness);
        let at = format!("witness: {place} its file has its name #1");
        assert!(pair.witness.try_serve(&[("CHANCERY_CRASH_AT", &at)]));
        pair.issue(place);
        pair.witness.wait();
        let remembered = std::fs::read_to_string(pair.state()).unwrap();
        let remembered: u64 = remembered.lines().nth(1).unwrap().parse().unwrap();
        assert_eq!(remembered > size, place == "after", "{remembered}");
        pair.witness.serve();
        let next = pair.wait_until_cosigned();
        assert!(next > size);
        size = next;
    }
}

/// The database and the files are brought back to an earlier time: within the server nobody can tell.
#[test]
fn e2e_witness_chancery_of_a_log_that_was_brought_back_in_a_file() {
    let mut pair = Pair::start();
    let size = pair.wait_until_cosigned();
    stop(&mut pair.log);
    let (state, kept) = (pair.log.state(), pair.log.file("kept"));
    let names = || {
        let entries = std::fs::read_dir(&state).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("chancery.db") && !name.ends_with("-lock"))
            .collect::<Vec<_>>()
    };
    std::fs::create_dir(&kept).unwrap();
    for name in names() {
        std::fs::copy(state.join(&name), kept.join(&name)).unwrap();
    }
    pair.log.serve();
    for name in ["one", "two", "three"] {
        pair.issue(name);
    }
    let further = pair.wait_until_cosigned();
    assert!(further >= size + 3);
    stop(&mut pair.log);
    for name in names() {
        std::fs::remove_file(state.join(name)).unwrap();
    }
    for entry in std::fs::read_dir(&kept).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), state.join(entry.file_name())).unwrap();
    }
    std::fs::remove_dir_all(state.join("audit-log")).unwrap();
    pair.log.serve();
    pair.log.wait_for_log("a witness contradicts the audit log");
    let told: Value = serde_json::from_str(&ready(&pair.log)).unwrap();
    let problems = told["problems"].to_string();
    assert!(problems.contains("audit_witness_alarm"), "{told}");
    assert!(problems.contains("brought back to an earlier time"), "{told}");
    assert!(
        !problems.contains("audit_alarm"),
        "the server itself finds nothing"
    );
    assert_eq!(told["ready"], true, "it goes on issuing");
    // Nor does another story get its signature when it is as long.
    for name in ["four", "five", "six", "seven"] {
        pair.issue(name);
    }
    assert!(signed(&pair.log) > further);
    pair.wait_for_failure();
    assert_eq!(pair.seen(), further, "nothing of it was cosigned");
    let alarm = "chancery_audit_witness_alarm{witness=\"witness.example\"} 1";
    assert!(pair.log.metrics().contains(alarm));
}

/// What it has seen since the backup it has forgotten, so it must not sign as the one it was.
#[test]
fn e2e_witness_chancery_that_was_restored_is_another_in_a_file() {
    let mut pair = Pair::start();
    pair.wait_until_cosigned();
    let (key, recipient) = backup::key(&pair.witness, "backup.key");
    let file = backup::backup(&pair.witness, &recipient, "one.age");
    let words = [
        "backup",
        "inspect",
        file.to_str().unwrap(),
        "--identity",
        key.to_str().unwrap(),
    ];
    let left_out = pair.witness.json(&words)["left_out"].to_string();
    assert!(
        left_out.contains("witness.pem") && left_out.contains("another witness"),
        "{left_out}"
    );
    let taken = backup::taken_at(&pair.witness, &file, &key);
    stop(&mut pair.witness);
    std::fs::remove_dir_all(pair.witness.state()).unwrap();
    let restored = backup::restore(&pair.witness, &file, &key, &["--accept-lost-revocations", &taken]);
    backup::restored(&restored);
    assert!(!pair.witness.state().join("witness").exists());
    pair.witness.serve();
    let now = pair.witness.ok(&["audit", "witness-key"]);
    assert_ne!(now.trim(), pair.witness_key);
    pair.issue("one");
    pair.log.wait_for_log("a witness contradicts the audit log");
    assert!(ready(&pair.log).contains("look whether `key` is its verifier key"));
}
