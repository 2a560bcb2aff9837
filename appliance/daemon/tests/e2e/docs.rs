//! The manual's commands, run as they stand.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use store_bed::Postgres;

use crate::backup::{export, taken_at};
use crate::harness::{Appliance, Keys, free_ports, text};

#[test]
fn e2e_docs_quick_start() {
    let said = run("quick-start.md", 6);
    for word in ["host.pem: OK", "Response verify OK", "good", "revoked", "Sound"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn e2e_docs_ceremony() {
    let said = run("operations/ceremony.md", 8);
    for word in [
        "the rehearsal went through",
        "the transcript holds",
        "the ceremony is finished",
        "01-devices.pem: OK",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn e2e_docs_couriers() {
    let appliance = Appliance::start(Keys::Software);
    let words = |name: &'static str, value: String| (name, value);
    let bundle = appliance.state().join("ca-bundle.pem").display().to_string();
    let variables = [
        words("CHANCERY_CONFIG", appliance.config().display().to_string()),
        words("API", appliance.api_url()),
        words("CA_BUNDLE", bundle.clone()),
        words("CA", "issuing".to_owned()),
    ];
    let said = follow(&appliance, "operations/couriers.md", 6, &[], &variables);
    for word in [
        "live/cert.pem: OK",
        "OnCalendar",
        "ok    appliance",
        "is still pending_approval",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let made = appliance.json(&["courier", "show", "web01"]);
    let secret = appliance.json(&["courier", "secret", "web01", "--replaces"]);
    let shown = appliance.ok(&["courier", "show", "web01"]);
    let record = appliance.write(
        "open.toml",
        &shown.replace("needs_approval = true", "needs_approval = false"),
    );
    appliance.ok(&["courier", "change", "web01", record.to_str().unwrap()]);
    let told = |value: &Value| value.as_str().unwrap().to_owned();
    let variables = [
        words("API", appliance.api_url()),
        words("CA_BUNDLE", bundle),
        words("COURIER", told(&made["id"])),
        words("CLIENT_ID", told(&secret["client_id"])),
        words("CLIENT_SECRET", told(&secret["client_secret"])),
    ];
    let said = follow(&appliance, "courier/byoc.md", 5, &[], &variables);
    for word in ["chain.pem: OK", "issued", "installed", "suggested_window"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// Runs the blocks of commands of a page, of which there are so many at least; what they said.
fn run(page: &str, least: usize) -> String {
    let mut script = format!(
        "set -euo pipefail\ntrap 'kill %1' EXIT\n{}",
        commands(page, least, &[])
    );
    for (port, free) in ["8440", "8441", "8442"].into_iter().zip(free_ports()) {
        script = script.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path())
        .output()
        .unwrap();
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{log}", text(&output));
    text(&output)
}

/// The commands of a page of the manual, which has so many blocks of them at least, one after the other. A block of ```` ```sh,file ````
/// is for those to whom each of its words applies.
pub(crate) fn commands(page: &str, least: usize, applies: &[&str]) -> String {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    let manual = std::fs::read_to_string(manual).unwrap();
    let block = |rest: &str| {
        let (words, commands) = rest.split_once('\n').unwrap();
        let mut words = words.split(',').skip(1);
        let own = commands.split("```").next().unwrap().to_owned();
        words.all(|word| applies.contains(&word)).then_some(own)
    };
    let blocks: Vec<String> = manual.split("```sh").skip(1).filter_map(block).collect();
    assert!(
        blocks.len() >= least,
        "{page} has {} blocks of commands",
        blocks.len()
    );
    blocks.concat()
}

/// Which blocks apply where the tests run.
fn kind_of_store() -> &'static str {
    if store_bed::is_postgres() {
        "postgres"
    } else {
        "file"
    }
}

/// How psql and its like reach the server of a database as its administrator, and the variables of the manual about the database.
pub(crate) fn administration(url: &str) -> Vec<(&'static str, String)> {
    let (names, words) = url.strip_prefix("postgres://").unwrap().split_once('?').unwrap();
    let (owner, database) = names.split_once("@/").unwrap();
    let word = |name: &str| {
        words
            .split('&')
            .find_map(|word| word.strip_prefix(name))
            .unwrap()
            .to_owned()
    };
    vec![
        ("PGHOST", word("host=")),
        ("PGPORT", word("port=")),
        ("PGUSER", owner.to_owned()),
        ("OWNER", owner.to_owned()),
        ("DATABASE", database.to_owned()),
    ]
}

/// The path on which the programs of this build come first.
pub(crate) fn path() -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_chancery")).parent().unwrap();
    format!("{}:{}", programs.display(), std::env::var("PATH").unwrap())
}

/// Runs the commands of a page as an operator of this appliance would, with further variables.
fn follow(
    appliance: &Appliance,
    page: &str,
    least: usize,
    applies: &[&str],
    variables: &[(&'static str, String)],
) -> String {
    let commands = commands(page, least, applies);
    let output = Command::new("bash")
        .args(["-c", &format!("set -euo pipefail\n{commands}")])
        .current_dir(appliance.dir.path())
        .envs([
            ("PATH", path().as_str()),
            ("KEY", "backup.key"),
            ("RECIPIENTS", "recipients"),
            ("BACKUP", "one.age"),
            ("LOG_KEY", "audit.vkey"),
        ])
        .envs([("EXPORT", "audit.jsonl"), ("CERTIFICATES", "later.pem")])
        .env("CONFIG", appliance.config())
        .env("STATE", appliance.state())
        .env("SOFTHSM2_CONF", appliance.file("softhsm2.conf"))
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{page}: {}", text(&output));
    text(&output)
}

/// Whose backup was made by the manual, and who was lost after that.
struct Lost {
    appliance: Appliance,
    /// What an operator needs to know of the database.
    variables: Vec<(&'static str, String)>,
    _database: Option<Postgres>,
}

impl Lost {
    fn after_a_backup() -> Self {
        // As it is outside of tests, where `store check` has nothing against it.
        let database = store_bed::is_postgres().then(|| Postgres::start_with(&["fsync=on"]));
        let url = database.as_ref().map(|server| server.make("pki"));
        let mut appliance = Appliance::empty();
        let made = appliance
            .init_on(url.as_deref(), &["--init-token"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made));
        appliance.serve();
        let said = follow(&appliance, "operations/backup.md", 4, &[], &[]);
        assert!(said.contains("signs through the signing process"), "{said}");
        appliance.issue("later", "tls-server", "/CN=later.test", Some("DNS:later.test"));
        export(&appliance, "audit.jsonl");
        appliance.signal("KILL");
        appliance.wait();
        std::fs::remove_dir_all(appliance.state()).unwrap();
        Self {
            appliance,
            variables: url.map_or_else(Vec::new, |url| administration(&url)),
            _database: database,
        }
    }

    /// What the restored server knows of the certificate that the backup does not.
    fn later(&mut self) -> Value {
        self.appliance.serve();
        self.appliance.json(&["cert", "list", "--name", "later.test"])
    }
}

#[test]
fn e2e_docs_backup_and_restore() {
    let mut lost = Lost::after_a_backup();
    let applies = [kind_of_store(), "with-export"];
    let said = follow(
        &lost.appliance,
        "operations/restore.md",
        4,
        &applies,
        &lost.variables,
    );
    assert!(
        said.contains("Taken in again   1") && said.contains("Sound            true"),
        "{said}"
    );
    let listed = lost.later();
    assert_eq!(listed[0]["status"], "valid", "{listed}");
}

#[test]
fn e2e_docs_restore_without_an_export() {
    let mut lost = Lost::after_a_backup();
    let appliance = &lost.appliance;
    let at = taken_at(
        appliance,
        &appliance.file("one.age"),
        &appliance.file("backup.key"),
    );
    lost.variables.push(("TAKEN_AT", at));
    let applies = [kind_of_store(), "without-export"];
    let said = follow(
        &lost.appliance,
        "operations/restore.md",
        3,
        &applies,
        &lost.variables,
    );
    assert!(
        said.contains("is good again") && said.contains("Sound            true"),
        "{said}"
    );
    let listed = lost.later();
    assert_eq!(listed.as_array().unwrap().len(), 0, "{listed}");
}

#[test]
fn e2e_docs_upgrade() {
    let appliance = Appliance::start(Keys::SoftHsm);
    let programs = Path::new(env!("CARGO_BIN_EXE_chancery")).parent().unwrap();
    let new = ("NEW", programs.to_str().unwrap().to_owned());
    let said = follow(&appliance, "operations/upgrade.md", 1, &[], &[new]);
    for row in ["configuration", "schema", "servers", "token"] {
        assert!(said.contains(row), "{row}: {said}");
    }
}

/// Waits until a server has come to rest and all it logged is in the files of the audit log, which follow by a moment.
fn wait_until_written_out(appliance: &Appliance) {
    let checkpoint = appliance.state().join("audit-log/checkpoint");
    let since = Instant::now();
    let mut times = 0;
    while times < 3 {
        assert!(
            since.elapsed() < Duration::from_mins(1),
            "{}",
            appliance.log_text()
        );
        let last = appliance.json(&["audit", "tail", "--lines", "1"])[0]["seq"].to_string();
        let written = std::fs::read_to_string(&checkpoint).unwrap_or_default();
        let is_all = written.lines().nth(1) == Some(&last);
        times = if is_all { times + 1 } else { 0 };
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A server whose log is witnessed, by itself, as far as the commands of the page can tell.
fn witnessed() -> Appliance {
    let mut appliance = Appliance::start(Keys::Software);
    let key = appliance.ok(&["audit", "key"]);
    let again = |appliance: &mut Appliance, section: &str| {
        let text = std::fs::read_to_string(appliance.config()).unwrap();
        std::fs::write(appliance.config(), format!("{text}\n{section}\n")).unwrap();
        appliance.signal("TERM");
        appliance.wait();
        appliance.serve();
    };
    let own = format!(
        "[audit.witness]\nname = \"network.example\"\nkey_file = \"witness.pem\"\nlogs = [\"{}\"]",
        key.trim()
    );
    again(&mut appliance, &own);
    let (key, url) = (appliance.ok(&["audit", "witness-key"]), appliance.api_url());
    let other = format!(
        "[[audit.witnesses]]\nurl = \"{url}/audit/witness\"\nkey = \"{}\"\ntls_roots = \"ca-bundle.pem\"",
        key.trim()
    );
    again(&mut appliance, &other);
    appliance
}

/// What an auditor does, on the log of a server that runs.
#[test]
fn e2e_docs_audit() {
    let appliance = witnessed();
    wait_until_written_out(&appliance);
    crate::audit::wait_until("it is not cosigned", || {
        let checkpoint = appliance.state().join("audit-log/checkpoint");
        std::fs::read_to_string(checkpoint).is_ok_and(|note| note.contains("\u{2014} network.example "))
    });
    let state = appliance.state().display().to_string();
    let script =
        format!("set -euo pipefail\n{}", commands("audit.md", 8, &[])).replace("/var/lib/chancery", &state);
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path())
        .env("CHANCERY_CONFIG", appliance.config())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output),
        appliance.log_text()
    );
    let said = text(&output);
    for word in [
        "Sound            true",
        "Continues        true",
        "witness witness.example+",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
