//! From `[store]` to what opens the store: the files of secrets and certificates are read here.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use store::{Credentials, Location, PostgresConfig, StoreConfig};
use token::PinSource;
use uuid::Uuid;

use crate::config::Config;
use crate::files::{self, Readers};

/// The file in the state folder that says which server this is.
const NODE: &str = "node";
/// The file that a server has locked which is at work with the folder.
const LOCK: &str = "node.lock";

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
            hold: None,
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

    /// Remembers which server this is. Where the store is no file with a lock of its own, the state folder is held for as long as it
    /// is open: two servers in one folder would be one to the others.
    pub(crate) fn hold_node(&self, store: &mut StoreConfig) -> Result<()> {
        let file = self.path(Path::new(NODE));
        if let Location::Server(_) = store.location {
            store.hold = Some(Arc::new(self.lock()?));
            // Whoever held it before may have been the first to need one.
            if file.exists() {
                store.node = self.node()?;
            }
        }
        if file.exists() {
            return Ok(());
        }
        files::write(&file, format!("{}\n", store.node).as_bytes(), Readers::All)
    }

    /// What is locked while a server whose store is no file serves from this state folder.
    pub(crate) fn state_lock(&self) -> PathBuf {
        self.path(Path::new(LOCK))
    }

    fn lock(&self) -> Result<File> {
        let path = self.state_lock();
        let reading = || format!("opening {}", path.display());
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let file = file.with_context(reading)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => bail!(
                "the state folder {} is in use by another process: stop it first (each server has a folder of its own)",
                self.state_dir.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(reading),
        }
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
