//! `[store]`: which database, and how it is reached.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// From more than it takes to hear of a change on a busy machine, to as long as changes are kept for who was away.
const LAG_SECONDS: RangeInclusive<u32> = 2..=86_400;

/// `[store]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// `sqlite:` and the path of the database file, or `postgres://`.
    pub(crate) url: String,
    /// Most connections that read at the same time.
    pub(crate) connections: usize,
    /// Most pages of 4096 octets an SQLite database may have; no limit of its own when left out.
    pub(crate) max_pages: Option<u32>,
    /// The file whose first line is the password for PostgreSQL.
    pub(crate) password_file: Option<PathBuf>,
    /// The systemd credential that is the password for PostgreSQL.
    pub(crate) password_credential: Option<String>,
    /// Authorities (PEM) that may certify the PostgreSQL server.
    pub(crate) tls_roots: Option<PathBuf>,
    /// Certificate, chain and key (PEM) that PostgreSQL knows this server by.
    pub(crate) tls_identity: Option<PathBuf>,
    /// Seconds without word of what other servers change, after which nothing is said to be good any more.
    pub(crate) lag_seconds: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: "sqlite:chancery.db".to_owned(),
            connections: 8,
            max_pages: None,
            password_file: None,
            password_credential: None,
            tls_roots: None,
            tls_identity: None,
            lag_seconds: 20,
        }
    }
}

impl Store {
    /// Whether it is on a PostgreSQL server.
    pub(crate) fn is_on_server(&self) -> bool {
        ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| self.url.starts_with(scheme))
    }

    /// What is wrong, each with its key.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let path = self.url.strip_prefix("sqlite:");
        let on_server = [
            self.password_file.is_some(),
            self.password_credential.is_some(),
            self.tls_roots.is_some(),
            self.tls_identity.is_some(),
        ];
        let checks = [
            (
                !self.is_on_server() && path.is_none_or(str::is_empty),
                "store.url",
                "begins with sqlite: followed by a path, or with postgres://",
            ),
            (
                !(1..=1000).contains(&self.connections),
                "store.connections",
                "1 to 1000",
            ),
            (
                !LAG_SECONDS.contains(&self.lag_seconds),
                "store.lag_seconds",
                "2 to 86400",
            ),
            (
                self.max_pages.is_some_and(|pages| pages < 256),
                "store.max_pages",
                "at least 256",
            ),
            (
                self.max_pages.is_some() && self.is_on_server(),
                "store.max_pages",
                "is for SQLite",
            ),
            (
                self.password_file.is_some() && self.password_credential.is_some(),
                "store.password_credential",
                "give one of password_file and password_credential",
            ),
            (
                !self.is_on_server() && on_server.contains(&true),
                "store.url",
                "a password, tls_roots and tls_identity are for PostgreSQL",
            ),
        ];
        let wrong = checks.into_iter().filter(|(is_wrong, ..)| *is_wrong);
        wrong.map(|(_, key, what)| (key, what)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that meets something unexpected should stop there"
    )]

    use super::*;

    fn problems(change: impl FnOnce(&mut Store)) -> Vec<String> {
        let mut store = Store::default();
        change(&mut store);
        store
            .problems()
            .iter()
            .map(|(key, what)| format!("{key}: {what}"))
            .collect()
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        assert!(problems(|_| ()).is_empty());
        assert!(problems(|store| store.url = "postgres://a@b/c".to_owned()).is_empty());
        assert!(problems(|store| store.url = "postgresql://a@b/c".to_owned()).is_empty());
        for url in ["", "sqlite:", "mysql://x", "/var/lib/chancery.db"] {
            let found = problems(|store| store.url = url.to_owned());
            assert!(
                found.iter().any(|text| text.contains("postgres://")),
                "{url}: {found:?}"
            );
        }
        let found = problems(|store| store.password_file = Some("p".into()));
        assert_eq!(
            found,
            ["store.url: a password, tls_roots and tls_identity are for PostgreSQL"]
        );
        let found = problems(|store| {
            store.url = "postgres://a@b/c".to_owned();
            store.max_pages = Some(1000);
            store.connections = 0;
            store.lag_seconds = 1;
            store.password_file = Some("p".into());
            store.password_credential = Some("p".to_owned());
        });
        let expected = [
            "store.connections: 1 to 1000",
            "store.lag_seconds: 2 to 86400",
            "store.max_pages: is for SQLite",
            "store.password_credential: give one of password_file and password_credential",
        ];
        assert_eq!(found, expected);
    }
}
