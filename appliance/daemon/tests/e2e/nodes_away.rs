//! A server of two that is cut off from the database for a while and comes back. What the other one did meanwhile stands.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use store_bed::Postgres;
use tempfile::TempDir;

use crate::harness::Appliance;
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
