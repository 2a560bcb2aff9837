//! Keys in software: PKCS#8 files that only their owner may read, or keys that live in memory and end with the
//! process.
//!
//! This is for a CA that is brought along as files and for tests and demonstrations; a key that matters belongs in a
//! token. All algorithms of the tokens are here, through aws-lc-rs, and behave the same: a message is accepted for
//! every scheme, a digest for RSA and ECDSA.

mod file;
mod pair;
mod subject_key;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;
use secrecy::SecretString;
use signer_wire::{Input, KeyAttributes, KeyKind, KeyRecord, KeyRef, Scheme};

use crate::config::SoftwareConfig;
use crate::error::Error;
use crate::keys::{BackendStatus, Keys, check_label};
use crate::pin::PinSource;
use crate::public_key;

use file::KeyDirectory;
use pair::Pair;
pub use subject_key::SubjectKey;

/// The name of this backend in records and configurations.
pub(crate) const NAME: &str = "software";

/// A key, ready to sign.
#[derive(Debug)]
struct SoftwareKey {
    record: KeyRecord,
    pair: Pair,
}

/// Keys in software.
#[derive(Debug)]
pub struct Software {
    keys: RwLock<HashMap<KeyRef, Arc<SoftwareKey>>>,
    directory: Option<KeyDirectory>,
    width: usize,
}

impl Software {
    /// Opens the configured directory and reads its keys; without a directory, the same as [`Software::in_memory`].
    pub fn open(config: &SoftwareConfig) -> Result<Self, Error> {
        let passphrase = match &config.passphrase_file {
            Some(path) => PinSource::File(path.clone()).read()?,
            None => None,
        };
        let directory = match &config.directory {
            Some(path) => Some(KeyDirectory::open(path, passphrase)?),
            None => None,
        };
        let mut software = Self::in_memory();
        if let Some(directory) = &directory {
            for (label, pkcs8) in directory.read_all()? {
                let key = SoftwareKey::new(&label, &pkcs8, false)?;
                software.keys.get_mut().insert(key.record.key, Arc::new(key));
            }
        }
        software.directory = directory;
        Ok(software)
    }

    /// A backend whose keys end with the process.
    pub fn in_memory() -> Self {
        let width = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            keys: RwLock::new(HashMap::new()),
            directory: None,
            width,
        }
    }

    /// Takes over a private key: DER PKCS#8, not encrypted. The same key again gives the record there is.
    pub fn import(&self, label: &str, pkcs8: &[u8]) -> Result<KeyRecord, Error> {
        check_label(label)?;
        self.keep(SoftwareKey::new(label, pkcs8, false)?, pkcs8)
    }

    /// Decrypts a PKCS#8 `EncryptedPrivateKeyInfo` (DER), for the import of a key that came with a passphrase.
    pub fn decrypt(pkcs8: &[u8], passphrase: &SecretString) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
        file::decrypt(pkcs8, passphrase).map_err(Error::Refused)
    }

    fn keep(&self, key: SoftwareKey, pkcs8: &[u8]) -> Result<KeyRecord, Error> {
        if let Some(known) = self.find(&key.record.key) {
            return Ok(known);
        }
        if let Some(directory) = &self.directory {
            directory.write(&key.record.label, &key.record.key, pkcs8)?;
        }
        let record = key.record.clone();
        self.keys.write().insert(record.key, Arc::new(key));
        tracing::info!(label = record.label, kind = %record.kind, key = %record.key, "software key kept");
        Ok(record)
    }
}

impl SoftwareKey {
    fn new(label: &str, pkcs8: &[u8], local: bool) -> Result<Self, Error> {
        let pair =
            Pair::from_pkcs8(pkcs8).map_err(|detail| Error::Refused(format!("the key {label}: {detail}")))?;
        let spki = pair.spki()?;
        let kind = public_key::kind(&spki).ok_or(Error::Software("its own public key is unknown"))?;
        // Nothing keeps a software key from leaving, and its record says so.
        let attributes = KeyAttributes {
            extractable: true,
            local,
            ..KeyAttributes::default()
        };
        let record = KeyRecord {
            key: public_key::fingerprint(&spki),
            kind,
            label: label.to_owned(),
            spki,
            tokens: vec![NAME.to_owned()],
            attributes,
        };
        Ok(Self { record, pair })
    }
}

impl Keys for Software {
    fn name(&self) -> &'static str {
        NAME
    }

    fn width(&self) -> usize {
        self.width
    }

    fn list(&self) -> Vec<KeyRecord> {
        self.keys.read().values().map(|key| key.record.clone()).collect()
    }

    fn find(&self, key: &KeyRef) -> Option<KeyRecord> {
        self.keys.read().get(key).map(|key| key.record.clone())
    }

    fn kind(&self, key: &KeyRef) -> Option<KeyKind> {
        self.keys.read().get(key).map(|key| key.record.kind)
    }

    fn generate(&self, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
        check_label(label)?;
        let pkcs8 = pair::generate(kind)?;
        self.keep(SoftwareKey::new(label, &pkcs8, true)?, &pkcs8)
    }

    fn sign(
        &self,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        _: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        let known = self.keys.read().get(key).map(Arc::clone);
        let known = known.ok_or(Error::KeyNotFound(*key))?;
        if !scheme.is_usable_with(known.record.kind) {
            return Err(Error::SchemeMismatch {
                kind: known.record.kind,
                scheme,
            });
        }
        known.pair.sign(scheme, input)
    }

    fn status(&self) -> BackendStatus {
        BackendStatus {
            name: NAME.to_owned(),
            available: true,
            detail: String::new(),
            width: self.width,
        }
    }

    fn tend(&self) -> Result<(), Error> {
        Ok(())
    }
}
