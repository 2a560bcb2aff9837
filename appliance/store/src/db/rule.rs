//! The rule of migrations, as far as a program can hold it: each says which programs may go on beside it.
//!
//! A migration either adds (expand), and the program before it goes on working, or takes away (contract) what no program uses any
//! more since a version that it names. It writes the least version that a program must know into the settings; a program that
//! knows that version works on a schema that is newer than itself.

use refinery::Migration;

use crate::error::{Error, Result};

/// The setting with the least version of the schema that a program must know.
pub(super) const LEAST: &str = "schema.least_program";
/// Asks for it.
pub(super) const ASK: &str = "SELECT value FROM settings WHERE key = 'schema.least_program'";
/// Asks for what was applied.
pub(super) const HISTORY: &str = "SELECT version, checksum FROM refinery_schema_history ORDER BY version";
/// The last version made before the rule; whoever opens a store must know all of these.
#[cfg(test)]
const BEFORE: i64 = 7;

/// A migration that a store does not have yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingMigration {
    /// Its version.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// The least version that programs must know that run beside it.
    pub least: i64,
}

/// Whether a program that knows a version may work on a schema of another one.
pub(super) fn admit(found: i64, known: i64, least: Option<&str>) -> Result<()> {
    let least = least.and_then(|least| least.parse::<i64>().ok());
    if found <= known || least.is_some_and(|least| least <= known) {
        Ok(())
    } else {
        Err(Error::NewerSchema { found, known })
    }
}

/// What was applied, by version and checksum, must be what this program has under these versions.
pub(super) fn compare(migrations: &[Migration], applied: &[(i64, String)]) -> Result<()> {
    let is_other = |(version, checksum): &&(i64, String)| {
        let known = migrations.iter().find(|one| i64::from(one.version()) == *version);
        known.is_some_and(|one| one.checksum().to_string() != *checksum)
    };
    match applied.iter().find(is_other) {
        Some((version, _)) => Err(diverged(&format!("V{version} is another one"))),
        None => Ok(()),
    }
}

/// Another build made the schema.
pub(super) fn diverged(what: &dyn std::fmt::Display) -> Error {
    Error::Rejected(format!(
        "its schema is that of another build of this program ({what}): use that program, or restore a backup into a new store"
    ))
}

/// A migration failed, and nothing of it was kept.
pub(super) fn unmigrated(version: i64, what: &str) -> Error {
    Error::Rejected(format!(
        "its schema could not be brought to version {version}, and was left as it was ({what}): something made or removed parts of it. \
         Start the program that made it again, or restore a backup into a new store"
    ))
}

/// The migrations after a version.
pub(super) fn pending(migrations: &[Migration], found: i64) -> Vec<PendingMigration> {
    let mut pending: Vec<PendingMigration> = migrations
        .iter()
        .filter(|one| i64::from(one.version()) > found)
        .map(|one| {
            let version = i64::from(one.version());
            PendingMigration {
                version,
                name: one.name().to_owned(),
                // One of before the rule promises nothing to programs that do not know it.
                least: one.sql().and_then(least_in).unwrap_or(version),
            }
        })
        .collect();
    pending.sort_by_key(|one| one.version);
    pending
}

/// The version that a migration writes into the settings.
fn least_in(sql: &str) -> Option<i64> {
    let rest = sql.split_once(LEAST)?.1;
    let digits = rest
        .split('\'')
        .find(|part| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit()));
    digits?.parse().ok()
}

