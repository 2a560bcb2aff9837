//! A server of two that is away for a while and comes back: cut off from the database, or stopped while it makes a CRL. What the other
//! one did meanwhile stands.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use store_bed::Postgres;
use tempfile::TempDir;

use crate::harness::{Appliance, judge, signal, text};
use crate::nodes::{Nodes, WORD, path};

/// What a cut off server may not know for longer: the least that the configuration allows.
const LAG: Duration = Duration::from_secs(2);
/// How long somebody waits for what must come some day.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passage {
    Open,
    /// Nothing arrives, and nobody is told.
    Silent,
    /// Connections break off, and new ones do at once.
    Closed,
}

/// A way to the socket of a database that can be cut. It ends with the process of the test.
struct Way {
    folder: TempDir,
    port: String,
    passage: Arc<Mutex<Passage>>,
    connections: Arc<Mutex<Vec<UnixStream>>>,
}

impl Way {
    fn to(database: &Postgres) -> Self {
        let url = database.url();
        let (_, query) = url.split_once("?host=").unwrap();
        let (place, port) = query.split_once("&port=").unwrap();
        let socket = format!(".s.PGSQL.{port}");
        let (folder, beyond) = (TempDir::new().unwrap(), Path::new(place).join(&socket));
        let way = Self {
            port: port.to_owned(),
            passage: Arc::new(Mutex::new(Passage::Open)),
            connections: Arc::default(),
            folder,
        };
        let listener = UnixListener::bind(way.folder.path().join(socket)).unwrap();
        let (passage, connections) = (Arc::clone(&way.passage), Arc::clone(&way.connections));
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let Ok(far) = UnixStream::connect(&beyond) else {
                    continue;
                };
                if *passage.lock().unwrap() == Passage::Closed {
                    continue;
                }
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let passage = Arc::clone(&passage);
                    std::thread::spawn(move || carry(from, to, &passage));
                }
                connections.lock().unwrap().extend([near, far]);
            }
        });
        way
    }

    fn url(&self) -> String {
        let folder = path(self.folder.path());
        format!("postgres://chancery@/chancery?host={folder}&port={}", self.port)
    }

    fn is_from_now_on(&self, passage: Passage) {
        *self.passage.lock().unwrap() = passage;
        if passage == Passage::Closed {
            for connection in self.connections.lock().unwrap().drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }
}

fn carry(mut from: UnixStream, mut to: UnixStream, passage: &Mutex<Passage>) {
    let mut octets = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut octets).unwrap_or(0);
        while *passage.lock().unwrap() == Passage::Silent {
            std::thread::sleep(Duration::from_millis(2));
        }
        if read == 0 || to.write_all(&octets[..read]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

/// Has a certificate issued; its serial.
fn issue(node: &Appliance, name: &str) -> String {
    let csr = node.csr(
        name,
        &format!("/CN={name}.test"),
        Some(&format!("DNS:{name}.test")),
    );
    let issued = node.json(&[
        "cert",
        "issue",
        "--ca",
        "issuing",
        "--profile",
        "tls-server",
        path(&csr),
    ]);
    issued["serial"].as_str().unwrap().to_owned()
}

#[test]
fn e2e_store_postgres_a_server_that_was_cut_off_knows_soon_what_was_revoked() {
    let database = Postgres::start();
    let way = Way::to(&database);
    let urls = [database.url(), way.url()];
    let mut nodes = Nodes::init(database, &urls);
    let config = nodes.nodes[1].config();
    let mut settings: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
    settings["store"]
        .as_table_mut()
        .unwrap()
        .insert("lag_seconds".to_owned(), LAG.as_secs().cast_signed().into());
    fs::write(&config, settings.to_string()).unwrap();
    for node in &mut nodes.nodes {
        node.serve();
    }
    for cut in [Passage::Silent, Passage::Closed] {
        let serial = issue(&nodes.nodes[0], &format!("{cut:?}").to_lowercase());
        let question = nodes.fresh_question(&serial);
        // What it says, and how long after a moment it was asked.
        let ask = |moment: Instant| {
            let begun = moment.elapsed();
            assert!(begun < PATIENCE, "{cut:?}:\n{}", nodes.log());
            (question.ask(1), begun)
        };
        let issued_at = Instant::now();
        while !ask(issued_at).0.contains(": good") {}

        way.is_from_now_on(cut);
        let cut_at = Instant::now();
        nodes.nodes[0].ok(&["cert", "revoke", &serial, "--reason", "superseded"]);
        assert!(question.ask(0).contains(": revoked"));
        let mut later = 0;
        while later < 5 || cut_at.elapsed() < LAG * 2 {
            let (said, begun) = ask(cut_at);
            assert!(!said.contains(": revoked"), "{cut:?}: it is not cut off");
            assert!(
                begun < LAG || !said.contains(": good"),
                "{cut:?} for {begun:?}: {said}"
            );
            later += usize::from(said.contains("trylater"));
        }

        way.is_from_now_on(Passage::Open);
        let back_at = Instant::now();
        loop {
            let (said, begun) = ask(back_at);
            assert!(
                !said.contains(": good"),
                "{cut:?} {begun:?} after it was back: {said}"
            );
            if said.contains(": revoked") {
                eprintln!(
                    "{cut:?}: revoked when it was asked {} ms after it was back",
                    begun.as_millis()
                );
                break;
            }
            assert!(begun < WORD, "{cut:?} {begun:?} after it was back: {said}");
        }
    }
}

/// The list that a server hands out: its number and its octets.
fn list(node: &Appliance, id: &str) -> (u64, Vec<u8>) {
    let file = node.file("list.crl");
    let url = format!("{}/.well-known/pki/crl/{id}", node.public_url());
    judge("curl", &["-sSf", "--max-time", "20", "-o", path(&file), &url]);
    let told = judge(
        "openssl",
        &[
            "crl",
            "-inform",
            "DER",
            "-in",
            path(&file),
            "-noout",
            "-crlnumber",
        ],
    );
    let (_, number) = told.trim().split_once("0x").unwrap();
    (u64::from_str_radix(number, 16).unwrap(), fs::read(file).unwrap())
}

/// The numbers of the lists of an issuer that were ever published, in the order of the audit log.
fn published(node: &Appliance, id: &str) -> Vec<u64> {
    let told = node.json(&["audit", "tail", "--lines", "500"]);
    let mut entries: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"] == "crl.publish" && entry["object"] == id)
        .map(|entry| {
            (
                entry["seq"].as_u64().unwrap(),
                entry["details"]["number"].as_u64().unwrap(),
            )
        })
        .collect();
    entries.sort_unstable();
    entries.into_iter().map(|(_, number)| number).collect()
}

pub(crate) fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).unwrap();
    let (_, behind_name) = stat.rsplit_once(") ").unwrap();
    behind_name.starts_with('T')
}

