//! What the courier remembers between two runs: the pending order with its key, when it last asked, what it installed.
//!
//! Losing it costs a call, never a certificate that works: a file that cannot be read is set aside and told.

use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::decide::Standing;
use crate::folder::{Access, Folder, FolderFault};
use crate::key::{KeptKey, KeptKeyFault};

/// The version written.
const VERSION: u32 = 1;

// stored: state/v1
/// Everything remembered of one certificate. Members of a later version are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The form of the file.
    pub version: u32,
    /// The order that is on its way.
    pub pending: Option<PendingOrder>,
    /// When the appliance was last asked how things stand.
    pub checked_at: Option<Timestamp>,
    /// The SHA-256 of the certificate that was installed last, in hexadecimal digits.
    pub installed_sha256: Option<String>,
    /// What it said of the certificate.
    pub standing: Standing,
    /// The window that it suggested, first and last instant.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Where in a window this certificate is renewed: drawn once for each, from 0 to [`u32::MAX`].
    pub share: Option<u32>,
    /// What the appliance was not told yet.
    pub unacknowledged: Option<Unacknowledged>,
    /// Whether a server of the file did not take what is on disk: each run hands it over again until all have taken it.
    pub is_undeployed: bool,
    /// The outcome of the last run.
    pub last_run: Option<LastRun>,
    /// What the file asked for when the certificate was ordered, as a digest.
    pub ordered: Option<String>,
    /// How many runs failed since the last that did not.
    pub failures: u32,
    /// The file of configuration that the last run was for.
    pub config: Option<PathBuf>,
    /// The keys that were made, or were about to be made, in a token and are not destroyed yet.
    pub token_keys: Vec<TokenKeyNote>,
}

/// A key in a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeyNote {
    /// Its label, which no other key has.
    pub label: String,
    /// The token, as the file tells it from others.
    pub place: String,
    /// Where the files are that may refer to it.
    pub set: PathBuf,
}

/// An installation that the appliance was not told yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unacknowledged {
    /// The order.
    pub order: uuid::Uuid,
    /// What it is told.
    pub report: serde_json::Value,
}

/// An order that is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingOrder {
    /// The order, once the appliance has named it.
    pub order: Option<uuid::Uuid>,
    /// What makes a repeated request the same one.
    pub idempotency_key: String,
    /// The file with its key.
    pub key_file: PathBuf,
    /// The names asked for.
    pub names: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The whole request: repeated word for word, it is the same one.
    #[serde(default)]
    pub request: serde_json::Value,
    /// The certificate that it installed, as SHA-256 in hexadecimal digits: what is left are hooks and the report.
    #[serde(default)]
    pub installed: Option<String>,
    /// The certificate that it replaces.
    #[serde(default)]
    pub previous: Option<String>,
    /// What the file asked for, as a digest.
    #[serde(default)]
    pub configured: String,
}

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When.
    pub at: Timestamp,
    /// What came of it, as `status` writes it.
    pub outcome: String,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
}

