//! How a store file is opened: lock, identity, durability settings, schema; and what is told when that fails.
//!
//! The file is made readable for its owner alone before SQLite sees it, and SQLite gives its companions the same mode. The
//! application id in the header keeps us from migrating another program's database.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::db::rule::{self, PendingMigration};
use crate::error::{Error, Result};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// "CHNC" in the header of the file.
const APPLICATION_ID: i64 = 0x4348_4e43;
/// Where it stands there.
const APPLICATION_ID_AT: u64 = 68;
/// Pages in the write-ahead log before they are moved into the file: fewer moves, each page moved once for many commits.
const CHECKPOINT_PAGES: u32 = 4000;
/// The write-ahead log is cut back to this many octets after a burst.
const LOG_LIMIT: u32 = 64 << 20;
/// How long to wait for a lock that another program holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The writing connection, and the lock file that must be held as long as it lives.
pub(crate) fn for_writing(path: &Path, max_pages: Option<u32>) -> Result<(Connection, File)> {
    let lock = lock(path)?;
    make_private(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, 16)?;
    if !is_marked(&connection, path)? {
        connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let reason = "its file system does not allow write-ahead logging: put the store on a local disk";
        return Err(unusable(path, reason));
    }
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    connection.query_row(
        &format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}"),
        [],
        |_| Ok(()),
    )?;
    connection.query_row(
        &format!("PRAGMA journal_size_limit = {LOG_LIMIT}"),
        [],
        |_| Ok(()),
    )?;
    if let Some(pages) = max_pages {
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    migrate(&mut connection)?;
    Ok((connection, lock))
}

/// A connection that cannot write.
pub(crate) fn for_reading(path: &Path) -> Result<Connection> {
    // The file is only looked at: a descriptor that is opened and closed here would take from this process every lock that SQLite
    // has on it (POSIX), and another program that opened it then would take the write-ahead log away beneath the server.
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => return Err(explain(path, &ErrorKind::IsADirectory.into())),
        Ok(_) => {}
        Err(error) => return Err(explain(path, &error)),
    }
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, 4)
}

/// The version of the schema in a file, 0 when there is none, and that of this program.
pub(crate) fn versions(path: &Path) -> Result<(i64, i64)> {
    if !path.exists() {
        return Ok((0, known_version()));
    }
    let connection = for_reading(path)?;
    is_marked(&connection, path)?;
    let found = stored_version(&connection)?;
    if found > 0 {
        let mut ask = connection.prepare(rule::HISTORY)?;
        let applied = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let applied: Vec<(i64, String)> = applied.collect::<rusqlite::Result<_>>()?;
        rule::compare(embedded::migrations::runner().get_migrations(), &applied)?;
    }
    Ok((found, known_version()))
}

/// Refuses a schema that is not exactly this program's.
pub(crate) fn require_current_schema(connection: &Connection, path: &Path) -> Result<()> {
    if !is_marked(connection, path)? {
        return Err(Error::NoStore);
    }
    let known = known_version();
    match stored_version(connection)? {
        found if found < known => Err(Error::OlderSchema { found, known }),
        found => rule::admit(found, known, least(connection)?.as_deref()),
    }
}

fn connect(path: &Path, flags: OpenFlags, cache_mebibytes: u32) -> Result<Connection> {
    let opened =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY")?;
            connection.execute_batch(&format!("PRAGMA cache_size = -{}", cache_mebibytes * 1024))?;
            connection.set_prepared_statement_cache_capacity(128);
            Ok(connection)
        });
    opened.map_err(|error| refused(path, error))
}

/// What SQLite's refusal of a file means while we are opening it. It reads the file at the first question, not before.
fn refused(path: &Path, error: rusqlite::Error) -> Error {
    let is_none = error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase);
    match Error::from(error) {
        Error::Corrupt(reason) if is_none => Error::NotAStore {
            path: path.to_owned(),
            reason,
        },
        Error::Io(reason) => unusable(
            path,
            &format!("{reason}: run as the user that owns it, and check the disk"),
        ),
        other => other,
    }
}