/// The server is stopped for longer than the lease of the list that it makes: signed, and not recorded yet.
#[test]
fn e2e_store_postgres_a_server_that_wakes_up_publishes_nothing_old() {
    let database = Postgres::start();
    let urls = vec![database.url(); 2];
    let mut nodes = Nodes::init(database, &urls);
    assert!(nodes.nodes[0].try_serve(&[("CHANCERY_STOP_AT", "after signature: revocation #1")]));
    nodes.nodes[1].serve();
    let shown = nodes.nodes[1].json(&["ca", "show", "issuing"]);
    let id = shown["id"].as_str().unwrap();
    let (before, _) = list(&nodes.nodes[1], id);
    let serial = issue(&nodes.nodes[0], "host");

    // The list follows by itself, and the other one is held back so that it does not make it first.
    let (holder, other) = (nodes.nodes[0].pid(), nodes.nodes[1].pid());
    signal(other, "STOP");
    nodes.nodes[0].ok(&["cert", "revoke", &serial, "--reason", "superseded"]);
    nodes.wait_until("it is not stopped", || is_stopped(holder));
    signal(other, "CONT");
    let refused = nodes.nodes[1].run(&["ca", "publish-crl", "issuing"]);
    assert!(
        text(&refused).contains("another server is making this list"),
        "{}",
        text(&refused)
    );
    assert_eq!(list(&nodes.nodes[1], id).0, before);

    // Nobody is asked to: the other one goes on when the lease has ended.
    nodes.wait_until("nobody publishes in its place", || {
        list(&nodes.nodes[1], id).0 > before
    });
    assert!(is_stopped(holder));
    let (number, octets) = list(&nodes.nodes[1], id);
    assert_eq!(number, before + 2, "the one between is the sleeper's");
    assert_eq!(published(&nodes.nodes[1], id).last(), Some(&number));

    signal(holder, "CONT");
    nodes.nodes[0]
        .wait_for_log("the CRL could not be published error=another server has taken this duty over");
    nodes.wait_until("they hand out different lists", || {
        let lists = [0, 1].map(|node| list(&nodes.nodes[node], id));
        assert!(
            lists.iter().all(|(one, _)| *one != before + 1),
            "the sleeper's list is handed out"
        );
        assert!(lists[1].0 >= number, "the numbers fall");
        if lists[1].0 == number {
            assert_eq!(lists[1].1, octets);
        }
        lists[0] == lists[1]
    });
    let later = nodes.nodes[0].json(&["ca", "publish-crl", "issuing"]);
    assert!(later["number"].as_u64().unwrap() > number, "{later}");
    nodes.wait_until("the next list is not handed out by both", || {
        let lists = [0, 1].map(|node| list(&nodes.nodes[node], id));
        lists[0].0 > number && lists[0] == lists[1]
    });
    let numbers = published(&nodes.nodes[1], id);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert!(
        !numbers.contains(&(before + 1)) && numbers.contains(&number),
        "{numbers:?}"
    );
}
