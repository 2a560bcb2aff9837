//! A store in a folder of its own, and rows to fill it with.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::Connection;
use store::audit::AuditEntry;
use store::certificates::CertificateRow;
use store::crls::CrlRow;
use store::intents::IntentRow;
use store::issuers::IssuerRow;
use store::keys::KeyRow;
use store::revocations::RevocationRow;
use store::{Credentials, PostgresConfig, Result, Store, StoreConfig};
use store_bed::Postgres;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::ON_SERVER;

/// The issuer that [`Place::with_issuer`] makes.
pub(crate) const ISSUER: Uuid = Uuid::from_u128(0xca);
/// A second one, made with it.
pub(crate) const OTHER_ISSUER: Uuid = Uuid::from_u128(0xcb);

/// A folder and the store in it or on a server of its own.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) config: StoreConfig,
    pub(crate) server: Option<Postgres>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = ON_SERVER.then(Postgres::start);
        let config = config(&address(folder.path(), server.as_ref()));
        Self {
            folder,
            config,
            server,
        }
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.config).unwrap()
    }

    /// Another server on the same database.
    pub(crate) fn open_another(&self) -> Store {
        let mut config = self.config.clone();
        config.node = Uuid::now_v7();
        Store::open(&config).unwrap()
    }

    /// An open store with two active issuers.
    pub(crate) async fn with_issuers(&self) -> Store {
        let store = self.open();
        let outcome = store.write(|tx| {
            store::keys::insert(tx, &key())?;
            store::issuers::insert(tx, &issuer(ISSUER, "issuing"))?;
            store::issuers::insert(tx, &issuer(OTHER_ISSUER, "other"))
        });
        outcome.await.unwrap();
        store
    }

    /// What [`config`] makes a configuration of, also in another process.
    pub(crate) fn address(&self) -> String {
        address(self.folder.path(), self.server.as_ref())
    }

    /// The file as somebody sees it who goes round the store.
    pub(crate) fn raw(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    /// The file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("chancery.db")
    }

    /// Changes something behind the store's back, which must concern at least one row.
    pub(crate) fn tamper(&self, sql: &str) {
        match &self.server {
            None => assert!(self.raw().execute(sql, []).unwrap() > 0, "{sql} changed nothing"),
            Some(server) => {
                let rows = server.run(&format!(
                    "WITH changed AS ({sql} RETURNING 1) SELECT count(*) FROM changed"
                ));
                assert!(rows != "0", "{sql} changed nothing");
            }
        }
    }

    /// Cuts the end of the audit log off; what keeps it from being written to elsewhere stays.
    pub(crate) fn cut_after(&self, seq: i64) {
        let cut = format!("DELETE FROM audit WHERE seq > {seq}");
        match &self.server {
            None => {
                let sql = format!("DROP TRIGGER audit_is_not_shortened; {cut}");
                self.raw().execute_batch(&sql).unwrap();
            }
            Some(server) => {
                let (off, on) = ("DISABLE TRIGGER ALL", "ENABLE TRIGGER ALL");
                server.run(&format!("ALTER TABLE audit {off}; {cut}; ALTER TABLE audit {on}"));
            }
        }
    }

    /// Takes away what keeps the audit log from being changed.
    pub(crate) fn disarm(&self) {
        match &self.server {
            None => self
                .raw()
                .execute_batch(
                    "DROP TRIGGER audit_is_appended_to; DROP TRIGGER audit_is_not_rewritten;
                    DROP TRIGGER audit_is_not_shortened",
                )
                .unwrap(),
            Some(server) => drop(server.run("ALTER TABLE audit DISABLE TRIGGER ALL")),
        }
    }
}

fn address(folder: &Path, server: Option<&Postgres>) -> String {
    match server {
        None => folder.join("chancery.db").display().to_string(),
        Some(server) => format!("{}|{}", folder.display(), server.url()),
    }
}

/// The configuration of a place.
pub(crate) fn config(address: &str) -> StoreConfig {
    match address.split_once('|') {
        None => StoreConfig::new(address),
        Some((folder, url)) => {
            let server = PostgresConfig::new(url, &Credentials::default()).unwrap();
            StoreConfig::on_server(server, folder)
        }
    }
}

/// What the database says in its own words.
pub(crate) fn either(sqlite: &str, postgres: &str) -> String {
    if ON_SERVER { postgres } else { sqlite }.to_owned()
}

pub(crate) fn key() -> KeyRow {
    KeyRow {
        fingerprint: vec![0x11; 32],
        algorithm: "ec-p256".to_owned(),
        spki: vec![0x30, 0x59],
        backend: "softhsm".to_owned(),
        label: "issuing-1".to_owned(),
        created_at: 1,
    }
}

