//! A server's folder and database that can be copied while it does not run, so that hundreds of servers begin at the same state.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use ca::{Authority, Clock, CreateIssuing, CreateRoot, CrlPlan, Principal, Settings, Signer};
use jiff::{SignedDuration, Timestamp};
use pki::KeyAlgorithm;
use store_bed::Postgres;
use token::KeyRing;

use crate::harness::{Appliance, Keys, text};

/// How long ago the authorities of [`Ground::aged`] were made: their CRLs have ended, their responders are past half of their life.
const AGE: SignedDuration = SignedDuration::from_hours(8 * 24);

/// A server of databases, which may be killed.
pub(super) type Server = Arc<RwLock<Postgres>>;

/// The folder, and the database when it is one of PostgreSQL.
pub(super) struct Ground {
    pub(super) appliance: Appliance,
    database: Option<Database>,
    /// Where its log stood when it was started last.
    log_before: usize,
}

#[derive(Clone)]
struct Database {
    server: Server,
    name: String,
}

impl Database {
    fn unused_name() -> String {
        static MADE: AtomicU64 = AtomicU64::new(0);
        format!("ground_{}", MADE.fetch_add(1, Ordering::Relaxed))
    }

    fn empty(server: &Server) -> Self {
        let name = Self::unused_name();
        server.read().unwrap().make(&name);
        Self {
            server: Arc::clone(server),
            name,
        }
    }

    fn copy(&self) -> Self {
        let name = Self::unused_name();
        let server = self.server.read().unwrap();
        server.run(&format!("CREATE DATABASE {name} TEMPLATE {}", self.name));
        drop(server);
        Self {
            server: Arc::clone(&self.server),
            name,
        }
    }

    fn url(&self) -> String {
        self.server.read().unwrap().url_of(&self.name)
    }
}

impl Ground {
    /// As `chancery init` makes it.
    pub(super) fn fresh(server: Option<&Server>, keys: Keys) -> Self {
        let (appliance, database) = (Appliance::empty(), server.map(Database::empty));
        let word = if keys == Keys::Software {
            "--software"
        } else {
            "--init-token"
        };
        let made = appliance
            .init_on(database.as_ref().map(Database::url).as_deref(), &[word])
            .output()
            .unwrap();
        assert!(made.status.success(), "init: {}", text(&made));
        Self::of(appliance, database)
    }

    fn of(appliance: Appliance, database: Option<Database>) -> Self {
        let ground = Self {
            appliance,
            database,
            log_before: 0,
        };
        // The duties say when they are done.
        ground
            .appliance
            .edit("level = \"info\"", "level = \"info,jobs=debug\"");
        ground
            .appliance
            .csr("host", "/CN=host.test", Some("DNS:host.test"));
        ground
    }

    /// With authorities that were made days ago: at the start every duty that goes by the calendar is due. Besides the usual two
    /// there is `fleet`, with two CRLs and deltas.
    pub(super) fn aged(server: Option<&Server>) -> Self {
        let appliance = Appliance::empty();
        let init = || appliance.init_on(None, &["--software"]).output().unwrap();
        assert!(init().status.success());
        // Only the configuration stays; everything else is made again, earlier.
        let is_kept = |name: &str| ["chancery.toml", "signerd.toml", "node"].contains(&name);
        for entry in std::fs::read_dir(appliance.state()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else if !is_kept(path.file_name().unwrap().to_str().unwrap()) {
                std::fs::remove_file(path).unwrap();
            }
        }
        let database = server.map(Database::empty);
        if let Some(database) = &database {
            appliance.edit("sqlite:chancery.db", &database.url());
        }
        let ground = Self::of(appliance, database);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(ground.found_days_ago());
        drop(runtime);
        let made = ground.appliance.init_on(None, &["--software"]).output().unwrap();
        assert!(made.status.success(), "init: {}", text(&made));
        // Due, too.
        std::fs::remove_dir_all(ground.appliance.state().join("tls")).unwrap();
        ground
    }

    async fn found_days_ago(&self) {
        let signing = token::Config::load(&self.appliance.state().join("signerd.toml")).unwrap();
        std::fs::create_dir(self.appliance.state().join("keys")).unwrap();
        let signer = Signer::in_process(Arc::new(KeyRing::open(&signing).unwrap()));
        let clock = Clock::fixed(Timestamp::now().checked_sub(AGE).unwrap());
        let store = ::store::Store::open(&self.store_config()).unwrap();
        let settings = Settings {
            responder_lifetime: Duration::from_hours(14 * 24),
            crl_lifetime: Duration::from_hours(7 * 24),
            ..Settings::new(&self.appliance.public_url())
        };
        let authority = Authority::open(store, signer, clock, settings).await.unwrap();
        let admin = Principal::local("test");
        let root = CreateRoot {
            name: "root".into(),
            subject: "CN=Root".into(),
            key_algorithm: KeyAlgorithm::P256,
            signature_algorithm: None,
            token: "software".into(),
            validity: None,
            profile: None,
            crl: CrlPlan::default(),
        };
        authority.create_root(&admin, root).await.unwrap();
        for (name, crl) in [
            ("issuing", CrlPlan::default()),
            (
                "fleet",
                CrlPlan {
                    shards: 2,
                    deltas: true,
                },
            ),
        ] {
            let issuing = CreateIssuing {
                name: name.into(),
                parent: "root".into(),
                subject: format!("CN={name}"),
                key_algorithm: KeyAlgorithm::P256,
                signature_algorithm: None,
                token: "software".into(),
                validity: None,
                profile: None,
                crl,
            };
            authority.create_issuing(&admin, issuing).await.unwrap();
        }
        authority.drain().await;
    }

