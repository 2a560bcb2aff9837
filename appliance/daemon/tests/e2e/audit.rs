//! The audit log towards the outside: verified with files alone, judged by openssl, collected by rsyslog and over HTTPS.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Appliance, Keys, free_ports, judge, signal, text};

/// A program that is ended with the test.
struct Program(Child);

impl Program {
    fn start(program: &str, words: &[&str], log: &Path) -> Self {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let mut command = Command::new(program);
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn();
        Self(
            child.unwrap_or_else(|error| {
                panic!("{program} is needed (cargo xtask test installs it): {error}")
            }),
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        signal(self.0.id(), "TERM");
        let _ = self.0.wait();
    }
}

pub(crate) fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_true() {
        assert!(since.elapsed() < Duration::from_secs(40), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until everything that is logged is signed; the size of the checkpoint.
pub(crate) fn signed(appliance: &Appliance) -> u64 {
    let verdict = || appliance.json(&["audit", "verify"]);
    wait_until("no checkpoint has everything", || {
        let verdict = verdict();
        assert_eq!(verdict["sound"], true, "{verdict}");
        verdict["entries"] == verdict["tree"]["size"]
    });
    verdict()["tree"]["size"].as_u64().unwrap()
}

/// Runs the verifier in a folder where there is neither configuration nor store.
pub(crate) fn offline(appliance: &Appliance, words: &[&str]) -> (bool, Value) {
    let empty = tempfile::tempdir().unwrap();
    let mut all = vec![
        "--config",
        "/nowhere.toml",
        "--output",
        "json",
        "audit",
        "verify",
        "--files",
    ];
    all.extend(words);
    let output = appliance
        .command(&all)
        .current_dir(empty.path())
        .output()
        .unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    (output.status.success(), said)
}

#[test]
fn e2e_audit_openssl() {
    let appliance = Appliance::start(Keys::SoftHsm);
    let file = |name: &str| appliance.file(name).display().to_string();
    let key = appliance.ok(&["audit", "key"]).trim().to_owned();
    let old = signed(&appliance);
    let (kept, since, proof) = (file("kept"), file("since"), file("entry.tlog-proof"));
    appliance.ok(&["audit", "checkpoint", "--out", &kept]);
    appliance.issue("host", "tls-server", "/CN=host.example", Some("DNS:host.example"));
    let new = signed(&appliance);
    assert!(new > old);
    let id = appliance.json(&["cert", "list"])["items"][0]["id"].clone();
    let id = id.as_str().map_or_else(|| new.to_string(), ToOwned::to_owned);
    let words = [
        "audit",
        "prove",
        &id,
        "--out",
        &proof,
        "--old",
        &kept,
        "--consistency",
        &since,
    ];
    appliance.ok(&words);

    // The folder, and what the files say alone.
    let folder = appliance.state().join("audit-log").display().to_string();
    let (is_sound, said) = offline(
        &appliance,
        &[&folder, &proof, &since, "--key", &key, "--old", &kept],
    );
    assert!(is_sound, "{said}");
    assert_eq!(
        (&said["entries"], &said["continues"]),
        (&new.into(), &true.into())
    );
    assert!(
        said["entry"].as_str().unwrap().contains("certificate.issue"),
        "{said}"
    );
    // Without an older checkpoint nothing is continued, and nobody asked. The key may be a file.
    let vkey = appliance
        .write("audit.vkey", &format!("{key}\n"))
        .display()
        .to_string();
    let (is_sound, said) = offline(&appliance, &[&folder, "--key", &vkey]);
    assert!(is_sound && said["continues"].is_null(), "{said}");
    let lost = appliance.run(&["audit", "verify", "--files", &folder, "--key", "/nowhere.vkey"]);
    assert!(text(&lost).contains("nor a file with one"), "{}", text(&lost));
    let twice = appliance.run(&["audit", "checkpoint", "--out", &kept]);
    assert!(
        !twice.status.success() && text(&twice).contains("is there already"),
        "{}",
        text(&twice)
    );
    let (is_sound, said) = offline(&appliance, &[&proof, "--key", &key, "--old", &kept]);
    assert!(
        !is_sound && said["problem"].as_str().unwrap().contains("--consistency"),
        "{said}"
    );
    let changed = std::fs::read_to_string(&proof)
        .unwrap()
        .replacen("index ", "index 1", 1);
    let changed = appliance.write("changed", &changed).display().to_string();
    let (is_sound, said) = offline(&appliance, &[&changed, "--key", &key]);
    assert!(!is_sound, "{said}");
    let offline_store = ["audit", "verify", "--offline", "--key", &key, "--old", &kept];
    assert_eq!(appliance.json(&offline_store)["sound"], true);

    // The key is in the token, and the signature is one of it by openssl, too.
    let keys = appliance.json(&["token", "list", "--keys"]).to_string();
    assert!(keys.contains("audit-"), "{keys}");
    let note = std::fs::read_to_string(&kept).unwrap();
    let (signed_text, line) = note.split_once("\n\n").unwrap();
    let script = format!(
        "set -e; cd {dir}; printf '%s' '{vkey}' | base64 -d | tail -c +2 > key.der
        printf '%s' '{line}' | base64 -d | tail -c +5 > note.sig; printf '%s\\n' '{signed_text}' > note.txt
        openssl dgst -sha256 -keyform DER -verify key.der -signature note.sig note.txt",
        dir = appliance.dir.path().display(),
        vkey = key.splitn(3, '+').nth(2).unwrap(),
        line = line.trim().rsplit(' ').next().unwrap(),
    );
    assert!(judge("bash", &["-c", &script]).contains("Verified OK"));
}

#[test]
fn a_witness_cosigns_only_what_continues() {
    let appliance = Appliance::start(Keys::Software);
    let file = |name: &str| appliance.file(name).display().to_string();
    let key = appliance.ok(&["audit", "key"]).trim().to_owned();
    signed(&appliance);
    let folder = appliance.state().join("audit-log").display().to_string();
    let (state, own, cosigned, since) = (file("seen"), file("witness.pem"), file("cosigned"), file("since"));
    let witness = |files: &str| {
        let words = [
            "audit",
            "witness",
            "--name",
            "witness.example",
            "--key",
            &own,
            "--state",
            &state,
        ];
        let rest = ["--log-key", &key, "--files", files, "--out", &cosigned];
        appliance.run(&[words.as_slice(), &rest].concat())
    };
    let first = witness(&folder);
    assert!(first.status.success(), "{}", text(&first));
    let said = String::from_utf8(first.stdout).unwrap();
    let witness_key = said.trim().strip_prefix("witness ").unwrap().to_owned();
    appliance.issue("host", "tls-server", "/CN=host.example", Some("DNS:host.example"));
    signed(&appliance);
    appliance.ok(&["audit", "prove", "--old", &state, "--consistency", &since]);
    let second = witness(&since);
    assert!(second.status.success(), "{}", text(&second));
    // A copy of the log with the cosigned checkpoint.
    let copy = file("copy");
    judge("cp", &["-r", &folder, &copy]);
    let verify = || offline(&appliance, &[&copy, "--key", &key, "--witness", &witness_key]);
    assert!(!verify().0, "the log alone has signed it");
    std::fs::copy(&cosigned, appliance.file("copy/checkpoint")).unwrap();
    let (is_sound, said) = verify();
    assert!(is_sound, "{said}");
    // Somebody else's log, under another state.
    let other = Appliance::start(Keys::Software);
    signed(&other);
    let foreign = other.state().join("audit-log").display().to_string();
    let refused = witness(&foreign);
    assert!(!refused.status.success());
    // Two runs at once: the second waits for another time.
    let lock = std::fs::File::open(format!("{state}.lock")).unwrap();
    lock.lock().unwrap();
    let refused = witness(&folder);
    assert!(
        text(&refused).contains("is used by another run"),
        "{}",
        text(&refused)
    );
    lock.unlock().unwrap();
    // A key whose state is gone has forgotten, and says so before it looks at anything.
    let before = std::fs::read_to_string(&state).unwrap();
    std::fs::remove_file(&state).unwrap();
    let refused = witness(&folder);
    assert!(text(&refused).contains("say --first"), "{}", text(&refused));
    assert!(!Path::new(&state).exists());
    let words = [
        "audit",
        "witness",
        "--name",
        "witness.example",
        "--key",
        &own,
        "--first",
    ];
    let another = file("another");
    let rest = ["--state", &another, "--log-key", &key, "--files", &folder];
    appliance.ok(&[words.as_slice(), &rest].concat());
    // And the same log as it was before.
    std::fs::write(&state, before.replacen(|c: char| c.is_ascii_digit(), "9", 1)).unwrap();
    assert!(!witness(&folder).status.success());
}

#[test]
fn e2e_audit_python_sqlite_in_a_file() {
    let mut appliance = Appliance::start(Keys::Software);
    signed(&appliance);
    appliance.signal("TERM");
    appliance.wait();
    let script = "import sqlite3, sys\n\
        store = sqlite3.connect(sys.argv[1])\n\
        store.executescript('DROP TRIGGER audit_is_not_rewritten; DROP TRIGGER audit_is_not_shortened')\n\
        last, = store.execute('SELECT max(seq) FROM audit').fetchone()\n\
        store.execute('DELETE FROM audit WHERE seq > ?', (last - 2,))\n\
        kept, = store.execute('SELECT hash FROM audit WHERE seq = ?', (last - 2,)).fetchone()\n\
        store.execute(\"UPDATE settings SET value = ? WHERE key = 'audit.head'\", (f'{last - 2} {kept.hex()}',))\n\
        store.commit()\n";
    let database = appliance.state().join("chancery.db").display().to_string();
    judge("python3", &["-c", script, &database]);
    let found = appliance.run(&["audit", "verify", "--offline"]);
    assert!(!found.status.success());
    assert!(
        text(&found).contains("cut off") || text(&found).contains("missing"),
        "{}",
        text(&found)
    );
    appliance.serve();
    appliance.wait_for_log("the audit log was tampered with");
    let ready = judge("curl", &["-sk", &format!("{}/readyz", appliance.api_url())]);
    assert!(ready.contains("audit_alarm"), "{ready}");
    // The way out of it.
    appliance.ok(&["audit", "begin-anew", "--reason", "a test cut it"]);
    wait_until("no new log", || appliance.run(&["audit", "key"]).status.success());
    signed(&appliance);
    let ready = judge("curl", &["-sk", &format!("{}/readyz", appliance.api_url())]);
    assert!(!ready.contains("audit_alarm"), "{ready}");
}

/// Authority, server and client certificates as openssl makes them.
fn certificates(appliance: &Appliance) {
    let script = format!(
        "set -e; cd {}; export OPENSSL_CONF=/dev/null
        new() {{ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \"$@\"; }}
        printf '[req]\\ndistinguished_name=dn\\n[dn]\\n' > conf; export OPENSSL_CONF=conf
        new -subj '/CN=Collector CA' -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem
        for who in server client; do
            new -subj /CN=$who -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \\
                -addext keyUsage=critical,digitalSignature -CA ca.pem -CAkey ca.key -keyout $who.key -out $who.pem
        done
        cat client.pem client.key > identity.pem; printf 'shared secret\\n' > secret; chmod 600 secret",
        appliance.dir.path().display()
    );
    judge("bash", &["-c", &script]);
}

/// The numbers of entries in lines of JSON.
fn numbers(lines: &str) -> Vec<u64> {
    let seq = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["seq"]
            .as_u64()
            .unwrap()
    };
    lines.lines().filter(|line| !line.is_empty()).map(seq).collect()
}

/// Whether all entries up to a number have come, in their order, some perhaps twice.
fn is_complete(mut seen: Vec<u64>, last: u64) -> bool {
    seen.sort_unstable();
    seen.dedup();
    seen == (1..=last).collect::<Vec<_>>()
}

fn last(appliance: &Appliance) -> u64 {
    appliance.json(&["audit", "verify"])["entries"].as_u64().unwrap()
}

fn export(appliance: &Appliance, section: &str) {
    let text = std::fs::read_to_string(appliance.config()).unwrap();
    std::fs::write(
        appliance.config(),
        format!("{text}\n[[audit.exports]]\n{section}\n"),
    )
    .unwrap();
}

#[test]
fn e2e_audit_rsyslog() {
    let mut appliance = Appliance::init(Keys::Software);
    certificates(&appliance);
    let dir = appliance.dir.path().display().to_string();
    let [port, ..] = free_ports();
    appliance.write(
        "rsyslog.conf",
        &format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"128k\" DefaultNetstreamDriver=\"ossl\" \
             DefaultNetstreamDriverCAFile=\"{dir}/ca.pem\" DefaultNetstreamDriverCertFile=\"{dir}/server.pem\" \
             DefaultNetstreamDriverKeyFile=\"{dir}/server.key\")\n\
             module(load=\"imtcp\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"x509/certvalid\")\n\
             input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\")\n\
             template(name=\"fields\" type=\"string\" string=\"%syslogfacility% %syslogseverity% %app-name% %msgid% %msg%\\n\")\n\
             action(type=\"omfile\" file=\"{dir}/collected\" template=\"fields\")\n"
        ),
    );
    let log = appliance.file("rsyslog.log");
    let start = || {
        let (conf, pid) = (format!("{dir}/rsyslog.conf"), format!("{dir}/rsyslog.pid"));
        let _ = std::fs::remove_file(&pid);
        Program::start("/usr/sbin/rsyslogd", &["-n", "-f", &conf, "-i", &pid], &log)
    };
    let rsyslog = start();
    export(
        &appliance,
        &format!(
            "name = \"siem\"\nkind = \"syslog\"\naddress = \"localhost:{port}\"\ntls_roots = \"{dir}/ca.pem\"\n\
             tls_identity = \"{dir}/identity.pem\""
        ),
    );
    let collected = || std::fs::read_to_string(format!("{dir}/collected")).unwrap_or_default();
    let json = |line: &str| line.splitn(5, ' ').nth(4).unwrap_or_default().to_owned();
    let seen = || {
        numbers(
            &collected()
                .lines()
                .map(|line| json(line) + "\n")
                .collect::<String>(),
        )
    };
    appliance.serve();
    let before = last(&appliance);
    wait_until("rsyslog has not got all", || {
        is_complete(seen(), last(&appliance))
    });
    assert!(collected().starts_with("13 6 chancery "), "{}", collected());
    assert!(collected().contains(" certificate.issue "), "{}", collected());

    // It is away for a while, and nothing is lost.
    drop(rsyslog);
    appliance.issue("host", "tls-server", "/CN=host.example", Some("DNS:host.example"));
    wait_until("no failure is counted", || {
        appliance
            .metrics()
            .contains("audit_export_failures_total{export=\"siem\"}")
    });
    assert!(last(&appliance) > before, "issuing does not wait for it");
    let _rsyslog = start();
    wait_until("rsyslog has not got the rest", || {
        is_complete(seen(), last(&appliance))
    });
    wait_until("there is a lag", || {
        appliance
            .metrics()
            .contains("audit_export_lag{export=\"siem\"} 0")
    });
}

#[test]
fn e2e_audit_openssl_of_somebody_else() {
    let mut appliance = Appliance::init(Keys::Software);
    certificates(&appliance);
    let dir = appliance.dir.path().display().to_string();
    let [port, ..] = free_ports();
    // openssl serves TLS with a certificate that the roots of the export know nothing of.
    let foreign = format!(
        "cd {dir} && OPENSSL_CONF=conf openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost -keyout foreign.key -out foreign.pem"
    );
    judge("bash", &["-c", &foreign]);
    let words = [
        "s_server",
        "-www",
        "-accept",
        &port.to_string(),
        "-cert",
        &format!("{dir}/foreign.pem"),
        "-key",
        &format!("{dir}/foreign.key"),
    ];
    let _server = Program::start("openssl", &words, &appliance.file("server.log"));
    export(
        &appliance,
        &format!(
            "name = \"siem\"\nkind = \"syslog\"\naddress = \"localhost:{port}\"\ntls_roots = \"{dir}/ca.pem\""
        ),
    );
    appliance.ok(&["config", "check"]);
    appliance.edit(&format!("{dir}/ca.pem"), &format!("{dir}/none.pem"));
    let refused = appliance.run(&["config", "check"]);
    assert!(!refused.status.success());
    assert!(
        text(&refused).contains("audit.exports[siem]"),
        "{}",
        text(&refused)
    );
    appliance.edit(&format!("{dir}/none.pem"), &format!("{dir}/ca.pem"));
    appliance.serve();
    appliance.wait_for_log("entries of the audit log cannot be exported");
    assert!(
        appliance.log_text().contains("certificate"),
        "{}",
        appliance.log_text()
    );
}

#[test]
fn e2e_audit_python_https() {
    let mut appliance = Appliance::init(Keys::Software);
    certificates(&appliance);
    let dir = appliance.dir.path().display().to_string();
    let [port, ..] = free_ports();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/judges/webhook.py");
    let (port_text, posted) = (port.to_string(), format!("{dir}/posted"));
    let words = [
        script.to_str().unwrap(),
        &port_text,
        &format!("{dir}/server.pem"),
        &format!("{dir}/server.key"),
        "shared secret",
        &posted,
    ];
    let _receiver = Program::start("python3", &words, &appliance.file("webhook.log"));
    export(
        &appliance,
        &format!(
            "name = \"hook\"\nkind = \"webhook\"\nurl = \"https://localhost:{port}/audit\"\ntls_roots = \"{dir}/ca.pem\"\n\
             secret_file = \"{dir}/secret\""
        ),
    );
    export(
        &appliance,
        &format!("name = \"file\"\nkind = \"file\"\npath = \"{dir}/audit.jsonl\""),
    );
    appliance.serve();
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    wait_until("the webhook has not got all", || {
        is_complete(numbers(&read(&posted)), last(&appliance))
    });
    let lines = format!("{dir}/audit.jsonl");
    wait_until("the file has not got all", || {
        is_complete(numbers(&read(&lines)), last(&appliance))
    });
    assert!(
        appliance
            .metrics()
            .contains("audit_export_failures_total{export=\"hook\"}"),
        "the first was refused"
    );
    // What was exported are the leaves of the log.
    let size = signed(&appliance);
    let key = appliance.ok(&["audit", "key"]).trim().to_owned();
    let proof = appliance.file("proof").display().to_string();
    appliance.ok(&["audit", "prove", &size.to_string(), "--out", &proof]);
    let (_, said) = offline(&appliance, &[&proof, "--key", &key]);
    wait_until("the file has not the last", || {
        read(&lines)
            .lines()
            .any(|line| Some(line) == said["entry"].as_str())
    });
    // Rotated by its operator.
    std::fs::rename(&lines, format!("{lines}.1")).unwrap();
    appliance.issue("host", "tls-server", "/CN=host.example", Some("DNS:host.example"));
    wait_until("it is not made anew", || {
        read(&lines).contains("certificate.issue")
    });
}
