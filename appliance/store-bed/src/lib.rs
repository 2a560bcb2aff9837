//! Where the stores of tests stand: in SQLite files, or in databases of a PostgreSQL server that a test has to itself. No package
//! ships this crate.
//!
//! Tests that are about the store name the server they want ([`Postgres`]). All others ask for [`config`], and run over PostgreSQL
//! when the environment says `CHANCERY_TEST_STORE=postgres`, as `cargo xtask test` does in its second round.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "without its database a test cannot go on, and says why"
)]

mod postgres;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use store::{Credentials, PostgresConfig, Store, StoreConfig};
use uuid::Uuid;

pub use postgres::Postgres;

/// Says which database the tests run over.
const WHICH: &str = "CHANCERY_TEST_STORE";

/// The server that the databases of this process are on.
static SERVER: OnceLock<Postgres> = OnceLock::new();

/// The store of a path: the file there, or a database that belongs to the path, in every process that asks.
pub fn config(path: impl AsRef<Path>) -> StoreConfig {
    let path = path.as_ref();
    let mut config = match url(path) {
        None => StoreConfig::new(path),
        Some(url) => {
            let server = PostgresConfig::new(&url, &Credentials::default()).unwrap();
            StoreConfig::on_server(server, path.parent().unwrap())
        }
    };
    // Whoever opens it again, as after a kill, is the same server.
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    config.node = Uuid::from_u128(hasher.finish().into());
    config
}

/// Opens it for writing.
pub fn open(path: impl AsRef<Path>) -> Store {
    Store::open(&config(path)).unwrap()
}

/// The address of the database that belongs to a path, made when it is asked for first; nothing when tests run over SQLite.
pub fn url(path: &Path) -> Option<String> {
    static MADE: AtomicU64 = AtomicU64::new(0);

    if !is_postgres() {
        return None;
    }
    let note = path.with_extension("postgres");
    if let Ok(url) = std::fs::read_to_string(&note) {
        return Some(url);
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let server = SERVER.get_or_init(Postgres::start);
    let url = server.make(&format!("store_{}", MADE.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(note, &url).unwrap();
    Some(url)
}

/// Takes the database of a path away with all that is in it, and with whoever is connected; the path gets a new one when it is asked for
/// again. A file is somebody else's to remove.
pub fn lose(path: &Path) {
    let note = path.with_extension("postgres");
    let Ok(url) = std::fs::read_to_string(&note) else {
        return;
    };
    let database = url.split(['/', '?']).nth(3).unwrap().to_owned();
    SERVER
        .get()
        .unwrap()
        .run(&format!("DROP DATABASE {database} WITH (FORCE)"));
    std::fs::remove_file(note).unwrap();
}

/// Whether tests run over PostgreSQL.
pub fn is_postgres() -> bool {
    match std::env::var(WHICH).as_deref() {
        Ok("postgres") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("{WHICH} is {other}: sqlite or postgres"),
    }
}