    /// Another one in the same state. Neither may run meanwhile.
    pub(super) fn copy(&self) -> Self {
        let database = self.database.as_ref().map(Database::copy);
        let appliance = Appliance::copy_of(self.appliance.dir.path());
        if let (Some(own), Some(copy)) = (&self.database, &database) {
            appliance.edit(&own.url(), &copy.url());
        }
        Self {
            appliance,
            database,
            log_before: 0,
        }
    }

    fn store_config(&self) -> ::store::StoreConfig {
        let state = self.appliance.state();
        let mut config = match &self.database {
            None => ::store::StoreConfig::new(state.join("chancery.db")),
            Some(database) => {
                let server =
                    ::store::PostgresConfig::new(&database.url(), &::store::Credentials::default()).unwrap();
                ::store::StoreConfig::on_server(server, &state)
            }
        };
        let node = std::fs::read_to_string(state.join("node")).unwrap();
        config.node = node.trim().parse().unwrap();
        config
    }

    /// Opens the store for reading, beside a server or after one.
    pub(super) fn store(&self) -> ::store::Store {
        ::store::Store::open_read_only(&self.store_config()).unwrap()
    }

    /// Starts the server; whether it listens, and has not died before.
    pub(super) fn try_serve(&mut self, environment: &[(&str, &str)]) -> bool {
        self.log_before = self.appliance.log_text().len();
        self.appliance.try_serve(environment)
    }

    /// Starts the server, which must come up.
    pub(super) fn serve(&mut self) {
        let is_up = self.try_serve(&[("CHANCERY_CRASH_BOOK", self.book().to_str().unwrap())]);
        assert!(is_up, "the server does not start:\n{}", self.appliance.log_text());
    }

    /// The same, with nothing written down.
    pub(super) fn serve_unwatched(&mut self) {
        assert!(
            self.try_serve(&[]),
            "the server does not start:\n{}",
            self.appliance.log_text()
        );
    }

    /// Whether its database is one of a server, which may be killed.
    pub(super) fn is_on_server(&self) -> bool {
        self.database.is_some()
    }

    /// Waits until the duties of the start are done and nothing is written any more, or until the server has died; whether it lives.
    pub(super) fn settle(&mut self) -> bool {
        let since = Instant::now();
        let is_done = |log: &str| {
            let duties = [
                "CRLs looked after",
                "OCSP responders looked after",
                "OCSP answers signed ahead",
                "changes forgotten",
            ];
            duties.iter().all(|duty| log[self.log_before..].contains(duty))
        };
        while !is_done(&self.appliance.log_text()) {
            if self.appliance.has_ended() {
                return false;
            }
            let log = self.appliance.log_text();
            assert!(
                since.elapsed() < Duration::from_secs(30),
                "it does not settle:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut book = self.passages().len();
        let mut quiet = Instant::now();
        while quiet.elapsed() < Duration::from_millis(60) {
            if self.appliance.has_ended() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
            let now = self.passages().len();
            if now != book {
                (book, quiet) = (now, Instant::now());
            }
        }
        true
    }

    /// Where passages are written down.
    pub(super) fn book(&self) -> PathBuf {
        self.appliance.file("passages")
    }

    /// The passages that were written down, in their order.
    pub(super) fn passages(&self) -> Vec<String> {
        let book = std::fs::read_to_string(self.book()).unwrap_or_default();
        book.lines().map(ToOwned::to_owned).collect()
    }

    /// Kills the server of the database, and starts it again.
    pub(super) fn kill_database(&self) {
        if let Some(database) = &self.database {
            let mut server = database.server.write().unwrap();
            server.kill();
            server.start_again();
        }
    }

    /// Ends the server in order.
    pub(super) fn stop(&mut self) {
        self.appliance.signal("TERM");
        assert!(self.appliance.wait().success(), "{}", self.appliance.log_text());
    }

    /// Ends the server as a crash does.
    pub(super) fn kill(&mut self) {
        if !self.appliance.has_ended() {
            self.appliance.signal("KILL");
        }
        self.appliance.wait();
    }

    /// Forgets what was written down about the servers before.
    pub(super) fn forget(&self) {
        for file in [self.book(), self.appliance.log(), self.signed_book()] {
            // What was never written is not there.
            let _ = std::fs::remove_file(file);
        }
    }

    /// The lines of the signing process.
    pub(super) fn signed_book(&self) -> PathBuf {
        self.appliance.state().join("signerd-audit.log")
    }

    /// The names of the files of CRLs.
    pub(super) fn crl_files(&self) -> BTreeSet<String> {
        let files = std::fs::read_dir(self.appliance.state().join("crls"));
        let names = files
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // After a failure the database goes with its server.
        if let Some(database) = self.database.clone()
            && !std::thread::panicking()
        {
            if !self.appliance.has_ended() {
                self.kill();
            }
            let name = &database.name;
            let server = database.server.read().unwrap();
            server.run(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}