/// Why nothing can be remembered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateFault {
    /// The directory or a file in it cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// The key cannot be written or read.
    #[error(transparent)]
    Key(#[from] KeptKeyFault),
    /// It cannot be written as JSON.
    #[error("the state cannot be written")]
    Encoding(#[from] serde_json::Error),
}

/// The state directory, and which certificate's part of it.
#[derive(Debug)]
pub struct Memory {
    folder: Folder,
    name: String,
}

/// What was found.
#[derive(Debug)]
pub struct Remembered {
    /// The state; an empty one when there is none that can be read.
    pub state: State,
    /// What to tell the operator: the file was set aside.
    pub warning: Option<String>,
}

impl Memory {
    /// Opens the directory, and makes it with 0700 when it is missing. `name` is the checked slug of the certificate.
    pub fn open(dir: &std::path::Path, name: &str) -> Result<Self, StateFault> {
        let access = Access {
            mode: 0o700,
            ..Access::default()
        };
        Ok(Self {
            folder: Folder::create(dir, access)?,
            name: name.to_owned(),
        })
    }

    /// Reads the state. A broken file becomes `<name>.json.broken`.
    pub fn load(&self) -> Result<Remembered, StateFault> {
        let file = format!("{}.json", self.name);
        let Some(text) = self.folder.read_file(&file)? else {
            return Ok(Remembered {
                state: State::default(),
                warning: None,
            });
        };
        match serde_json::from_slice(&text) {
            Ok(state) => Ok(Remembered { state, warning: None }),
            Err(error) => {
                let aside = format!("{file}.broken");
                self.folder.rename(&file, &aside)?;
                self.folder.sync()?;
                let path = self.folder.path().join(aside);
                Ok(Remembered {
                    state: State::default(),
                    warning: Some(format!(
                        "the state could not be read and was set aside as {}: {error}",
                        path.display()
                    )),
                })
            }
        }
    }

    /// Writes the state, atomically and durably.
    pub fn save(&self, state: &State) -> Result<(), StateFault> {
        let mut state = state.clone();
        state.version = VERSION;
        let text = serde_json::to_vec_pretty(&state)?;
        Ok(self
            .folder
            .replace_file(&format!("{}.json", self.name), SECRET, &text)?)
    }

    /// Writes the key of an order, durably, before anything is asked for with it; the path goes into [`PendingOrder`].
    pub fn keep_key(&self, key: &KeptKey, passphrase: Option<&SecretString>) -> Result<PathBuf, StateFault> {
        let pem = key.to_text(passphrase).map_err(KeptKeyFault::from)?;
        let file = self.key_name();
        self.folder.replace_file(&file, SECRET, pem.as_bytes())?;
        Ok(self.folder.path().join(file))
    }

    /// The key of the pending order; nothing when it is gone.
    pub fn pending_key(&self, passphrase: Option<&SecretString>) -> Result<Option<KeptKey>, StateFault> {
        let read = self.folder.read_file(&self.key_name())?;
        Ok(read.map(|pem| KeptKey::parse(&pem, passphrase)).transpose()?)
    }

    /// Keeps the key that `generate-keys` made, for the next order alone.
    pub fn keep_prepared_key(
        &self,
        key: &KeptKey,
        passphrase: Option<&SecretString>,
    ) -> Result<PathBuf, StateFault> {
        let pem = key.to_text(passphrase).map_err(KeptKeyFault::from)?;
        let file = self.prepared_name();
        self.folder.replace_file(&file, SECRET, pem.as_bytes())?;
        Ok(self.folder.path().join(file))
    }

    /// The key that `generate-keys` made.
    pub fn prepared_key(&self, passphrase: Option<&SecretString>) -> Result<Option<KeptKey>, StateFault> {
        let read = self.folder.read_file(&self.prepared_name())?;
        Ok(read.map(|pem| KeptKey::parse(&pem, passphrase)).transpose()?)
    }

    /// Removes it: an order has it now.
    pub fn forget_prepared_key(&self) -> Result<(), StateFault> {
        self.folder.remove_file(&self.prepared_name())?;
        Ok(self.folder.sync()?)
    }

    /// Keeps whom the key of an order is encrypted to, before it is ordered.
    pub fn keep_recipient(&self, stored: &str) -> Result<PathBuf, StateFault> {
        let file = self.recipient_name();
        self.folder.replace_file(&file, SECRET, stored.as_bytes())?;
        Ok(self.folder.path().join(file))
    }

    /// Whom the key of the pending order is encrypted to.
    pub fn recipient(&self) -> Result<Option<Zeroizing<String>>, StateFault> {
        let read = self.folder.read_file(&self.recipient_name())?;
        Ok(read.map(|text| Zeroizing::new(String::from_utf8_lossy(&text).into_owned())))
    }

    /// Where the lock of this certificate is.
    pub fn lock_path(&self) -> PathBuf {
        self.folder.path().join(format!("{}.lock", self.name))
    }

    /// Removes the key of an order that is over.
    pub fn forget_key(&self) -> Result<(), StateFault> {
        self.folder.remove_file(&self.key_name())?;
        self.folder.remove_file(&self.recipient_name())?;
        Ok(self.folder.sync()?)
    }

    fn recipient_name(&self) -> String {
        format!("{}.recipient", self.name)
    }

    fn prepared_name(&self) -> String {
        format!("{}.prepared-key.pem", self.name)
    }

    fn key_name(&self) -> String {
        format!("{}.pending-key.pem", self.name)
    }
}

/// Nobody else reads it.
const SECRET: Access = Access {
    mode: 0o600,
    owner: None,
    group: None,
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use crate::key::{KeyType, LocalKey};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_remembered_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        let memory = Memory::open(&dir, "web").unwrap();
        assert_eq!(memory.load().unwrap().state, State::default());
        let key = KeptKey::File(LocalKey::generate(KeyType::Ec256).unwrap());
        let path = memory.keep_key(&key, None).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let mut state = State {
            pending: Some(PendingOrder {
                order: None,
                idempotency_key: "k".to_owned(),
                key_file: path.clone(),
                names: vec!["a.example".to_owned()],
                created_at: Timestamp::UNIX_EPOCH,
                request: serde_json::Value::Null,
                installed: None,
                previous: None,
                configured: String::new(),
            }),
            ..State::default()
        };
        memory.save(&state).unwrap();
        state.version = VERSION;
        assert_eq!(memory.load().unwrap().state, state);
        assert_eq!(
            memory.pending_key(None).unwrap().unwrap().fingerprint(),
            key.fingerprint()
        );
        memory.forget_key().unwrap();
        assert!(memory.pending_key(None).unwrap().is_none());
    }

    #[test]
    fn a_broken_file_is_set_aside_and_a_later_one_read() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::open(dir.path(), "web").unwrap();
        let file = dir.path().join("web.json");
        std::fs::write(
            &file,
            "{\"version\":9,\"unheard\":{},\"installed_sha256\":\"ab\"}",
        )
        .unwrap();
        let found = memory.load().unwrap();
        assert_eq!(found.state.installed_sha256.as_deref(), Some("ab"));
        std::fs::write(&file, "{\"version\":").unwrap();
        let found = memory.load().unwrap();
        assert_eq!(found.state, State::default());
        assert!(found.warning.unwrap().contains("web.json.broken"));
        assert!(!file.exists() && dir.path().join("web.json.broken").exists());
    }
}