/// Whether a file is a store, whatever is in it. Not for the store of this process: closing the file takes SQLite's locks away.
pub fn is_store_file(path: &Path) -> bool {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(APPLICATION_ID_AT))?;
        let mut id = [0; 4];
        file.read_exact(&mut id)?;
        Ok::<_, std::io::Error>(i64::from(u32::from_be_bytes(id)))
    };
    read().is_ok_and(|id| id == APPLICATION_ID)
}

/// An advisory lock beside the file, so that two servers cannot write to one store. The kernel drops it with the process.
pub fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&name);
    let file = file.map_err(|error| explain(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(explain(&name, &error)),
    }
}

/// Whether somebody holds the lock beside a file.
pub(crate) fn is_in_use(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let lock = OpenOptions::new().read(true).open(PathBuf::from(name));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn make_private(path: &Path) -> Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path);
    file.map(drop).map_err(|error| explain(path, &error))
}

/// Whether a file is marked as ours; one that is empty is not yet. Any other is refused.
fn is_marked(connection: &Connection, path: &Path) -> Result<bool> {
    let ask = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| refused(path, error))
    };
    let tables = ask("SELECT count(*) FROM sqlite_master")?;
    let id = ask("PRAGMA application_id")?;
    match (tables, id) {
        (_, APPLICATION_ID) => Ok(true),
        (0, 0) => Ok(false),
        _ => Err(Error::NotAStore {
            path: path.to_owned(),
            reason: "the SQLite database of another program".to_owned(),
        }),
    }
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let (found, known) = (stored_version(connection)?, known_version());
    if found > known {
        // It is left as it is, when what was added since leaves this program what it uses.
        return rule::admit(found, known, least(connection)?.as_deref());
    }
    // One transaction for a schema and its place in the history: else a kill between them leaves a store that cannot be opened.
    let outcome = embedded::migrations::runner().set_grouped(true).run(connection);
    outcome.map(drop).map_err(|error| unmigrated(known, &error))
}

fn unmigrated(version: i64, error: &refinery::Error) -> Error {
    use refinery::error::Kind;
    if let Kind::DivergentVersion(..) | Kind::MissingVersion(_) = error.kind() {
        return rule::diverged(error);
    }
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    match cause.and_then(rusqlite::Error::sqlite_error_code) {
        Some(rusqlite::ErrorCode::DiskFull) => Error::Full,
        _ => rule::unmigrated(version, &error.to_string()),
    }
}

pub(crate) fn known_version() -> i64 {
    let known = embedded::migrations::runner();
    known
        .get_migrations()
        .iter()
        .map(|one| i64::from(one.version()))
        .max()
        .unwrap_or(0)
}

/// The migrations after a version.
pub(crate) fn pending(found: i64) -> Vec<PendingMigration> {
    rule::pending(embedded::migrations::runner().get_migrations(), found)
}

