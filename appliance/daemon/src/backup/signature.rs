//! Who made a backup. Anybody who knows a recipient can encrypt one; the key of the audit log signs what `chancery backup` made.
//!
//! The signature is over the digest of the manifest (`ca::backup_text`), and the manifest has the digests of everything else. The manifest
//! names the key as well, so that it can be told who is said to have made the backup; that convinces nobody, because who makes a backup up
//! names a key of theirs. Whom to trust comes from elsewhere: from the operator, or from the store of this installation.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tlog::{Note, NoteKey, VerifyFault};

use super::manifest::Manifest;
use crate::files;

/// What is signed of a backup, as it stands in it.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// What must have been signed.
    text: String,
    note: Option<Result<Note, String>>,
    /// The key that the backup names itself.
    named: Option<NoteKey>,
}

/// A verifier key of an audit log, or the file that it is in.
pub(crate) fn verifier_key(given: &str) -> Result<NoteKey> {
    let file = Path::new(given);
    let text = if file.is_file() {
        files::first_line(file)?
    } else {
        given.trim().to_owned()
    };
    text.parse().with_context(|| {
        format!("{given:?} is neither a verifier key (`chancery audit key` prints it) nor a file with one")
    })
}

/// A key as people compare it.
pub(crate) fn name_of(key: &NoteKey) -> String {
    format!("{} (key {})", key.name(), key.id())
}

impl Signature {
    /// From the octets of the manifest, and the note behind it.
    pub(crate) fn read(manifest_text: &[u8], manifest: &Manifest, note: Option<&[u8]>) -> Self {
        Self {
            text: text(manifest_text, manifest),
            note: note.map(|note| Note::parse(note).map_err(|fault| fault.to_string())),
            named: manifest.log_key.as_deref().and_then(|key| key.parse().ok()),
        }
    }

    /// Whether there is any, good or bad.
    pub(crate) fn is_there(&self) -> bool {
        self.note.is_some()
    }

    /// Whether this key made it.
    pub(crate) fn check(&self, trusted: &NoteKey) -> Result<()> {
        let wanted = name_of(trusted);
        let note = match &self.note {
            None => bail!(
                "the backup is not signed, so that nobody knows who made it: take one that is signed by {wanted}; one that was made while \
                 the signing process was away, or by an older program, is for whoever knows otherwise where it comes from, without --signed-by"
            ),
            Some(Err(fault)) => {
                bail!("the signature of the backup is damaged ({fault}): use another copy of it")
            }
            Some(Ok(note)) => note,
        };
        let keys = [trusted.clone()];
        match note.verify(&keys) {
            Ok(verified) if verified.text() == self.text => Ok(()),
            Ok(_) => bail!(
                "the signature is of another backup than this one: somebody put it together, or it is damaged; use another copy of it"
            ),
            Err(VerifyFault::BadSignature(_)) => bail!(
                "the signature of the backup does not hold: somebody changed it, or it is damaged; use another copy of it"
            ),
            Err(_) => bail!(
                "the backup is signed by {}, not by {wanted}: find out where it comes from; if it is older than the last restore or \
                 `chancery audit begin-anew`, name the key that the log had then by --signed-by",
                self.signers()
            ),
        }
    }

    /// Names and keys of those who say that they signed it.
    fn signers(&self) -> String {
        let Some(Ok(note)) = &self.note else {
            return "nobody".to_owned();
        };
        let names = note.signatures().iter();
        let names: Vec<String> = names
            .map(|one| format!("{} (key {})", one.name(), one.key_id()))
            .collect();
        names.join(", ")
    }

    /// Whether the key that the backup names itself made it.
    fn holds(&self) -> bool {
        self.named.as_ref().is_some_and(|named| self.check(named).is_ok())
    }

    /// For machines.
    pub(crate) fn json(&self, trusted: Option<&NoteKey>) -> Value {
        json!({
            "signed_by": self.is_there().then(|| self.signers()),
            "verifier_key": self.named.as_ref().filter(|_| self.is_there()).map(ToString::to_string),
            "holds": self.is_there().then(|| self.holds()),
            "is_of_trusted_key": trusted.map(|trusted| self.check(trusted).is_ok()),
        })
    }

    /// For people.
    pub(crate) fn words(&self, trusted: Option<&NoteKey>) -> String {
        let signers = self.signers();
        match (trusted, self.is_there()) {
            (Some(trusted), true) if self.check(trusted).is_ok() => {
                format!("by {signers}, which is the key that you trust")
            }
            (_, false) => "nobody: whoever knows a recipient may have made it".to_owned(),
            (_, true) if self.holds() => {
                format!(
                    "by {signers}; the signature holds, but nobody said whether to trust this key: name yours by --signed-by"
                )
            }
            (_, true) => format!("by {signers}; the signature does NOT hold"),
        }
    }
}

/// The text that is signed for a manifest.
pub(super) fn text(manifest_text: &[u8], manifest: &Manifest) -> String {
    let digest = digest(&SHA256, manifest_text);
    ca::backup_text(
        &manifest.header.id.to_string(),
        manifest_text.len(),
        digest.as_ref(),
    )
}
