//! Having a backup signed by the key of the audit log, through the signing process, as checkpoints are.
//!
//! Whoever needs a backup most is in trouble: whatever keeps the key from signing, the backup is made, and says that it is not signed. The
//! modules of tokens are loaded here only where the configuration has no process of their own for them, and never waited for without end.

use std::sync::Arc;
use std::time::Duration;

use ca::{BackupKey, Clock, Signer};
use store::Store;
use token::KeyRing;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::config::{Config, SignerMode};

/// How long the signing process may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What signs a backup.
pub(super) struct Sealing {
    key: Option<BackupKey>,
    signer: Result<Signer, String>,
    runtime: Handle,
}

impl Sealing {
    /// Looks who signs for this store.
    pub(super) async fn look(config: &Config, store: &Store) -> store::Result<Self> {
        let key = store.read(BackupKey::read).await?;
        let signer = match (&key, tokio::time::timeout(PATIENCE, signer(config)).await) {
            (None, _) => Err("the audit log has no key yet: it is made with the first CA".to_owned()),
            (Some(_), Ok(signer)) => signer,
            (Some(_), Err(_)) => Err("the signing process does not answer".to_owned()),
        };
        Ok(Self {
            key,
            signer,
            runtime: Handle::current(),
        })
    }

    /// The verifier key of the log.
    pub(super) fn verifier(&self) -> Option<String> {
        self.key.as_ref().map(|key| key.verifier().to_string())
    }

    /// A note with this text; otherwise why there is none. Not for a thread of the runtime.
    pub(super) fn sign(&self, text: &str) -> Result<String, String> {
        let (Some(key), signer) = (&self.key, self.signer.as_ref().map_err(Clone::clone)?) else {
            return Err("the audit log has no key".to_owned());
        };
        let now = Clock::system().now();
        let answer = async { tokio::time::timeout(PATIENCE, key.sign(signer, text, now)).await };
        match self.runtime.block_on(answer) {
            Ok(Ok(note)) => Ok(note.to_string()),
            Ok(Err(error)) => Err(format!("{:#}", anyhow::Error::from(error))),
            Err(_) => Err("the signing process does not answer".to_owned()),
        }
    }
}

async fn signer(config: &Config) -> Result<Signer, String> {
    if config.signer.mode != SignerMode::InProcess {
        let signer = Signer::daemon(&config.path(&config.signer.socket));
        return match signer.status().await {
            Ok(_) => Ok(signer),
            Err(fault) => Err(format!("the signing process is away: {fault}")),
        };
    }
    let file = config.path(&config.signer.config);
    let (send, opened) = oneshot::channel();
    // A module that hangs keeps this thread, and nothing that would be waited for.
    std::thread::spawn(move || {
        let open = || -> anyhow::Result<Signer> {
            let signing = token::Config::load(&file)?;
            Ok(Signer::in_process(Arc::new(KeyRing::open(&signing)?)))
        };
        let _ = send.send(open().map_err(|error| format!("{error:#}")));
    });
    opened
        .await
        .unwrap_or_else(|_| Err("the tokens could not be opened".to_owned()))
}
