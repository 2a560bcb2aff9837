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

/// The longest that a client may find nobody who serves it, after a server was killed.
const FAILOVER: Duration = Duration::from_secs(2);
/// How long a server may stop within a transaction, with the turn of all others, before the database ends it.
const HELD_UP: Duration = Duration::from_secs(3);
/// The longest that a revocation may take to all servers.
pub(crate) const WORD: Duration = Duration::from_secs(1);

/// The servers: each with a folder and addresses of its own, with one token.
pub(crate) struct Nodes {
    pub(crate) database: Postgres,
    pub(crate) nodes: Vec<Appliance>,
}

impl Nodes {
    fn start() -> Self {
        let database = Postgres::start();
        let urls = vec![database.url(); 3];
        let mut nodes = Self::init(database, &urls);
        for node in &mut nodes.nodes {
            node.serve();
        }
        nodes
    }

    /// Initialised, each with its own way to the database; none runs.
    pub(crate) fn init(database: Postgres, urls: &[String]) -> Self {
        let nodes: Vec<Appliance> = urls.iter().map(|_| Appliance::empty()).collect();
        for (number, url) in urls.iter().enumerate() {
            let words: &[&str] = if number == 0 {
                &["--init-token"]
            } else {
                share_token(&nodes[0], &nodes[number]);
                &[]
            };
            let made = nodes[number].init_on(Some(url), words).output().unwrap();
            assert!(made.status.success(), "init {number}: {}", text(&made));
        }
        Self { database, nodes }
    }

    pub(crate) fn log(&self) -> String {
        let logs = self.nodes.iter().enumerate();
        let logs: Vec<_> = logs
            .map(|(number, node)| format!("== {number}\n{}", node.log_text()))
            .collect();
        logs.join("\n")
    }

    /// Waits for what must come some day.
    pub(crate) fn wait_until(&self, missing: &str, mut is_so: impl FnMut() -> bool) {
        let since = Instant::now();
        while !is_so() {
            assert!(
                since.elapsed() < Duration::from_mins(1),
                "{missing}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A question about a serial, that any server can be asked.
    fn question(&self, serial: &str) -> Question {
        self.question_with(serial, &["-no_nonce"])
    }

    /// The same with a nonce, so that no answer that was signed before says it.
    pub(crate) fn fresh_question(&self, serial: &str) -> Question {
        self.question_with(serial, &["-nonce"])
    }

    fn question_with(&self, serial: &str, nonce: &[&str]) -> Question {
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
            "-reqout",
            path(&request),
        ];
        judge("openssl", &[&words, nonce].concat());
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
pub(crate) struct Question {
    urls: Vec<String>,
    request: PathBuf,
    issuer: PathBuf,
    root: PathBuf,
    serial: String,
}

impl Question {
    /// What openssl makes of the answer of a server.
    pub(crate) fn ask(&self, number: usize) -> String {
        let answer = self.request.with_extension(format!("answer{number}"));
        let body = format!("@{}", path(&self.request));
        let words = [
            "-sSf",
            "--max-time",
            "20",
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

pub(crate) fn path(file: &Path) -> &str {
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
    clients: Vec<Client>,
}

/// How a client fares.
struct Client {
    /// The server that it asks.
    at: usize,
    /// Since when it waits for the next certificate.
    since: Instant,
    /// How long it waited for each, and when that ended.
    waits: Vec<(Instant, Duration)>,
}

impl Load {
    fn start(nodes: &Nodes) -> Self {
        let csr = nodes.nodes[0].csr("loop", "/CN=loop.test", Some("DNS:loop.test"));
        let csr = std::fs::read_to_string(csr).unwrap();
        let body = json!({ "csr_pem": csr, "profile": "tls-server", "issuer_id": "issuing" });
        let (is_over, served) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Served>>::default());
        let new = |at| Client {
            at,
            since: Instant::now(),
            waits: Vec::new(),
        };
        served.lock().unwrap().clients = (0..3).map(new).collect();
        let workers = (0..3)
            .map(|client| {
                let apis: Vec<Api> = nodes.nodes.iter().map(Api::impatient).collect();
                let (body, is_over, served) = (body.clone(), Arc::clone(&is_over), Arc::clone(&served));
                std::thread::spawn(move || order_until(&apis, client, &body, &is_over, &served))
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
        let before = self.count();
        nodes.wait_until("nobody issues", || self.count() >= before + more);
    }

    /// The server that the first client asks.
    fn place(&self) -> usize {
        self.served.lock().unwrap().clients[0].at
    }

    /// The longest that a client waited at a moment or after it. Each has been served since: nobody waits for what does not come.
    fn longest_wait_since(&self, moment: Instant, nodes: &Nodes) -> Duration {
        let is_served = |client: &Client| client.waits.last().is_some_and(|(at, _)| *at >= moment);
        nodes.wait_until("a client is served by nobody", || {
            self.served.lock().unwrap().clients.iter().all(is_served)
        });
        let served = self.served.lock().unwrap();
        let ended = served.clients.iter().flat_map(|client| &client.waits);
        let ended = ended.filter(|(at, _)| *at >= moment).map(|(_, wait)| *wait);
        let under_way = served.clients.iter().map(|client| client.since.elapsed());
        ended.chain(under_way).max().unwrap()
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

fn order_until(apis: &[Api], client: usize, body: &Value, is_over: &AtomicBool, served: &Mutex<Served>) {
    let mut at = client;
    while !is_over.load(Ordering::SeqCst) {
        let answer = apis[at].try_post("certificates", body.to_string().as_bytes());
        if let Some((201, issued)) = answer {
            let mut served = served.lock().unwrap();
            let serial = issued["serial"].as_str().unwrap().to_owned();
            served.serials.insert(serial);
            let client = &mut served.clients[client];
            client.waits.push((Instant::now(), client.since.elapsed()));
            client.since = Instant::now();
        } else {
            at = (at + 1) % apis.len();
            served.lock().unwrap().clients[client].at = at;
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
    for _ in 0..2 {
        let number = load.place();
        nodes.nodes[number].signal("KILL");
        nodes.nodes[number].wait();
        let wait = load.longest_wait_since(Instant::now(), &nodes);
        eprintln!(
            "the longest wait after a server was killed: {} ms",
            wait.as_millis()
        );
        assert!(wait < FAILOVER, "{wait:?}");
        nodes.nodes[number].serve();
        load.wait_for_more(20, &nodes);
    }

    // One is paused for longer than a transaction may do nothing, and wakes up. Nothing tells its clients: each waits for as long as
    // it likes, and the next server may be held up by what the paused one was at.
    let paused = nodes.nodes[load.place()].pid();
    signal(paused, "STOP");
    let paused_at = Instant::now();
    let wait = load.longest_wait_since(paused_at, &nodes);
    std::thread::sleep((HELD_UP + Duration::from_secs(1)).saturating_sub(paused_at.elapsed()));
    let later = load.longest_wait_since(Instant::now(), &nodes);
    signal(paused, "CONT");
    eprintln!(
        "the longest wait for a server that was paused: {} ms",
        wait.as_millis()
    );
    assert!(wait < Api::SOON + HELD_UP + FAILOVER, "{wait:?}");
    assert!(later < FAILOVER, "{later:?}");
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
