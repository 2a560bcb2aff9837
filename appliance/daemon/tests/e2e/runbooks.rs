//! The runbooks of the manual, each on an appliance to which has happened what it is for: its commands run as they stand, with the
//! variables that it names. `systemctl` is a stand-in, because there is no systemd here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use store_bed::Postgres;

use crate::backup::ocsp;
use crate::docs::{administration, commands, path};
use crate::harness::{Appliance, Keys, judge, softhsm, text};

/// Starts and stops the server of `CHANCERY_CONFIG`, whose address is in `STAND_IN_READY`.
const SYSTEMCTL: &str = r#"#!/bin/bash
set -euo pipefail
[ "$2" = chancery ] || { echo "no unit $2" >&2; exit 1; }
pid="$STAND_IN/pid"
stop() { kill "$(cat "$pid")"; while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.05; done; rm "$pid"; }
start() {
    chancery serve >> "$STAND_IN/server.log" 2>&1 < /dev/null &
    echo $! > "$pid"
    for _ in $(seq 600); do
        if curl -fsS "$STAND_IN_READY/healthz" > /dev/null 2>&1; then return; fi
        kill -0 "$(cat "$pid")" || break
        sleep 0.1
    done
    cat "$STAND_IN/server.log" >&2
    exit 1
}
case "$1" in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    reload) kill -HUP "$(cat "$STAND_IN/pid")" ;;
    *) echo "not known here: $1" >&2; exit 1 ;;
esac
"#;

