//! Three servers on one PostgreSQL, under load, while servers and the database are killed and paused: nothing that was handed out is
//! lost, what one revokes all answer for, and clients that try another address go on within two seconds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use store_bed::Postgres;

use crate::api::Api;
use crate::harness::{Appliance, judge, run, signal, text};

/// The longest that a client may find nobody who serves it.
const FAILOVER: Duration = Duration::from_secs(2);
/// The longest that a revocation may take to all servers.
const WORD: Duration = Duration::from_secs(1);

/// The servers: each with a folder and addresses of its own, with one token.
struct Nodes {
    database: Postgres,
    nodes: Vec<Appliance>,
}

impl Nodes {
    fn start() -> Self {
        let database = Postgres::start();
        let mut nodes: Vec<Appliance> = (0..3).map(|_| Appliance::empty()).collect();
        let url = database.url();
        for number in 0..3 {
            let words: &[&str] = if number == 0 {
                &["--init-token"]
            } else {
                share_token(&nodes[0], &nodes[number]);
                &[]
            };
            let made = nodes[number].init_on(Some(&url), words).output().unwrap();
            assert!(made.status.success(), "init {number}: {}", text(&made));
        }
        for node in &mut nodes {
            node.serve();
        }
        Self { database, nodes }
    }

    fn log(&self) -> String {
        let logs = self.nodes.iter().enumerate();
        let logs: Vec<_> = logs
            .map(|(number, node)| format!("== {number}\n{}", node.log_text()))
            .collect();
        logs.join("\n")
    }

    /// A question about a serial, that any server can be asked.
    fn question(&self, serial: &str) -> Question {
        let node = &self.nodes[0];
        let id = node.json(&["ca", "show", "issuing"])["id"].clone();
        let (issuer, root) = (node.ca("issuing"), node.ca("root"));
        let request = node.file(&format!("{serial}.req"));
        let serial = format!("0x{serial}");
        let words = [
            "ocsp",
            "-issuer",
            path(&issuer),
            "-serial",
            &serial,
            "-no_nonce",
            "-reqout",
            path(&request),
        ];
        judge("openssl", &words);
        let address = format!("/.well-known/pki/ocsp/{}", id.as_str().unwrap());
        Question {
            urls: self
                .nodes
                .iter()
                .map(|node| format!("{}{address}", node.public_url()))
                .collect(),
            request,
            issuer,
            root,
            serial,
        }
    }

    /// Waits until all servers say of a serial that it is revoked; how long that took.
    fn wait_until_revoked(&self, question: &Question) -> Duration {
        let since = Instant::now();
        for number in 0..self.nodes.len() {
            while !question.ask(number).contains(": revoked") {
                assert!(
                    since.elapsed() < Duration::from_secs(10),
                    "{number} says good:\n{}",
                    self.log()
                );
            }
        }
        since.elapsed()
    }
}

/// An OCSP request, where to send it, and what to believe.
struct Question {
    urls: Vec<String>,
    request: PathBuf,
    issuer: PathBuf,
    root: PathBuf,
    serial: String,
}

impl Question {
    /// What openssl makes of the answer of a server.
    fn ask(&self, number: usize) -> String {
        let answer = self.request.with_extension(format!("answer{number}"));
        let body = format!("@{}", path(&self.request));
        let words = [
            "-sSf",
            "-H",
            "Content-Type: application/ocsp-request",
            "--data-binary",
            &body,
            "-o",
            path(&answer),
        ];
        let mut words = words.to_vec();
        words.push(&self.urls[number]);
        judge("curl", &words);
        let words = [
            "ocsp",
            "-respin",
            path(&answer),
            "-issuer",
            path(&self.issuer),
            "-serial",
            &self.serial,
        ];
        let mut words = words.to_vec();
        words.extend([
            "-CAfile",
            path(&self.root),
            "-verify_other",
            path(&self.issuer),
            "-no_nonce",
        ]);
        text(&run("openssl", &words, b""))
    }
}

