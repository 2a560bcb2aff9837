//! Who made a backup: what it says of itself is signed by the key of the audit log, as a note (c2sp.org/signed-note).
//!
//! That key is noted elsewhere by whoever looks after the log, lies where the keys of the CAs lie, and signs nothing else but checkpoints.
//! The text begins with a line that is the origin of no log, so that no signature under the one is one under the other. It names the
//! manifest of the backup by digest and length; what the manifest covers is for who writes and reads it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pki::KeyFingerprint;
use store::Reader;
use tlog::{Note, NoteKey};

use crate::audit_log::AuditLog;
use crate::error::{Error, Result};
use crate::seal::Purpose;
use crate::signer::Signer;

/// The first line of what is signed. The origin of a log ends with its key.
const DOMAIN: &str = "chancery.org/backup/v1";
/// How long a token may take: a backup that is not signed is better than none.
const DEADLINE: Duration = Duration::from_secs(20);

/// The key that signs the backups of a store: that of its audit log.
#[derive(Clone, Debug)]
pub struct BackupKey {
    fingerprint: KeyFingerprint,
    key: NoteKey,
}

impl BackupKey {
    /// The one of a store; none before the first server has made it, and none when the store names a key that signs something else.
    pub fn read(reader: &Reader<'_>) -> store::Result<Option<Self>> {
        let Some(AuditLog { fingerprint, key }) = AuditLog::read(reader)? else {
            return Ok(None);
        };
        let issuers = store::issuers::all(reader)?;
        let responders = store::responders::all(reader)?;
        let mut others = issuers
            .iter()
            .map(|one| one.key_fingerprint.as_slice())
            .chain(responders.iter().map(|one| one.key_fingerprint.as_slice()));
        let is_of_a_ca = others.any(|other| other == fingerprint.0.as_slice());
        Ok((!is_of_a_ca).then_some(Self { fingerprint, key }))
    }

    /// What its signatures are verified with.
    pub fn verifier(&self) -> &NoteKey {
        &self.key
    }

    /// Has a text about a backup signed.
    pub async fn sign(&self, signer: &Signer, text: &str, now: Timestamp) -> Result<Note> {
        let message = self.key.message(text, now).map_err(Error::internal)?;
        let signature = signer.sign(
            self.fingerprint,
            self.key.algorithm(),
            &message,
            Purpose::Audit.priority(),
            DEADLINE,
        );
        let signature = self
            .key
            .signature(text, now, &signature.await?)
            .map_err(Error::internal)?;
        Note::new(text, signature).map_err(Error::internal)
    }
}

/// The text that is signed for a backup: which one it is, and the length and SHA-256 of its manifest.
pub fn backup_text(backup: &str, octets: usize, digest: &[u8]) -> String {
    format!("{DOMAIN}\n{backup}\n{octets}\n{}\n", STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use tlog::Checkpoint;

    use super::*;

    #[test]
    fn what_is_signed_for_a_backup_is_no_checkpoint_and_no_der() {
        let text = backup_text("019a3f0e-52c1-7c1e-a1f5-0c9d4b1f7a11", 17, &[7; 32]);
        assert!(Checkpoint::parse(&text).is_err());
        assert!(!text.starts_with('0'));
        // Not even for a backup that calls itself a number.
        let numbered = Checkpoint::parse(&backup_text("17", 17, &[7; 32]));
        assert!(numbered.is_err_and(|fault| fault.to_string().contains("root")));
    }

    #[test]
    fn another_manifest_has_another_text() {
        let text = backup_text("one", 17, &[7; 32]);
        for other in [
            backup_text("two", 17, &[7; 32]),
            backup_text("one", 18, &[7; 32]),
            backup_text("one", 17, &[8; 32]),
        ] {
            assert_ne!(text, other);
        }
    }
}
