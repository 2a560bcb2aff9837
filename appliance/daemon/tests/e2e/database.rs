//! A server and the database behind it: one whose disk is full, one whose administrator changes the audit log, and one that another server
//! signs for while the owner of the duty sleeps.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use store_bed::Postgres;

use crate::audit::{offline, signed, wait_until};
use crate::harness::{Appliance, judge, signal, text};
use crate::nodes::{Nodes, path};
use crate::nodes_away::is_stopped;

/// A small disk, which goes when whoever holds the input of its keeper is gone, however that came.
struct Disk {
    folder: PathBuf,
    keeper: Child,
}

const KEEPER: &str = r#"mount -t tmpfs -o size="$1" chancery-test "$0" && echo there
    cat
    umount -l "$0" && rmdir "$0""#;

impl Disk {
    fn of(size: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("chancery-disk-")
            .tempdir()
            .unwrap()
            .keep();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, path(&folder), size])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 6];
        let output = keeper.stdout.as_mut().unwrap();
        std::io::Read::read_exact(output, &mut said).expect("a disk in memory: mounting wants root");
        judge("chown", &["postgres:", path(&folder)]);
        Self { folder, keeper }
    }

    /// Uses up all there is.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).unwrap();
        // Down to the last page.
        for piece in [1 << 20, 4096] {
            let zeros = vec![0; piece];
            while ballast.write_all(&zeros).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }
}

/// Orders a certificate; its serial, or how that was refused.
fn order(appliance: &Appliance, csr: &Path) -> Result<String, (Option<i32>, String)> {
    let words = [
        "-o",
        "json",
        "cert",
        "issue",
        "--profile",
        "tls-server",
        "--ca",
        "issuing",
    ];
    let output = appliance.run(&[&words[..], &[path(csr)]].concat());
    if !output.status.success() {
        return Err((output.status.code(), text(&output)));
    }
    let issued: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(issued["serial"].as_str().unwrap().to_owned())
}

