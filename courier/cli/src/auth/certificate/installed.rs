//! The certificates that earlier runs installed, as what the next one signs in with (`auth.renew_with_certificate`).
//!
//! One that cannot be used is passed over without a word to the appliance: what is missing, broken, over, or not for clients would be
//! refused there, and a refusal is a failed attempt.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use pki::Certificate;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::signer::{Signer, chain};
use super::super::{Fault, token_file};

/// TLS client authentication, RFC 5280 §4.2.1.12.
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

/// Nothing of it was shown in this run.
const UNSEEN: u8 = 0;
/// It was shown.
const SHOWN: u8 = 1;
/// It was refused, and is not shown again.
const REFUSED: u8 = 2;

/// Where a certificate of the configuration is installed.
#[derive(Clone)]
pub struct Outputs {
    /// The certificate, with those above it where there is such a file.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// What the key is encrypted with.
    pub passphrase: Option<SecretString>,
}

impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outputs")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Everything that earlier runs installed, and whether this run still shows it.
#[derive(Debug)]
pub struct Installed {
    outputs: Vec<Outputs>,
    state: AtomicU8,
}

impl Installed {
    /// What these files hold, when it is asked for.
    pub fn new(outputs: Vec<Outputs>) -> Self {
        Self {
            outputs,
            state: AtomicU8::new(UNSEEN),
        }
    }

    /// The one that was issued last and can be shown now. From then on it counts as shown.
    pub(in crate::auth) fn newest(&self, now: Timestamp) -> Option<(Signer, Vec<Vec<u8>>)> {
        if self.state.load(Ordering::Relaxed) == REFUSED {
            return None;
        }
        let usable = self.outputs.iter().filter_map(|outputs| {
            let read = outputs.read(now);
            if let Err(reason) = &read {
                tracing::debug!(file = %outputs.certificate.display(), %reason, "the installed certificate does not sign in");
            }
            read.ok()
        });
        let newest = usable.max_by_key(|(not_before, ..)| *not_before);
        let (_, signer, chain) = newest?;
        self.state.store(SHOWN, Ordering::Relaxed);
        Some((signer, chain))
    }

    /// Shows nothing of it any more. True when that changes something: it was shown before, and was not given up.
    pub(in crate::auth) fn give_up(&self) -> bool {
        let given = self
            .state
            .compare_exchange(SHOWN, REFUSED, Ordering::Relaxed, Ordering::Relaxed);
        given.is_ok()
    }
}

impl Outputs {
    fn read(&self, now: Timestamp) -> Result<(Timestamp, Signer, Vec<Vec<u8>>), Fault> {
        let pem = token_file::octets(
            &self.certificate,
            "the installed certificate",
            token_file::MAX_FILE_LEN,
        )?;
        let chain = chain(&pem, &self.certificate.display().to_string())?;
        let leaf = chain.first().and_then(|der| Certificate::from_der(der).ok());
        let leaf = leaf.ok_or_else(|| Fault::Malformed("the certificate cannot be read".to_owned()))?;
        if !leaf.is_valid_at(now) {
            return Err(Fault::Malformed("the certificate is not valid now".to_owned()));
        }
        let purposes = leaf.extended_key_usage();
        if !purposes.is_empty() && !purposes.iter().any(|purpose| purpose.to_string() == CLIENT_AUTH) {
            return Err(Fault::Malformed("the certificate is not for clients".to_owned()));
        }
        let key = token_file::octets(&self.key, "the installed key", token_file::MAX_FILE_LEN)?;
        let passphrase = self.passphrase.as_ref();
        let passphrase = passphrase.map(|text| text.expose_secret().as_bytes());
        let signer = Signer::parse(&key, &self.key, passphrase)?;
        signer.must_belong_to(&chain)?;
        Ok((leaf.not_before(), signer, chain))
    }
}

#[cfg(test)]
mod tests;
