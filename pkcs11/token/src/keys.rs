//! What a place that holds private keys can do.

use std::time::Instant;

use signer_wire::{Input, KeyKind, KeyRecord, KeyRef, Scheme};

use crate::error::Error;
use crate::protection::Protection;

/// How a backend is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendStatus {
    /// Its configured name.
    pub name: String,
    /// Whether it can sign now.
    pub available: bool,
    /// Why it cannot, or empty.
    pub detail: String,
    /// How many signatures it makes at the same time.
    pub width: usize,
}

/// A place that holds private keys: one token, or the software backend.
///
/// All calls block. They may come from any number of threads; a backend makes up to [`Keys::width`] signatures at
/// the same time and lets further callers wait.
pub trait Keys: Send + Sync {
    /// The configured name of this backend.
    fn name(&self) -> &str;

    /// How many signatures it makes at the same time.
    fn width(&self) -> usize;

    /// How many it may be asked to make at the same time, by who finds that it makes more so.
    fn most(&self) -> usize {
        self.width()
    }

    /// Closes sessions that are not in use beyond so many.
    fn give_back(&self, _sessions: usize) {}

    /// All keys it can sign with. Does not ask the token: what was found when it was attached, and made since.
    fn list(&self) -> Vec<KeyRecord>;

    /// The kind of a key, if it is here. Cheap: asked for every signature.
    fn kind(&self, key: &KeyRef) -> Option<KeyKind>;

    /// One key, if it is here.
    fn find(&self, key: &KeyRef) -> Option<KeyRecord>;

    /// Makes a key pair here. In a token it is made by the token, sensitive, not extractable, and for signing only.
    fn generate(&self, label: &str, kind: KeyKind) -> Result<KeyRecord, Error>;

    /// Signs. The `input` is a message or its digest under the scheme's hash (see [`Input`]); an ECDSA signature
    /// is returned as DER. `deadline` bounds the wait for a session, not the call into the token, which nothing can
    /// interrupt.
    fn sign(
        &self,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, Error>;

    /// What the place says now of the protection of its keys; nothing where that cannot change. Asks the token.
    fn protection(&self) -> Result<Vec<Protection>, Error> {
        Ok(Vec::new())
    }

    /// How it is doing. Does not ask the token.
    fn status(&self) -> BackendStatus;

    /// Brings back what is away: attaches a token that was absent. Called from time to time by whoever owns it.
    fn tend(&self) -> Result<(), Error>;
}

/// A label that is fit for a token, a file name and a log line.
pub fn check_label(label: &str) -> Result<(), Error> {
    let first_fits = label
        .bytes()
        .next()
        .is_some_and(|octet| octet.is_ascii_alphanumeric());
    let all_fit = label
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet));
    if first_fits && all_fit && label.len() <= 64 {
        Ok(())
    } else {
        Err(Error::Refused(format!(
            "{label:?} is no label; take 1 to 64 of [A-Za-z0-9._-], a letter or digit first"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_fit_for_file_names() {
        for good in ["root", "Issuing-CA.2026", "0", &"x".repeat(64)] {
            assert!(check_label(good).is_ok(), "{good}");
        }
        for bad in ["", ".hidden", "a/b", "a b", "ä", "-x", "a\nb", &"x".repeat(65)] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
    }
}