#[test]
fn e2e_store_postgres_a_full_disk_loses_nothing_and_the_server_goes_on() {
    let disk = Disk::of("64m");
    let server = Postgres::start();
    server.run(&format!(
        "CREATE TABLESPACE small LOCATION '{}'",
        disk.folder.display()
    ));
    server.run("CREATE DATABASE narrow TABLESPACE small");
    let url = server.url_of("narrow");
    let mut appliance = Appliance::empty();
    let made = appliance.init_on(Some(&url), &["--software"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    appliance.serve();
    let csr = appliance.csr("host", "/CN=host.test", Some("DNS:host.test"));
    let mut acknowledged = vec![order(&appliance, &csr).unwrap()];
    disk.fill();
    // What is left in the pages that there are is used up first.
    let (status, told) = (0..400)
        .find_map(|_| match order(&appliance, &csr) {
            Ok(serial) => {
                acknowledged.push(serial);
                None
            }
            Err(refused) => Some(refused),
        })
        .expect("the disk is full, and orders are done");
    assert!(told.contains(r#""code":"store_full""#), "{told}");
    assert!(told.contains("make room"), "{told}");
    assert_eq!(status, Some(4), "the same command may succeed later: {told}");
    // What needs no room goes on.
    assert_eq!(
        appliance.json(&["cert", "show", &acknowledged[0]])["status"],
        "valid"
    );

    disk.make_room();
    wait_until("no orders when there is room again", || {
        order(&appliance, &csr).is_ok()
    });
    for serial in &acknowledged {
        assert_eq!(
            appliance.json(&["cert", "show", serial])["status"],
            "valid",
            "{serial}"
        );
    }
    signed(&appliance);
    // Nothing was signed that is not known after a start.
    appliance.signal("KILL");
    appliance.wait();
    appliance.serve();
    for serial in &acknowledged {
        assert_eq!(
            appliance.json(&["cert", "show", serial])["status"],
            "valid",
            "{serial}"
        );
    }
    appliance.check_store().unwrap();
}

/// What the administrator of the database does on a store at work, with everything that the store itself can be made to believe.
#[test]
fn e2e_audit_psql_postgres() {
    let server = Postgres::start();
    let mut appliance = Appliance::empty();
    let made = appliance
        .init_on(Some(&server.url()), &["--software"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    appliance.serve();
    signed(&appliance);
    let kept = appliance.file("kept").display().to_string();
    appliance.ok(&["audit", "checkpoint", "--out", &kept]);
    let key = appliance.ok(&["audit", "key"]).trim().to_owned();
    server.run(
        "ALTER TABLE audit DISABLE TRIGGER ALL;
        DELETE FROM audit WHERE seq > (SELECT max(seq) - 2 FROM audit);
        UPDATE settings SET value = (SELECT seq || ' ' || encode(hash, 'hex') FROM audit ORDER BY seq DESC LIMIT 1)
            WHERE key = 'audit.head';
        ALTER TABLE audit ENABLE TRIGGER ALL",
    );
    let found = appliance.run(&["audit", "verify", "--offline", "--key", &key, "--old", &kept]);
    assert!(!found.status.success());
    assert!(text(&found).contains("cut off"), "{}", text(&found));
    appliance.wait_for_log("the audit log was tampered with");
    let ready = || judge("curl", &["-sk", &format!("{}/readyz", appliance.api_url())]);
    wait_until("no alarm", || ready().contains("audit_alarm"));
    // With the tree and its checkpoints taken away as well, also after a start, and although entries are written.
    server.run("DELETE FROM audit_checkpoints; DELETE FROM audit_tiles");
    appliance.issue("host", "tls-server", "/CN=host.test", Some("DNS:host.test"));
    appliance.signal("TERM");
    appliance.wait();
    appliance.serve();
    let ready = || judge("curl", &["-sk", &format!("{}/readyz", appliance.api_url())]);
    wait_until("no alarm after a start", || ready().contains("audit_alarm"));
    assert_eq!(
        server.run("SELECT count(*) FROM audit_checkpoints"),
        "0",
        "nothing is signed"
    );
    let found = appliance.run(&["audit", "verify", "--offline", "--key", &key, "--old", &kept]);
    assert!(!found.status.success(), "{}", text(&found));
    // The way out of it.
    appliance.ok(&["audit", "begin-anew", "--reason", "a test cut it"]);
    wait_until("no new log", || appliance.run(&["audit", "key"]).status.success());
    signed(&appliance);
    assert!(!ready().contains("audit_alarm"), "{}", ready());
}

/// The sizes and texts of the checkpoints, as the store has them.
fn checkpoints(nodes: &Nodes) -> Vec<(u64, String)> {
    let rows = nodes
        .database
        .run("SELECT size, md5(note) FROM audit_checkpoints ORDER BY size");
    rows.lines()
        .map(|row| {
            let (size, note) = row.split_once('|').unwrap();
            (size.parse().unwrap(), note.to_owned())
        })
        .collect()
}

/// The server that has the duty is stopped with a checkpoint that is signed and not recorded yet, for longer than its lease.
#[test]
fn e2e_audit_postgres_a_server_that_wakes_up_signs_nothing_that_contradicts() {
    let database = Postgres::start();
    let urls = vec![database.url(); 2];
    let mut nodes = Nodes::init(database, &urls);
    nodes.nodes[1].serve();
    signed(&nodes.nodes[1]);
    assert!(nodes.nodes[0].try_serve(&[("CHANCERY_STOP_AT", "after signature: audit #1")]));
    let (holder, other) = (nodes.nodes[0].pid(), nodes.nodes[1].pid());
    // The other one is held back so that it does not sign first.
    signal(other, "STOP");
    nodes.nodes[0].issue("early", "tls-server", "/CN=early.test", Some("DNS:early.test"));
    nodes.wait_until("it is not stopped", || is_stopped(holder));
    let slept_at = checkpoints(&nodes);
    signal(other, "CONT");

    // The other one signs when the lease has ended, and other entries than those that the sleeper has signed.
    nodes.nodes[1].issue("late", "tls-server", "/CN=late.test", Some("DNS:late.test"));
    nodes.wait_until("nobody signs in its place", || {
        let newest = checkpoints(&nodes).pop();
        newest.is_some_and(|newest| Some(&newest) > slept_at.last())
    });
    let size = signed(&nodes.nodes[1]);
    assert!(is_stopped(holder));
    let kept = nodes.nodes[1].file("kept").display().to_string();
    nodes.nodes[1].ok(&["audit", "checkpoint", "--out", &kept]);
    let before = checkpoints(&nodes);

    signal(holder, "CONT");
    nodes.wait_until("the sleeper does not know what was signed", || {
        let line = format!("chancery_audit_checkpoint_entries {size}");
        nodes.nodes[0].metrics().lines().any(|one| one == line)
    });
    assert_eq!(checkpoints(&nodes), before, "the sleeper's was recorded");
    nodes.nodes[0].issue("awake", "tls-server", "/CN=awake.test", Some("DNS:awake.test"));
    let later = signed(&nodes.nodes[0]);
    assert!(later > size);
    let after = checkpoints(&nodes);
    assert_eq!(
        after.get(..before.len()),
        Some(&before[..]),
        "one was recorded under another"
    );
    let key = nodes.nodes[1].ok(&["audit", "key"]).trim().to_owned();
    for node in &nodes.nodes {
        let verified = node.json(&["audit", "verify", "--offline", "--key", &key, "--old", &kept]);
        assert_eq!(verified["sound"], true, "{verified}");
        // The files of each continue what the other has signed.
        let files = node.state().join("audit-log").display().to_string();
        wait_until("the files do not follow", || {
            offline(node, &[&files, "--key", &key, "--old", &kept]).0
        });
        let ready = judge("curl", &["-sk", &format!("{}/readyz", node.api_url())]);
        assert!(!ready.contains("audit_alarm"), "{ready}");
    }
}