/// Lets a server use the token of another.
fn share_token(owner: &Appliance, other: &Appliance) {
    std::fs::create_dir_all(other.state()).unwrap();
    std::fs::copy(owner.file("softhsm2.conf"), other.file("softhsm2.conf")).unwrap();
    std::fs::copy(owner.state().join("pin"), other.state().join("pin")).unwrap();
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

/// Clients that order as fast as they are answered; who is not served tries the next address.
struct Load {
    is_over: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    served: Arc<Mutex<Served>>,
}

#[derive(Default)]
struct Served {
    /// What was handed out.
    serials: BTreeSet<String>,
    /// The longest that a client tried in vain, and when that ended.
    waits: Vec<(Instant, Duration)>,
}

impl Load {
    fn start(nodes: &Nodes) -> Self {
        let csr = nodes.nodes[0].csr("loop", "/CN=loop.test", Some("DNS:loop.test"));
        let csr = std::fs::read_to_string(csr).unwrap();
        let body = json!({ "csr_pem": csr, "profile": "tls-server", "issuer_id": "issuing" });
        let (is_over, served) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Served>>::default());
        let workers = (0..3)
            .map(|first| {
                let apis: Vec<Api> = nodes.nodes.iter().map(Api::impatient).collect();
                let (body, is_over, served) = (body.clone(), Arc::clone(&is_over), Arc::clone(&served));
                std::thread::spawn(move || order_until(&apis, first, &body, &is_over, &served))
            })
            .collect();
        Self {
            is_over,
            workers,
            served,
        }
    }

    fn count(&self) -> usize {
        self.served.lock().unwrap().serials.len()
    }

    fn wait_for_more(&self, more: usize, nodes: &Nodes) {
        let (since, before) = (Instant::now(), self.count());
        while self.count() < before + more {
            assert!(
                since.elapsed() < Duration::from_mins(1),
                "nobody issues:\n{}",
                nodes.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The longest wait that ended after a moment.
    fn longest_wait_since(&self, moment: Instant) -> Duration {
        let served = self.served.lock().unwrap();
        let waits = served.waits.iter().filter(|(at, _)| *at >= moment);
        waits.map(|(_, wait)| *wait).max().unwrap_or_default()
    }

    fn stop(self) -> Vec<String> {
        self.is_over.store(true, Ordering::SeqCst);
        for worker in self.workers {
            worker.join().unwrap();
        }
        let served = self.served.lock().unwrap();
        served.serials.iter().cloned().collect()
    }
}

fn order_until(apis: &[Api], first: usize, body: &Value, is_over: &AtomicBool, served: &Mutex<Served>) {
    let (mut at, mut since) = (first, Instant::now());
    while !is_over.load(Ordering::SeqCst) {
        let answer = apis[at % apis.len()].try_post("certificates", body.to_string().as_bytes());
        if let Some((201, issued)) = answer {
            let mut served = served.lock().unwrap();
            let serial = issued["serial"].as_str().unwrap().to_owned();
            served.serials.insert(serial);
            served.waits.push((Instant::now(), since.elapsed()));
            since = Instant::now();
        } else {
            at += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn e2e_store_postgres_three_nodes_under_load() {
    let mut nodes = Nodes::start();
    let load = Load::start(&nodes);
    load.wait_for_more(60, &nodes);

    // One is killed: its clients go elsewhere, and it comes back to the same work.
    for number in [0, 1] {
        let killed_at = Instant::now();
        nodes.nodes[number].signal("KILL");
        nodes.nodes[number].wait();
        load.wait_for_more(60, &nodes);
        let wait = load.longest_wait_since(killed_at);
        eprintln!(
            "the longest wait after a server was killed: {} ms",
            wait.as_millis()
        );
        assert!(wait < FAILOVER, "{wait:?}");
        nodes.nodes[number].serve();
        load.wait_for_more(20, &nodes);
    }

    // One is paused for longer than a transaction may do nothing, and wakes up.
    let paused = nodes.nodes[2].pid();
    signal(paused, "STOP");
    load.wait_for_more(60, &nodes);
    std::thread::sleep(Duration::from_secs(4));
    load.wait_for_more(20, &nodes);
    signal(paused, "CONT");
    load.wait_for_more(20, &nodes);

    // The database is killed, and comes back.
    nodes.database.kill();
    std::thread::sleep(Duration::from_millis(500));
    nodes.database.start_again();
    load.wait_for_more(60, &nodes);

    // What one revokes, all answer for within a second.
    let serial = load.served.lock().unwrap().serials.iter().next().unwrap().clone();
    let question = nodes.question(&serial);
    assert!(question.ask(2).contains(": good"));
    nodes.nodes[0].ok(&["cert", "revoke", &serial, "--reason", "superseded"]);
    let word = nodes.wait_until_revoked(&question);
    eprintln!("until all knew of a revocation: {} ms", word.as_millis());
    assert!(word < WORD, "{word:?}");
    let serials = load.stop();
    let serials: Vec<String> = serials.into_iter().filter(|one| *one != serial).collect();
    assert_whole(&nodes, &serials);
}

/// Two servers that go by one name would settle each other's work; and one that knows more than the database has begins anew.
#[test]
fn e2e_store_postgres_one_server_by_each_name() {
    let database = Postgres::start();
    let url = database.url();
    let mut nodes = [Appliance::empty(), Appliance::empty()];
    let made = nodes[0].init_on(Some(&url), &["--init-token"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    share_token(&nodes[0], &nodes[1]);
    let made = nodes[1].init_on(Some(&url), &[]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    nodes[0].serve();

    let twice = nodes[0].run(&["serve"]);
    assert!(!twice.status.success());
    let said = text(&twice);
    assert!(
        said.contains("is in use by another process: stop it first"),
        "{said}"
    );
    let own = nodes[1].state().join("node");
    let kept = std::fs::read(&own).unwrap();
    std::fs::copy(nodes[0].state().join("node"), &own).unwrap();
    for words in [["serve"].as_slice(), &["store", "migrate"]] {
        let copied = nodes[1].run(words);
        assert!(!copied.status.success());
        let said = text(&copied);
        assert!(said.contains("remove the file `node` from it"), "{said}");
    }
    std::fs::write(&own, kept).unwrap();
    nodes[1].serve();

    database.run("UPDATE changes SET at = at + 1 WHERE seq = (SELECT max(seq) FROM changes)");
    for node in &mut nodes {
        assert!(!node.wait().success());
        assert!(
            node.log_text().contains("has lost what it had committed"),
            "{}",
            node.log_text()
        );
        node.serve();
    }
}

/// Everything that was handed out is known to every server, and the store is whole.
fn assert_whole(nodes: &Nodes, serials: &[String]) {
    let config = {
        let server =
            ::store::PostgresConfig::new(&nodes.database.url(), &::store::Credentials::default()).unwrap();
        ::store::StoreConfig::on_server(server, nodes.nodes[0].state())
    };
    let store = ::store::Store::open_read_only(&config).unwrap();
    let recorded = store.read_here(|reader| {
        let mut recorded = BTreeSet::new();
        ::store::statuses::for_each(reader, |status| {
            recorded.insert(
                status
                    .serial
                    .iter()
                    .fold(String::new(), |text, octet| format!("{text}{octet:02x}")),
            );
            Ok(())
        })?;
        Ok(recorded)
    });
    let recorded = recorded.unwrap();
    let lost: Vec<_> = serials
        .iter()
        .filter(|serial| !recorded.contains(*serial))
        .collect();
    assert!(lost.is_empty(), "handed out and lost: {lost:?}");
    for serial in serials.iter().rev().take(3) {
        let question = nodes.question(serial);
        for number in 0..3 {
            assert!(
                question.ask(number).contains(": good"),
                "{serial} on {number}:\n{}",
                nodes.log()
            );
        }
    }
    for node in &nodes.nodes {
        assert_eq!(node.json(&["audit", "verify"])["sound"], true);
    }
    let findings = store.read_here(::store::check).unwrap();
    let problems: Vec<_> = findings
        .iter()
        .filter_map(|finding| finding.problem.as_ref())
        .collect();
    assert!(
        problems.iter().all(|problem| problem.contains("fsync")),
        "{problems:?}"
    );
    // Every serial that was revoked unrecorded is one that nobody was handed.
    let mut orphans = Vec::new();
    store
        .read_here(|reader| {
            ::store::revocations::for_each(reader, |row| {
                if row.is_orphan {
                    orphans.push(
                        row.serial
                            .iter()
                            .fold(String::new(), |text, octet| format!("{text}{octet:02x}")),
                    );
                }
                Ok(())
            })
        })
        .unwrap();
    assert!(
        orphans.iter().all(|orphan| !serials.contains(orphan)),
        "{orphans:?}"
    );
}