/// Runs the blocks of commands of a page, of which there are so many at least; what they said. `started` is the server that is started or
/// stopped in them, if that is another one.
fn follow(
    page: &str,
    (blocks, applies): (usize, &[&str]),
    appliance: &mut Appliance,
    started: Option<&Appliance>,
    variables: &[(&str, &str)],
) -> String {
    let page = format!("operations/{page}");
    let commands = commands(&page, blocks, applies);
    // The programs of PostgreSQL read theirs themselves.
    let is_of_page = |name: &&&str| !name.starts_with("PG");
    for name in variables.iter().map(|(name, _)| name).filter(is_of_page) {
        assert!(
            commands.contains(&format!("${name}")),
            "{page} does not use {name}"
        );
    }
    let stand_in = appliance.file("stand-in");
    fs::create_dir(&stand_in).unwrap();
    let systemctl = stand_in.join("systemctl");
    fs::write(&systemctl, SYSTEMCTL).unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let reaper = if started.is_none() {
        fs::write(stand_in.join("pid"), appliance.pid().to_string()).unwrap();
        Some(appliance.hand_over())
    } else {
        None
    };
    let script = format!(
        "set -euo pipefail\ntrap '[ -e \"$STAND_IN/pid\" ] && systemctl stop chancery' EXIT\n{commands}"
    );
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .current_dir(appliance.state())
        .env("PATH", format!("{}:{}", stand_in.display(), path()))
        .env("SOFTHSM2_CONF", appliance.file("softhsm2.conf"))
        .env("CHANCERY_CONFIG", appliance.config())
        .env("STAND_IN", &stand_in)
        .env("STAND_IN_READY", started.unwrap_or(appliance).public_url());
    for (name, value) in variables {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    if let Some(reaper) = reaper {
        reaper.join().unwrap();
    }
    let said = text(&output);
    let log = fs::read_to_string(stand_in.join("server.log")).unwrap_or_default();
    assert!(
        output.status.success(),
        "{page}:\n{said}\n{log}\n{}",
        appliance.log_text()
    );
    said
}

#[test]
fn e2e_runbook_key_compromise() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let lost = appliance.issue("lost", "tls-server", "/CN=lost.test", Some("DNS:lost.test"));
    let serial = serial(&lost);
    let public = appliance.public_url();
    let variables = [
        ("PUBLIC", public.as_str()),
        ("SERIAL", &serial),
        ("CA", "issuing"),
        ("PARENT", "root"),
    ];
    let before = tls_key_id(&appliance);
    let said = follow("key-compromise.md", (7, &[]), &mut appliance, None, &variables);
    assert_ne!(
        tls_key_id(&appliance),
        before,
        "a certificate of the new generation"
    );
    for word in ["keyCompromise", "certificate.revoke", "Serial Number:"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// Whose the server's own certificate is.
fn tls_issuer(appliance: &Appliance) -> String {
    let file = appliance.state().join("tls/server.pem");
    let words = ["x509", "-noout", "-issuer", "-nameopt", "RFC2253", "-in"];
    let words = [&words[..], &[file.to_str().unwrap()]].concat();
    judge("openssl", &words).trim().to_owned()
}

/// The key that it was signed with.
fn tls_key_id(appliance: &Appliance) -> String {
    let file = appliance.state().join("tls/server.pem");
    let words = ["x509", "-noout", "-ext", "authorityKeyIdentifier", "-in"];
    let words = [&words[..], &[file.to_str().unwrap()]].concat();
    judge("openssl", &words)
}

#[test]
fn e2e_runbook_hsm_loss() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    appliance.issue("old", "tls-server", "/CN=old.test", Some("DNS:old.test"));
    // The token is gone for good.
    let tokens = appliance.file("tokens");
    for token in fs::read_dir(&tokens).unwrap() {
        fs::remove_dir_all(token.unwrap().path()).unwrap();
    }
    let (pin, so_pin) = (
        appliance.state().join("new-pin"),
        appliance.state().join("new-so-pin"),
    );
    for (file, secret) in [(&pin, "473625"), (&so_pin, "98274652")] {
        fs::write(file, secret).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let signerd = appliance.state().join("signerd.toml");
    let module = softhsm();
    let variables = [
        ("SIGNERD", signerd.to_str().unwrap()),
        ("MODULE", &module),
        ("PIN_FILE", pin.to_str().unwrap()),
        ("SO_PIN_FILE", so_pin.to_str().unwrap()),
        ("LOST", "hsm"),
    ];
    let said = follow("hsm-loss.md", (6, &[]), &mut appliance, None, &variables);
    assert!(said.contains("issuing-2"), "{said}");
    assert!(said.contains("old.test"), "{said}");
    assert_eq!(said.matches("Key lost at").count(), 2, "{said}");
    assert!(said.contains("/audit/"), "a checkpoint: {said}");
    assert_eq!(
        tls_issuer(&appliance),
        "issuer=CN=Example Issuing CA 2",
        "its own certificate"
    );
}

#[test]
fn e2e_runbook_node_loss() {
    let database = Postgres::start();
    let url = database.url();
    let mut lost = Appliance::empty();
    let made = lost.init_on(Some(&url), &["--init-token"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let mut other = beside(&lost);
    let made = other.init_on(Some(&url), &[]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let new = beside(&lost);
    fs::remove_dir_all(new.state()).unwrap();
    lost.serve();
    other.serve();
    lost.issue("before", "tls-server", "/CN=before.test", Some("DNS:before.test"));
    lost.signal("KILL");
    lost.wait();

    // What `init` is told beside the folder and the database: the PIN and, here, its listeners.
    let words = new.init_on(None, &[]);
    let words: Vec<&str> = words.get_args().filter_map(|word| word.to_str()).collect();
    let listeners = words.iter().position(|word| *word == "--api").unwrap();
    let pin = lost.state().join("pin");
    let init = format!("--pin-file {} {}", pin.display(), words[listeners..].join(" "));
    let (state, public) = (new.state(), other.public_url());
    let variables = [
        ("PUBLIC", public.as_str()),
        ("NEW", state.to_str().unwrap()),
        ("STORE_URL", &url),
        ("INIT", &init),
    ];
    let said = follow("node-loss.md", (3, &[]), &mut other, Some(&new), &variables);
    assert_eq!(said.matches("OCSP says revoked").count(), 2, "{said}");
}

/// The files of an operator who had a backup made and the audit log exported before the database was lost.
struct Prepared {
    backup: String,
    key: String,
    log_key: String,
    export: String,
    /// What was issued after the backup, and its serial.
    certificates: String,
    kept: String,
    /// The serial of what was issued and revoked after the backup.
    revoked: String,
}

fn prepare(appliance: &Appliance) -> Prepared {
    let name = |file: &str| appliance.file(file).to_str().unwrap().to_owned();
    let (key, backup, export) = (name("key"), name("one.age"), name("audit.jsonl"));
    appliance.ok(&["backup", "keygen", "--to", &key]);
    let recipient = fs::read_to_string(&key).unwrap();
    let recipient = recipient
        .split_whitespace()
        .find(|word| word.starts_with("age1"))
        .unwrap();
    crate::audit::signed(appliance);
    appliance.ok(&["backup", "--recipient", recipient, "--to", &backup]);
    let log_key = name("audit.vkey");
    fs::write(&log_key, appliance.ok(&["audit", "key"])).unwrap();
    let revoked = appliance.issue("after", "tls-server", "/CN=after.test", Some("DNS:after.test"));
    let revoked = serial(&revoked);
    let kept = appliance.issue("kept", "tls-server", "/CN=kept.test", Some("DNS:kept.test"));
    appliance.ok(&["cert", "revoke", &revoked, "--reason", "superseded"]);
    let log = appliance.json(&["audit", "tail", "--lines", "1000"]);
    fs::write(&export, log.to_string()).unwrap();
    Prepared {
        backup,
        key,
        log_key,
        export,
        certificates: kept.to_str().unwrap().to_owned(),
        kept: serial(&kept),
        revoked,
    }
}

/// Follows the page about the loss of the database; what was revoked after the backup is revoked again.
fn bring_back(
    appliance: &mut Appliance,
    prepared: &Prepared,
    applies: &str,
    more: &[(&str, &str)],
) -> String {
    let state = appliance.state();
    let mut variables = vec![
        ("STATE", state.to_str().unwrap()),
        ("BACKUP", &prepared.backup),
        ("KEY", &prepared.key),
        ("LOG_KEY", &prepared.log_key),
        ("EXPORT", &prepared.export),
        ("CERTIFICATES", &prepared.certificates),
    ];
    variables.extend(more);
    let said = follow("database-loss.md", (2, &[applies]), appliance, None, &variables);
    assert!(said.contains("the store is not whole"), "{said}");
    assert!(said.contains("OCSP says revoked"), "{said}");
    appliance.serve();
    let log = appliance.json(&["audit", "tail", "--lines", "1000"]);
    assert!(
        log.to_string().contains(&prepared.revoked),
        "what was revoked after the backup: {log}"
    );
    assert_eq!(ocsp(appliance, &prepared.revoked), "revoked");
    assert_eq!(ocsp(appliance, &prepared.kept), "good");
    said
}

#[test]
fn e2e_runbook_database_loss_on_a_file() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let prepared = prepare(&appliance);
    // The disk eats the file.
    let database = fs::OpenOptions::new()
        .write(true)
        .open(appliance.state().join("chancery.db"))
        .unwrap();
    database.set_len(20_000).unwrap();
    drop(database);
    bring_back(&mut appliance, &prepared, "file", &[]);
}

/// A database with a hole in it, which is kept, and one that is gone.
#[test]
fn e2e_runbook_database_loss_postgres() {
    // As it is outside of tests, where `store check` has nothing against it.
    let server = Postgres::start_with(&["fsync=on"]);
    for (database, loss) in [("holed", "DROP TABLE certificates CASCADE"), ("gone", "")] {
        let url = server.make(database);
        let mut appliance = Appliance::empty();
        let made = appliance.init_on(Some(&url), &["--init-token"]).output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        appliance.serve();
        let prepared = prepare(&appliance);
        if loss.is_empty() {
            server.run(&format!("DROP DATABASE {database} WITH (FORCE)"));
            waits_for_its_database(&appliance);
        } else {
            appliance.change_store(loss);
        }
        let administration = administration(&url);
        let mut variables = vec![("STORE_URL", url.as_str())];
        variables.extend(administration.iter().map(|(name, value)| (*name, value.as_str())));
        let said = bring_back(&mut appliance, &prepared, "postgres", &variables);
        assert_eq!(said.contains("there is none to keep"), loss.is_empty(), "{said}");
        assert!(said.contains("chancery.toml.of-backup"), "{said}");
        let kept = server.run(&format!(
            "SELECT count(*) FROM pg_database WHERE datname = '{database}_damaged'"
        ));
        assert_eq!(kept == "1", !loss.is_empty(), "{said}");
    }
}

/// A database that is not there may come back: whoever asks is told to ask later, as `/readyz` says.
fn waits_for_its_database(appliance: &Appliance) {
    let csr = appliance.csr("early", "/CN=early.test", Some("DNS:early.test"));
    let issue = ["cert", "issue", "--profile", "tls-server", "--ca", "issuing"];
    // The first one finds the connection that broke off, the next one that there is nothing to connect to.
    for _ in 0..3 {
        let words = [&["-o", "json"][..], &issue, &[csr.to_str().unwrap()]].concat();
        let refused = appliance.run(&words);
        let told = text(&refused);
        assert_eq!(refused.status.code(), Some(4), "{told}");
        assert!(told.contains(r#""code":"store_unavailable""#), "{told}");
    }
}

/// A folder for another server with the same token.
fn beside(owner: &Appliance) -> Appliance {
    let other = Appliance::empty();
    fs::create_dir_all(other.state()).unwrap();
    fs::copy(owner.file("softhsm2.conf"), other.file("softhsm2.conf")).unwrap();
    fs::copy(owner.state().join("pin"), other.state().join("pin")).unwrap();
    other
}

fn serial(certificate: &Path) -> String {
    let words = ["x509", "-noout", "-serial", "-in", certificate.to_str().unwrap()];
    let said = judge("openssl", &words);
    said.trim().strip_prefix("serial=").unwrap().to_lowercase()
}