/// What a schema says of the programs that may use it.
fn least(connection: &Connection) -> Result<Option<String>> {
    let settings = "SELECT count(*) FROM sqlite_master WHERE name = 'settings'";
    if connection.query_row(settings, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    let mut ask = connection.prepare(rule::ASK)?;
    let mut rows = ask.query([])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

/// The version of the schema in the file; 0 when it has none.
fn stored_version(connection: &Connection) -> Result<i64> {
    let history = "SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'";
    if connection.query_row(history, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(0);
    }
    let version = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
    Ok(connection.query_row(version, [], |row| row.get(0))?)
}

/// What a failure to open means for whoever has to mend it.
fn explain(path: &Path, error: &std::io::Error) -> Error {
    let folder_is_missing = path
        .parent()
        .is_some_and(|folder| folder != Path::new("") && !folder.exists());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
        ErrorKind::NotFound if folder_is_missing => unusable(
            path,
            "its folder does not exist: create it, or correct the store's path",
        ),
        ErrorKind::NotFound => unusable(path, "there is no such file: correct the store's path"),
        ErrorKind::PermissionDenied => unusable(
            path,
            "this user may not use it: run as the user that owns it, or give it to this user",
        ),
        ErrorKind::IsADirectory => unusable(path, "it is a folder: name a file in it"),
        ErrorKind::ReadOnlyFilesystem => unusable(path, "its file system is read-only: mount it for writing"),
        _ => unusable(path, &error.to_string()),
    }
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::Unusable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::panic,
        reason = "a test that meets something unexpected should stop there"
    )]

    use super::*;

    /// A database of an older schema, with one issuer.
    fn of_schema(version: i32) -> Result<Connection> {
        let mut connection = Connection::open_in_memory()?;
        let older = embedded::migrations::runner().set_target(refinery::Target::Version(version));
        older
            .run(&mut connection)
            .map_err(|error| Error::Internal(error.to_string()))?;
        connection.execute_batch(
            "INSERT INTO keys VALUES (x'01', 'ec-p256', x'', 'software', '', 0);
            INSERT INTO issuers VALUES (x'00112233445566778899aabbccddeeff', 'root', 1, 'active', '', x'01', '', x'00',
                NULL, x'', x'', '{}', 0);",
        )?;
        Ok(connection)
    }

    /// The list that was published before there were files is still there after the update, and is due to be made anew.
    #[test]
    fn the_newest_list_of_the_first_schema_is_kept() -> Result<()> {
        let mut connection = of_schema(1)?;
        connection.execute_batch(
            "INSERT INTO crls VALUES (x'00112233445566778899aabbccddeeff', 4, 1, 2, 3, x'30');
            INSERT INTO crls VALUES (x'00112233445566778899aabbccddeeff', 7, 10, 20, 30, x'3000');",
        )?;
        migrate(&mut connection)?;
        let open = super::super::Open(&connection);
        let reader = crate::Reader::new(&open);
        let rows = crate::crls::newest(&reader)?;
        let of_row = |row: &crate::crls::CrlRow| (row.number, row.entries, row.octets, row.der.clone());
        assert_eq!(
            rows.iter().map(of_row).collect::<Vec<_>>(),
            [(7, 30, 2, Some(vec![0x30, 0]))]
        );
        for row in &rows {
            let state = crate::crls::state(&reader, row.issuer_id, row.shard)?;
            assert_eq!((state.last_number, state.changes, row.changes), (7, 1, 0));
        }
        Ok(())
    }

    /// An intent that a crash left behind before the update takes along what its order said.
    #[test]
    fn an_intent_of_the_second_schema_takes_its_order_along() -> Result<()> {
        let mut connection = of_schema(2)?;
        connection.execute_batch(
            "INSERT INTO orders (id, at, requester, profile, subject, names, state) VALUES
                (x'0000000000000000000000000000000a', 5, 'anna', 'tls-server', 'CN=a', 'dns:a dns:b', 'open'),
                (x'0000000000000000000000000000000b', 5, 'anna', 'tls-server', 'CN=b', 'dns:b', 'issued');
            INSERT INTO intents VALUES
                (x'00112233445566778899aabbccddeeff', x'07', x'0000000000000000000000000000000a', x'00', 9, 5);",
        )?;
        migrate(&mut connection)?;
        let open = super::super::Open(&connection);
        let reader = crate::Reader::new(&open);
        let intents = crate::intents::all(&reader)?;
        let said = intents
            .iter()
            .map(|one| [&one.requester, &one.profile, &one.subject, &one.names]);
        assert_eq!(
            said.collect::<Vec<_>>(),
            [["anna", "tls-server", "CN=a", "dns:a dns:b"]]
        );
        let left = reader.all("SELECT state FROM orders", &[], |row| row.text(0))?;
        assert_eq!(left, ["issued"]);
        Ok(())
    }

    #[test]
    fn a_failure_to_open_says_what_helps() {
        let path = Path::new("/");
        let cases = [
            (ErrorKind::PermissionDenied, "run as the user that owns it"),
            (ErrorKind::ReadOnlyFilesystem, "mount it for writing"),
            (ErrorKind::IsADirectory, "name a file in it"),
            (ErrorKind::NotFound, "correct the store's path"),
        ];
        for (kind, help) in cases {
            let Error::Unusable { reason, .. } = explain(path, &kind.into()) else {
                panic!("{kind:?}")
            };
            assert!(reason.contains(help), "{kind:?}: {reason}");
        }
        assert_eq!(explain(path, &ErrorKind::StorageFull.into()), Error::Full);
    }
}
