//! A passphrase as the only recipient: how a private key is kept in a file.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::Random;
use crate::error::Error;
use crate::stanza::{self, FileKey, Stanza};

const KIND: &str = "scrypt";
const LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
/// log2 of the work of what is made here: about a second.
const WORK: u8 = 18;
/// log2 of the most work that is done for a file: four GiB of memory would be taken beyond.
const MOST_WORK: u8 = 22;

/// A passphrase.
#[derive(Clone)]
pub struct Passphrase {
    text: Zeroizing<String>,
    work: u8,
}

impl Passphrase {
    /// Of this text.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self { text, work: WORK }
    }

    /// With less work (its log2) than is safe, for tests.
    #[must_use]
    pub fn with_work(mut self, work: u8) -> Self {
        self.work = work.min(MOST_WORK);
        self
    }

    pub(crate) fn wrap(&self, file_key: &FileKey, random: Random<'_>) -> Result<Stanza, Error> {
        let mut salt = [0; 16];
        if !random(&mut salt) {
            return Err(Error::Random);
        }
        let key = self.key(&salt, self.work)?;
        Ok(Stanza {
            words: vec![
                KIND.to_owned(),
                BASE64_STANDARD_NO_PAD.encode(salt),
                self.work.to_string(),
            ],
            body: stanza::wrap(&key, file_key)?,
        })
    }

    pub(crate) fn unwrap(&self, stanza: &Stanza) -> Result<FileKey, Error> {
        let [kind, salt, work] = stanza.words.as_slice() else {
            return Err(Error::OtherRecipients);
        };
        if kind != KIND {
            return Err(Error::OtherRecipients);
        }
        let salt = BASE64_STANDARD_NO_PAD.decode(salt).map_err(|_| Error::Header)?;
        let salt: [u8; 16] = salt.try_into().map_err(|_| Error::Header)?;
        let is_number = !work.starts_with('0') && work.bytes().all(|digit| digit.is_ascii_digit());
        let work = work.parse().ok().filter(|work| is_number && *work <= MOST_WORK);
        let key = self.key(&salt, work.ok_or(Error::Header)?)?;
        stanza::unwrap(&key, &stanza.body)?.ok_or(Error::WrongPassphrase)
    }

    fn key(&self, salt: &[u8; 16], work: u8) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut key = Zeroizing::new([0; 32]);
        let parameters = scrypt::Params::new(work, 8, 1).map_err(|_| Error::Header)?;
        let salt = [LABEL, salt].concat();
        scrypt::scrypt(self.text.as_bytes(), &salt, &parameters, key.as_mut()).map_err(|_| Error::Header)?;
        Ok(key)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}
