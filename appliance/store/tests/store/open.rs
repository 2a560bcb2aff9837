//! Opening a store: what is told when it cannot be opened, and that it belongs to one server alone.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use store::{Error, Store, StoreConfig};

use super::fixture::{Place, find, put};

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let place = Place::new();
    put(&place.open(), "k", "v").await.unwrap().unwrap();
    assert_eq!(find(&place.open(), "k").await.as_deref(), Some("v"));
}

#[test]
fn two_servers_cannot_have_it() {
    let place = Place::new();
    let first = place.open();
    let error = Store::open(&place.config).unwrap_err();
    assert_eq!(error, Error::InUse { path: place.file() });
    assert!(error.to_string().contains("stop it first"), "{error}");
    drop(first);
    place.open();
}

#[test]
fn only_the_owner_may_read_it() {
    let place = Place::new();
    let _store = place.open();
    let mut seen = 0;
    for file in std::fs::read_dir(place.folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            file.file_name()
        );
        seen += 1;
    }
    assert_eq!(seen, 4, "the database, its log, the log's index, the lock");
}

#[test]
fn an_existing_mode_is_left_alone() {
    let place = Place::new();
    drop(place.open());
    std::fs::set_permissions(place.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
    drop(place.open());
    assert_eq!(
        place.file().metadata().unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn closing_leaves_one_file_to_back_up() {
    let place = Place::new();
    drop(place.open());
    let mut names: Vec<_> = std::fs::read_dir(place.folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["chancery.db", "chancery.db-lock"]);
}

#[test]
fn a_missing_folder_is_named() {
    let place = Place::new();
    let path = place.folder.path().join("missing/chancery.db");
    let error = Store::open(&StoreConfig::new(&path)).unwrap_err();
    let reason = "its folder does not exist: create it, or correct the store's path".to_owned();
    assert_eq!(
        error,
        Error::Unusable {
            path: path.clone(),
            reason
        }
    );
    assert!(error.to_string().contains("missing/chancery.db"), "{error}");
}

#[test]
fn a_folder_is_no_store() {
    let place = Place::new();
    let error = Store::open(&StoreConfig::new(place.folder.path())).unwrap_err();
    let Error::Unusable { reason, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(reason, "it is a folder: name a file in it");
}

#[test]
fn a_file_of_another_kind_is_no_store() {
    let place = Place::new();
    let letter = b"Dear Sir or Madam, ".repeat(500);
    std::fs::write(place.file(), &letter).unwrap();
    let error = Store::open(&place.config).unwrap_err();
    assert!(matches!(error, Error::NotAStore { .. }), "{error:?}");
    assert!(error.to_string().contains("correct the store's path"), "{error}");
    assert_eq!(
        std::fs::read(place.file()).unwrap(),
        letter,
        "it was left as it was"
    );
    let error = Store::open_read_only(&place.config).unwrap_err();
    assert!(matches!(error, Error::NotAStore { .. }), "{error:?}");
}

#[test]
fn the_database_of_another_program_is_no_store() {
    let place = Place::new();
    place
        .raw()
        .execute_batch("CREATE TABLE recipes (name TEXT)")
        .unwrap();
    let error = Store::open(&place.config).unwrap_err();
    let reason = "the SQLite database of another program".to_owned();
    assert_eq!(
        error,
        Error::NotAStore {
            path: place.file(),
            reason
        }
    );
    let tables: i64 = place
        .raw()
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "it was left as it was");
}

#[test]
fn a_newer_schema_is_not_touched() {
    let place = Place::new();
    drop(place.open());
    let later = "INSERT INTO refinery_schema_history SELECT 99, 'later', applied_on, checksum FROM refinery_schema_history
        LIMIT 1";
    place.raw().execute(later, []).unwrap();
    place.tamper("DELETE FROM settings WHERE key = 'schema.least_program'");
    let (found, known) = Store::schema_versions(&place.config).unwrap();
    let expected = Error::NewerSchema { found, known };
    assert_eq!(found, 99);
    assert_eq!(Store::open(&place.config).unwrap_err(), expected);
    assert_eq!(Store::open_read_only(&place.config).unwrap_err(), expected);
    assert!(expected.to_string().contains("use the newer program"));
}

#[test]
fn the_schema_of_another_build_is_not_touched() {
    let place = Place::new();
    drop(place.open());
    place
        .raw()
        .execute("UPDATE refinery_schema_history SET checksum = '1'", [])
        .unwrap();
    let error = Store::open(&place.config).unwrap_err();
    let Error::Rejected(reason) = error else {
        panic!("{error:?}")
    };
    assert!(
        reason.contains("of another build") && reason.contains("use that program, or restore a backup"),
        "{reason}"
    );
    let looked = Store::schema_versions(&place.config).unwrap_err();
    assert!(matches!(looked, Error::Rejected(_)), "{looked:?}");
}

#[tokio::test]
async fn a_first_start_that_was_broken_off_goes_on() {
    let history = "CREATE TABLE refinery_schema_history (version INT4 PRIMARY KEY, name VARCHAR(255),
        applied_on VARCHAR(255), checksum VARCHAR(255))";
    for so_far in ["", "PRAGMA application_id = 0x43484e43", history] {
        let place = Place::new();
        let raw = place.raw();
        if so_far == history {
            raw.execute_batch("PRAGMA application_id = 0x43484e43").unwrap();
        }
        raw.execute_batch(so_far).unwrap();
        drop(raw);
        put(&place.open(), "k", "v").await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn regress_0002_a_schema_and_its_history_are_written_together() {
    let place = Place::new();
    let stop = "PRAGMA application_id = 0x43484e43;
        CREATE TABLE refinery_schema_history (version INT4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255),
            checksum VARCHAR(255));
        CREATE TRIGGER stop BEFORE INSERT ON refinery_schema_history BEGIN SELECT RAISE(ABORT, 'stopped'); END";
    place.raw().execute_batch(stop).unwrap();
    let error = Store::open(&place.config).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("was left as it was (") && error.contains("restore a backup"),
        "{error}"
    );
    place.raw().execute_batch("DROP TRIGGER stop").unwrap();
    put(&place.open(), "k", "v").await.unwrap().unwrap();
}

#[test]
fn an_older_schema_is_not_misread() {
    let place = Place::new();
    drop(place.open());
    place
        .raw()
        .execute("DELETE FROM refinery_schema_history", [])
        .unwrap();
    let error = Store::open_read_only(&place.config).unwrap_err();
    let (_, known) = Store::schema_versions(&place.config).unwrap();
    assert_eq!(error, Error::OlderSchema { found: 0, known });
}

#[tokio::test]
async fn a_store_for_reading_is_not_made_and_not_written() {
    let place = Place::new();
    let error = Store::open_read_only(&place.config).unwrap_err();
    let reason = "there is no such file: correct the store's path".to_owned();
    assert_eq!(
        error,
        Error::Unusable {
            path: place.file(),
            reason
        }
    );
    assert!(!place.file().exists());

    put(&place.open(), "k", "v").await.unwrap().unwrap();
    let store = Store::open_read_only(&place.config).unwrap();
    assert_eq!(find(&store, "k").await.as_deref(), Some("v"));
    assert_eq!(put(&store, "k", "w").await.unwrap().unwrap_err(), Error::ReadOnly);
    assert_eq!(store.counters(), store::Counters::default());
}

#[tokio::test]
async fn a_program_that_ignores_the_lock_holds_us_up_no_longer_than_we_wait() {
    let place = Place::new();
    let store = place.open();
    let other = place.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    assert_eq!(put(&store, "k", "v").await.unwrap().unwrap_err(), Error::Busy);
    assert!(begun.elapsed() > Duration::from_secs(4), "it gave up at once");
    other.execute_batch("ROLLBACK").unwrap();
    put(&store, "k", "v").await.unwrap().unwrap();
}

#[test]
fn a_damaged_store_is_said_to_be_damaged() {
    let place = Place::new();
    drop(place.open());
    let mut octets = std::fs::read(place.file()).unwrap();
    let half = octets.len() / 2;
    octets.truncate(half);
    octets[4096..].fill(0xff);
    std::fs::write(place.file(), octets).unwrap();
    let error = Store::open(&place.config).map(drop).unwrap_err();
    assert!(
        error.to_string().ends_with("restore it from a backup"),
        "{error:?}"
    );
}

/// What is cut off or overwritten is told as damage, with the way back; an empty file is none yet.
#[test]
fn what_is_wrong_with_a_file_is_told_with_what_helps() {
    let place = Place::new();
    drop(place.open());
    let whole = std::fs::read(place.file()).unwrap();
    let half = whole.get(..whole.len() / 2).unwrap().to_vec();
    let mut beginning = whole.clone();
    beginning[..100].fill(b'x');
    for octets in [half, beginning] {
        std::fs::write(place.file(), octets).unwrap();
        for error in [
            Store::open(&place.config).map(drop).unwrap_err(),
            Store::open_read_only(&place.config).map(drop).unwrap_err(),
        ] {
            let told = error.to_string();
            assert!(told.contains("restore it from a backup"), "{told}");
            assert!(!told.contains("move the file away"), "{told}");
        }
    }
    std::fs::write(place.file(), b"").unwrap();
    let error = Store::open_read_only(&place.config).map(drop).unwrap_err();
    assert_eq!(error, Error::NoStore);
    assert_eq!(Store::schema_versions(&place.config).unwrap().0, 0);
}

#[tokio::test]
async fn durability_is_set_as_promised() {
    let place = Place::new();
    let store = place.open();
    let read = |sql: &'static str| store.write(move |tx| tx.first(sql, &[], |row| row.int(0)));
    assert_eq!(
        read("PRAGMA synchronous").await.unwrap(),
        Some(2),
        "FULL: one fsync for each commit"
    );
    assert_eq!(read("PRAGMA foreign_keys").await.unwrap(), Some(1));
    let mode = store.write(|tx| tx.first("PRAGMA journal_mode", &[], |row| row.text(0)));
    assert_eq!(mode.await.unwrap().as_deref(), Some("wal"));
}