pub(crate) fn issuer(id: Uuid, name: &str) -> IssuerRow {
    IssuerRow {
        id,
        name: name.to_owned(),
        generation: 1,
        state: "active".to_owned(),
        subject: format!("CN={name}"),
        key_fingerprint: key().fingerprint,
        signature_algorithm: "ecdsa-sha256".to_owned(),
        certificate: Some(vec![0x30, 0x82]),
        csr: None,
        chain: Vec::new(),
        links: Vec::new(),
        settings: "{}".to_owned(),
        created_at: 2,
    }
}

/// A serial of 16 octets.
pub(crate) fn serial(number: u64) -> Vec<u8> {
    let mut octets = vec![0x40; 8];
    octets.extend(number.to_be_bytes());
    octets
}

pub(crate) fn intent(number: u64) -> IntentRow {
    IntentRow {
        issuer_id: ISSUER,
        serial: serial(number),
        order_id: Uuid::from_u128(u128::from(number)),
        tbs_hash: vec![0x22; 32],
        not_after: 9_000,
        at: 100,
        requester: "alice".to_owned(),
        profile: "tls-server".to_owned(),
        subject: "CN=a.example".to_owned(),
        names: "dns:a.example dns:b.example".to_owned(),
        node: Uuid::from_u128(1),
    }
}

pub(crate) fn certificate(number: u64) -> CertificateRow {
    CertificateRow {
        id: Uuid::from_u128(u128::from(number)),
        issuer_id: ISSUER,
        serial: serial(number),
        profile: "tls-server".to_owned(),
        subject: format!("CN=host{number}.example"),
        der: vec![0x30; 700],
        not_before: 1_000,
        not_after: 9_000,
        requester: "alice".to_owned(),
        order_id: Uuid::from_u128(u128::from(number)),
        replaces: None,
        created_at: 1_000,
        revoked_at: None,
        revocation_reason: None,
    }
}

pub(crate) fn revocation(number: u64, reason: i64) -> RevocationRow {
    RevocationRow {
        issuer_id: ISSUER,
        serial: serial(number),
        revoked_at: 2_000,
        reason,
        invalidity_date: Some(1_500),
        not_after: 9_000,
        is_orphan: false,
    }
}

pub(crate) fn crl(number: u64) -> CrlRow {
    CrlRow {
        issuer_id: ISSUER,
        shard: 0,
        number,
        base: None,
        this_update: 10,
        next_update: 20,
        entries: 3,
        changes: 4,
        octets: 10,
        digest: vec![7; 32],
        der: None,
    }
}

pub(crate) fn entry(object: &str) -> AuditEntry {
    AuditEntry {
        at: 1_763_700_000_000,
        actor: "alice".to_owned(),
        action: "certificate.issue".to_owned(),
        object: object.to_owned(),
        outcome: "ok".to_owned(),
        details: "{}".to_owned(),
    }
}

/// Holds the writer in a job, so that what is written meanwhile waits and then shares a commit.
pub(crate) struct Gate {
    open: mpsc::Sender<()>,
    job: JoinHandle<Result<()>>,
}

impl Gate {
    pub(crate) async fn shut(store: &Store) -> Self {
        let (open, opened) = mpsc::channel();
        let (entered, inside) = tokio::sync::oneshot::channel();
        let store = store.clone();
        let mut entered = Some(entered);
        let job = tokio::spawn(async move {
            let job = store.write(move |_| {
                entered.take().unwrap().send(()).unwrap();
                opened.recv().unwrap();
                Ok(())
            });
            job.await
        });
        inside.await.unwrap();
        Self { open, job }
    }

    /// Waits until so many jobs stand in the queue, then lets them through.
    pub(crate) async fn open_when_waiting(self, store: &Store, jobs: u64) {
        let queued = async {
            while store.counters().waiting < jobs {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), queued)
            .await
            .expect("the jobs were not queued");
        self.open.send(()).unwrap();
        self.job.await.unwrap().unwrap();
    }
}

/// Sets a key of the settings in a task of its own.
pub(crate) fn put(store: &Store, key: &str, value: &str) -> JoinHandle<Result<()>> {
    let (store, key, value) = (store.clone(), key.to_owned(), value.to_owned());
    tokio::spawn(async move {
        store
            .write(move |tx| store::settings::put(tx, &key, &value))
            .await
    })
}

/// The value of a key of the settings.
pub(crate) async fn find(store: &Store, key: &str) -> Option<String> {
    let key = key.to_owned();
    store
        .read(move |reader| store::settings::find(reader, &key))
        .await
        .unwrap()
}