/// What is wrong with a migration by the rule.
#[cfg(test)]
fn faults(version: i64, name: &str, sql: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if version <= BEFORE {
        return faults;
    }
    let contract = name
        .strip_prefix("contract_since_")
        .and_then(|rest| rest.split('_').next()?.parse::<i64>().ok());
    let is_expand = name.starts_with("expand_");
    if !is_expand && contract.is_none() {
        faults.push(format!(
            "V{version}__{name}: is named neither expand_… nor contract_since_N_…"
        ));
    }
    match least_in(sql) {
        None => faults.push(format!("V{version}__{name}: does not write {LEAST}")),
        Some(least) if least >= version => {
            faults.push(format!("V{version}__{name}: shuts out the program before it"));
        }
        Some(least) if contract.is_some_and(|since| since != least) => {
            faults.push(format!(
                "V{version}__{name}: names another version than it writes"
            ));
        }
        Some(_) => {}
    }
    let words = sql.to_uppercase();
    let statements: String = words
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect::<Vec<_>>()
        .join(" ");
    let statements = statements.split_whitespace().collect::<Vec<_>>().join(" ");
    let takes_away = [
        "DROP TABLE",
        "DROP COLUMN",
        "DROP CONSTRAINT",
        "RENAME",
        "ALTER COLUMN",
        "SET NOT NULL",
        "DELETE FROM",
    ];
    for word in takes_away
        .into_iter()
        .filter(|word| is_expand && statements.contains(word))
    {
        faults.push(format!(
            "V{version}__{name}: {word} takes away what the program before it may use"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A statement as every migration after the rule has one.
    fn writes(least: i64) -> String {
        format!(
            "INSERT INTO settings (key, value) VALUES ('{LEAST}', '{least}')
                ON CONFLICT (key) DO UPDATE SET value = excluded.value;"
        )
    }

    /// Both folders, as they are.
    #[test]
    fn every_migration_keeps_the_rule() -> std::io::Result<()> {
        let mut looked_at = 0;
        for dialect in ["sqlite", "postgres"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("migrations")
                .join(dialect);
            for file in std::fs::read_dir(folder)? {
                let path = file?.path();
                let stem = path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let parts = stem.strip_prefix('V').and_then(|rest| rest.split_once("__"));
                let named = parts.and_then(|(version, name)| Some((version.parse::<i64>().ok()?, name)));
                assert!(named.is_some(), "{stem} is no name of a migration");
                let sql = std::fs::read_to_string(&path)?;
                let found = named
                    .map(|(version, name)| faults(version, name, &sql))
                    .unwrap_or_default();
                assert!(found.is_empty(), "{dialect}: {found:?}");
                looked_at += 1;
            }
        }
        assert!(looked_at >= 8, "{looked_at}");
        Ok(())
    }

    #[test]
    fn what_breaks_the_rule_is_found() {
        let good = [
            (
                8,
                "expand_notes",
                format!("ALTER TABLE orders ADD COLUMN note TEXT; {}", writes(7)),
            ),
            (
                9,
                "contract_since_8_notes",
                format!("ALTER TABLE orders DROP COLUMN old; {}", writes(8)),
            ),
            (4, "several_servers", "DROP TABLE anything".to_owned()),
        ];
        for (version, name, sql) in good {
            assert_eq!(faults(version, name, &sql), Vec::<String>::new());
        }
        let bad = [
            (8, "notes", writes(7), "neither expand_"),
            (
                8,
                "expand_notes",
                "CREATE TABLE notes (id TEXT)".to_owned(),
                "does not write",
            ),
            (8, "expand_notes", writes(8), "shuts out the program before it"),
            (
                9,
                "contract_since_7_notes",
                writes(8),
                "another version than it writes",
            ),
            (
                8,
                "expand_notes",
                format!("ALTER TABLE orders\n  DROP COLUMN old; {}", writes(7)),
                "DROP COLUMN",
            ),
            (
                8,
                "expand_notes",
                format!("ALTER TABLE orders RENAME TO them; {}", writes(7)),
                "RENAME",
            ),
        ];
        for (version, name, sql, told) in bad {
            let found = faults(version, name, &sql);
            assert!(
                found.len() == 1 && found.iter().all(|fault| fault.contains(told)),
                "{told}: {found:?}"
            );
        }
    }

    #[test]
    fn a_program_works_on_what_says_so() {
        assert_eq!(admit(7, 7, None), Ok(()));
        assert_eq!(admit(8, 7, Some("7")), Ok(()));
        for least in [None, Some("8"), Some("x")] {
            assert_eq!(admit(8, 7, least), Err(Error::NewerSchema { found: 8, known: 7 }));
        }
        assert_eq!(least_in(&writes(12)), Some(12));
    }
}
