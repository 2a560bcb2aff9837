//! `[store]`: which database, and how it is reached.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use store::{Credentials, Location, PostgresConfig, StoreConfig};
use token::PinSource;
use uuid::Uuid;

use super::Config;
use crate::files::{self, Readers};

/// The file in the state folder that says which server this is.
const NODE: &str = "node";

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

impl Config {
    /// What the store needs to be opened. Reads the files of secrets and certificates that are named.
    pub(crate) fn store_config(&self) -> Result<StoreConfig> {
        let own = &self.store;
        let location = if own.is_on_server() {
            Location::Server(Box::new(PostgresConfig::new(&own.url, &self.credentials()?)?))
        } else {
            Location::File(self.path(Path::new(own.url.strip_prefix("sqlite:").unwrap_or(&own.url))))
        };
        let folder = match &location {
            Location::File(path) => path.parent().unwrap_or(Path::new("")).to_owned(),
            Location::Server(_) => self.state_dir.clone(),
        };
        Ok(StoreConfig {
            location,
            folder,
            max_pages: own.max_pages,
            readers: own.connections,
            node: self.node()?,
        })
    }

    /// Which of the servers this is that share the store: what the file `node` in the state folder says, or one that nobody was yet.
    fn node(&self) -> Result<Uuid> {
        let file = self.path(Path::new(NODE));
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let wrong = || {
                    format!(
                        "{} holds no identifier: remove it, and a new one is made",
                        file.display()
                    )
                };
                Uuid::try_parse(text.trim()).with_context(wrong)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Uuid::now_v7()),
            Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
        }
    }

    /// Remembers which server this is.
    pub(crate) fn keep_node(&self, node: Uuid) -> Result<()> {
        let file = self.path(Path::new(NODE));
        if file.exists() {
            return Ok(());
        }
        files::write(&file, format!("{node}\n").as_bytes(), Readers::All)
    }

    fn credentials(&self) -> Result<Credentials> {
        let own = &self.store;
        let password = match (&own.password_file, &own.password_credential) {
            (Some(file), _) => PinSource::File(self.path(file))
                .read()
                .context("store.password_file")?,
            (None, Some(name)) => {
                let source = PinSource::Credential(name.clone());
                source.read().context("store.password_credential")?
            }
            (None, None) => None,
        };
        let read = |file: &Option<PathBuf>, key: &'static str| {
            let read = file.as_ref().map(|file| std::fs::read(self.path(file)));
            read.transpose().with_context(|| format!("{key} cannot be read"))
        };
        let identity = read(&own.tls_identity, "store.tls_identity")?.map(String::from_utf8);
        Ok(Credentials {
            password,
            roots: read(&own.tls_roots, "store.tls_roots")?,
            identity: identity
                .transpose()
                .context("store.tls_identity is not PEM")?
                .map(Into::into),
        })
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
            store.password_file = Some("p".into());
            store.password_credential = Some("p".to_owned());
        });
        let expected = [
            "store.connections: 1 to 1000",
            "store.max_pages: is for SQLite",
            "store.password_credential: give one of password_file and password_credential",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_files_that_are_named_are_read_below_the_state_folder() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new();
        config.state_dir = folder.path().to_owned();
        config.store.url = "postgres://chancery@127.0.0.1/chancery".to_owned();
        config.store.password_file = Some("password".into());
        let told = |config: &Config| format!("{:#}", config.store_config().unwrap_err());
        assert!(told(&config).contains("store.password_file"), "{}", told(&config));
        std::fs::write(folder.path().join("password"), "4711\n").unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.path().join("password"), private).unwrap();
        assert!(matches!(
            config.store_config().unwrap().location,
            Location::Server(_)
        ));
        config.store.tls_roots = Some("roots.pem".into());
        assert!(told(&config).contains("store.tls_roots cannot be read"));
        config.store.tls_roots = None;
        config.store.tls_identity = Some("identity.pem".into());
        assert!(told(&config).contains("store.tls_identity cannot be read"));
    }
}
