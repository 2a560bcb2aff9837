//! The key of an approver: in a file, or in a token that only the approver can log in to.

use std::path::Path;
use std::sync::Arc;

use pki::{KeyAlgorithm, PublicKey, SignatureAlgorithm, key_file, pem};
use secrecy::{ExposeSecret as _, SecretString};
use token::{Hsm, KeyRecord, Keys, PinSource, Software, SoftwareConfig, TokenConfig};

use super::fault::CeremonyError;
use super::folder;
use crate::signer::words;

/// A key that signs approvals.
pub struct ApproverKey {
    keys: Arc<dyn Keys>,
    record: KeyRecord,
}

impl std::fmt::Debug for ApproverKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApproverKey")
            .field("key", &self.record.key)
            .finish_non_exhaustive()
    }
}

impl ApproverKey {
    /// A key file: PKCS#8, SEC 1 or PKCS#1 in PEM or DER, perhaps encrypted.
    pub fn from_file(file: &Path, passphrase: Option<&SecretString>) -> Result<Self, CeremonyError> {
        let octets = zeroize::Zeroizing::new(folder::read(file)?);
        let passphrase = passphrase.map(|secret| secret.expose_secret().as_bytes());
        let key = key_file::parse(&octets, passphrase)
            .map_err(|fault| CeremonyError::Approval(format!("{}: {fault}", file.display())))?;
        let software = Software::in_memory();
        let record = software.import("approver", &key.pkcs8)?;
        Ok(Self {
            keys: Arc::new(software),
            record,
        })
    }

    /// A key in a token, by its label or fingerprint; the only one when neither is given.
    pub fn in_token(
        token: &TokenConfig,
        pin: PinSource,
        memory: Option<&Path>,
        key: Option<&str>,
    ) -> Result<Self, CeremonyError> {
        let hsm = Hsm::connect(token, pin, memory)?;
        let is_wanted =
            |record: &KeyRecord| key.is_none_or(|key| record.label == key || record.key.to_string() == key);
        let mut found: Vec<KeyRecord> = hsm.list().into_iter().filter(is_wanted).collect();
        match (found.pop(), found.is_empty()) {
            (Some(record), true) => Ok(Self {
                keys: Arc::new(hsm),
                record,
            }),
            (None, _) => Err(CeremonyError::Approval(format!(
                "the token {} has no such key: `chancery token list --keys` shows those it has",
                token.name
            ))),
            (Some(_), false) => Err(CeremonyError::Approval(format!(
                "the token {} has several such keys: name one by its label or fingerprint",
                token.name
            ))),
        }
    }

    /// Makes a key in a folder of key files, encrypted when there is a file with a passphrase.
    pub fn generate_file(
        directory: &Path,
        name: &str,
        algorithm: KeyAlgorithm,
        passphrase_file: Option<&Path>,
    ) -> Result<Self, CeremonyError> {
        let config = SoftwareConfig {
            directory: Some(directory.to_owned()),
            passphrase_file: passphrase_file.map(Path::to_owned),
        };
        Self::generate(Arc::new(Software::open(&config)?), name, algorithm)
    }

    /// Makes a key in a token.
    pub fn generate_in_token(
        token: &TokenConfig,
        pin: PinSource,
        memory: Option<&Path>,
        name: &str,
        algorithm: KeyAlgorithm,
    ) -> Result<Self, CeremonyError> {
        Self::generate(Arc::new(Hsm::connect(token, pin, memory)?), name, algorithm)
    }

    fn generate(keys: Arc<dyn Keys>, name: &str, algorithm: KeyAlgorithm) -> Result<Self, CeremonyError> {
        let record = keys.generate(name, words::key_kind(algorithm))?;
        Ok(Self { keys, record })
    }

    /// Its label where it is, and the name of that place.
    pub fn place(&self) -> (&str, &str) {
        (&self.record.label, self.keys.name())
    }

    /// Its public half.
    pub fn public_key(&self) -> Result<PublicKey, CeremonyError> {
        PublicKey::from_spki_der(&self.record.spki)
            .map_err(|fault| CeremonyError::Approval(format!("the approver's key: {fault}")))
    }

    pub(super) fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, CeremonyError> {
        let input = words::input(algorithm, message)
            .ok_or_else(|| CeremonyError::Approval("the message is too long".to_owned()))?;
        Ok(self
            .keys
            .sign(&self.record.key, words::scheme(algorithm), &input, None)?)
    }
}

/// An approver as a plan names one.
pub fn public_key_toml(name: &str, key: &PublicKey) -> String {
    let pem = pem::encode("PUBLIC KEY", key.spki_der());
    format!("[[approvers]]\nname = \"{name}\"\npublic_key = \"\"\"\n{pem}\"\"\"\n")
}
