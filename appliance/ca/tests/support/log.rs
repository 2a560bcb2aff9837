//! A server with an audit log, and the database administrator behind it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use ca::{AuditTreeVerdict, Authority, Clock, Expected, Settings, Signer, examine_audit_tree};
use store::audit::{self, AuditEntry, LoggedEntry};
use store::{Store, audit_tree, settings};
use tlog::{Growth, Hash, Note, NoteKey, TreeHead};
use token::KeyRing;

use crate::bed::{BASE_URL, START, admin, root};

/// A server with a log, and the database behind it.
pub(crate) struct Log {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) authority: Authority,
}

impl Log {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ring, clock) = (
            Arc::new(KeyRing::in_memory()),
            Clock::fixed(START.parse().unwrap()),
        );
        let store = store_bed::open(folder.path().join("store.db"));
        let authority = open(&folder, &ring, &clock, store.clone()).await;
        let own = root("root", pki::KeyAlgorithm::P256);
        authority.create_root(&admin(), own).await.unwrap();
        Self {
            folder,
            ring,
            clock,
            store,
            authority,
        }
    }

    /// One whose first entries were written and signed.
    pub(crate) async fn signed(entries: i64) -> Self {
        let log = Self::new().await;
        assert!(log.tend().await);
        log.append(entries - log.last().await).await;
        assert!(log.tend().await);
        assert_eq!(log.size().await, entries);
        log
    }

    pub(crate) async fn restarted(self) -> Self {
        let Self {
            folder,
            ring,
            clock,
            store,
            authority,
        } = self;
        authority.drain().await;
        drop((authority, store));
        let store = store_bed::open(folder.path().join("store.db"));
        let authority = open(&folder, &ring, &clock, store.clone()).await;
        Self {
            folder,
            ring,
            clock,
            store,
            authority,
        }
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("audit-log")
    }

    pub(crate) async fn tend(&self) -> bool {
        self.authority.tend_audit_log_now().await.unwrap()
    }

    pub(crate) async fn last(&self) -> i64 {
        self.store.read(audit::last).await.unwrap()
    }

    pub(crate) async fn size(&self) -> i64 {
        let last = self.store.read(audit_tree::last_checkpoint).await.unwrap();
        last.map_or(0, |row| row.size)
    }

    pub(crate) async fn append(&self, entries: i64) {
        let job = self.store.write(move |tx| {
            for number in 0..entries {
                audit::append(tx, &entry(&format!("certificate {number}")))?;
            }
            Ok(())
        });
        job.await.unwrap();
    }

    pub(crate) async fn key(&self) -> NoteKey {
        let key = self.authority.audit_key(&admin()).await.unwrap().unwrap();
        key.parse().unwrap()
    }

    pub(crate) async fn checkpoint(&self) -> Note {
        let note = self.authority.audit_checkpoint(&admin()).await.unwrap();
        Note::parse(note.as_bytes()).unwrap()
    }

    /// What the database administrator does.
    pub(crate) async fn sql(&self, statements: &[&str]) {
        for sql in statements {
            let own = (*sql).to_owned();
            self.store
                .write(move |tx| tx.execute(&own, &[]))
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }

    /// Takes the triggers away.
    pub(crate) async fn disarm(&self) {
        if store_bed::is_postgres() {
            self.sql(&["ALTER TABLE audit DISABLE TRIGGER ALL"]).await;
        } else {
            let triggers = ["appended_to", "not_rewritten", "not_shortened"];
            for trigger in triggers.map(|end| format!("DROP TRIGGER IF EXISTS audit_is_{end}")) {
                self.sql(&[&trigger]).await;
            }
        }
    }

    /// Rewrites one entry, and every hash of the chain after it, and the head.
    pub(crate) async fn rewrite(&self, seq: i64) {
        self.disarm().await;
        let entries = self
            .store
            .read(|reader| audit::after(reader, 0, 100_000))
            .await
            .unwrap();
        let job = self.store.write(move |tx| {
            let mut previous = Vec::new();
            for logged in &entries {
                let mut own = logged.clone();
                if own.seq == seq {
                    own.entry.actor = String::from("nobody");
                }
                own.hash = chained(&previous, &own);
                previous.clone_from(&own.hash);
                if own.seq >= seq {
                    let sql = "UPDATE audit SET actor = ?2, hash = ?3 WHERE seq = ?1";
                    tx.execute(
                        sql,
                        &[own.seq.into(), (&own.entry.actor).into(), (&own.hash).into()],
                    )?;
                }
            }
            let hex = hex(&previous);
            settings::put(tx, "audit.head", &format!("{} {hex}", entries.len()))
        });
        job.await.unwrap();
    }

    /// Cuts the end off, and corrects the head.
    pub(crate) async fn cut_after(&self, seq: i64) {
        self.disarm().await;
        let job = self.store.write(move |tx| {
            tx.execute("DELETE FROM audit WHERE seq > ?1", &[seq.into()])?;
            let last = audit::after(tx, seq - 1, 1)?.remove(0);
            let hex = hex(&last.hash);
            settings::put(tx, "audit.head", &format!("{seq} {hex}"))
        });
        job.await.unwrap();
    }

    /// Makes all tiles anew of what the entries are now; gives their head.
    pub(crate) async fn rewrite_tiles(&self) -> TreeHead {
        let page = self
            .authority
            .audit_export_page("forger", 100_000)
            .await
            .unwrap()
            .unwrap();
        let mut growth = Growth::new();
        for line in &page.lines {
            growth.push(Hash::of_leaf(line.json.as_bytes())).unwrap();
        }
        let (head, tiles) = (growth.head(), growth.take_tiles());
        let job = self.store.write(move |tx| {
            tx.execute("DELETE FROM audit_tiles", &[])?;
            for (tile, octets) in &tiles {
                audit_tree::put_tile(tx, tile.level(), i64::try_from(tile.index()).unwrap(), octets)?;
            }
            Ok(())
        });
        job.await.unwrap();
        head
    }

    /// What the server says after it has looked.
    pub(crate) async fn alarm(&self) -> String {
        let before = self.size().await;
        assert!(!self.tend_whatever().await, "nothing is signed");
        assert_eq!(self.size().await, before);
        let health = self.authority.health().await;
        assert!(health.is_ready, "entries are still written");
        assert!(self.metric("chancery_audit_alarm 1"));
        let problem = health
            .problems
            .into_iter()
            .find(|problem| problem.code == "audit_alarm");
        problem.expect("an alarm").message
    }

    pub(crate) async fn tend_whatever(&self) -> bool {
        self.authority.tend_audit_log_now().await.unwrap_or(false)
    }

    pub(crate) fn metric(&self, line: &str) -> bool {
        self.authority.metrics_text().lines().any(|one| one == line)
    }

    pub(crate) async fn verdict(&self, old: &[Note]) -> AuditTreeVerdict {
        let expected = Expected {
            old: old.to_vec(),
            ..Expected::default()
        };
        let read = self
            .store
            .read(move |reader| examine_audit_tree(reader, &expected));
        read.await.unwrap()
    }

    pub(crate) async fn is_sound(&self, old: &[Note]) -> bool {
        matches!(self.verdict(old).await, AuditTreeVerdict::Sound(_))
    }

    /// Where and how the whole log is found to be broken.
    pub(crate) async fn broken(&self, old: &[Note]) -> String {
        match self.verdict(old).await {
            AuditTreeVerdict::Broken(alarm) => alarm.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

async fn open(folder: &tempfile::TempDir, ring: &Arc<KeyRing>, clock: &Clock, store: Store) -> Authority {
    let settings = Settings {
        audit_folder: Some(folder.path().join("audit-log")),
        audit_interval: Duration::ZERO,
        ..Settings::new(BASE_URL)
    };
    let signer = Signer::in_process(Arc::clone(ring));
    Authority::open(store, signer, clock.clone(), settings)
        .await
        .unwrap()
}

fn entry(object: &str) -> AuditEntry {
    AuditEntry {
        at: 1_893_499_200_000,
        actor: "alice".to_owned(),
        action: "certificate.issue".to_owned(),
        object: object.to_owned(),
        outcome: "ok".to_owned(),
        details: r#"{"names":["dns:a.example"]}"#.to_owned(),
    }
}

/// The chain as it is described, written once more.
fn chained(previous: &[u8], logged: &LoggedEntry) -> Vec<u8> {
    let entry = &logged.entry;
    let (seq, at) = (logged.seq.to_be_bytes(), entry.at.to_be_bytes());
    let texts = [
        &entry.actor,
        &entry.action,
        &entry.object,
        &entry.outcome,
        &entry.details,
    ];
    let mut fields: Vec<&[u8]> = vec![b"chancery audit 1", previous, &seq, &at];
    fields.extend(texts.iter().map(|text| text.as_bytes()));
    let octets: Vec<u8> = fields
        .iter()
        .flat_map(|field| [&(field.len() as u64).to_be_bytes(), *field].concat())
        .collect();
    digest(&SHA256, &octets).as_ref().to_vec()
}

pub(crate) fn with(key: &NoteKey, old: &[&Note]) -> Expected {
    Expected {
        key: Some(key.clone()),
        old: old.iter().map(|note| (*note).clone()).collect(),
        witnesses: Vec::new(),
    }
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}
