//! X25519 keys: a recipient (`age1…`), who may be known to all, and the identity (`AGE-SECRET-KEY-1…`) that opens what was made for it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::stanza::{self, FileKey, Stanza};
use crate::{Random, bech32};

const KIND: &str = "X25519";
const INFO: &str = "age-encryption.org/v1/X25519";
const PUBLIC: &str = "age";
const SECRET: &str = "age-secret-key-";

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No recipient.
    #[error("it is no recipient: those begin with age1 and have 62 characters")]
    Recipient,
    /// The private key where the recipient is wanted.
    #[error("this is a private key, which must stay secret: name its recipient, which begins with age1")]
    SecretAsRecipient,
    /// No private key.
    #[error("it is no private key: those begin with AGE-SECRET-KEY-1")]
    Identity,
}

/// Whom a file is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient([u8; 32]);

impl Recipient {
    /// The stanza that gives this recipient the key of a file.
    pub(crate) fn wrap(&self, file_key: &FileKey, random: Random<'_>) -> Result<Stanza, Error> {
        let mut ephemeral = Zeroizing::new([0; 32]);
        if !random(ephemeral.as_mut()) {
            return Err(Error::Random);
        }
        let share = public_of(&ephemeral)?;
        let key = shared(&ephemeral, &self.0, &share, &self.0)?;
        Ok(Stanza {
            words: vec![KIND.to_owned(), BASE64_STANDARD_NO_PAD.encode(share)],
            body: stanza::wrap(&key, file_key)?,
        })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(PUBLIC, &self.0))
    }
}

impl FromStr for Recipient {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        if text.to_ascii_lowercase().starts_with(SECRET) {
            return Err(KeyFault::SecretAsRecipient);
        }
        let octets = bech32::decode(PUBLIC, text).ok_or(KeyFault::Recipient)?;
        octets.try_into().map(Self).map_err(|_| KeyFault::Recipient)
    }
}

/// The private key of a recipient.
#[derive(Clone)]
pub struct Identity(Zeroizing<[u8; 32]>);

impl Identity {
    /// From 32 octets of randomness.
    pub fn from_random(octets: [u8; 32]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Whom files are to be made for so that this key opens them.
    pub fn recipient(&self) -> Result<Recipient, Error> {
        public_of(&self.0).map(Recipient)
    }

    /// The text in which it is kept.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let lower = Zeroizing::new(bech32::encode(SECRET, self.0.as_ref()));
        Zeroizing::new(lower.to_ascii_uppercase())
    }

    /// The key of the file, when the stanza is for this identity.
    pub(crate) fn unwrap(&self, stanza: &Stanza) -> Result<Option<FileKey>, Error> {
        let share = match stanza.words.as_slice() {
            [kind, share] if kind == KIND => share,
            [kind, ..] if kind == KIND => return Err(Error::Header),
            _ => return Ok(None),
        };
        let share = BASE64_STANDARD_NO_PAD.decode(share).map_err(|_| Error::Header)?;
        let share: [u8; 32] = share.try_into().map_err(|_| Error::Header)?;
        let own = public_of(&self.0)?;
        let key = shared(&self.0, &share, &share, &own)?;
        stanza::unwrap(&key, &stanza.body)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(redacted)")
    }
}

impl FromStr for Identity {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let octets = Zeroizing::new(bech32::decode(SECRET, text).ok_or(KeyFault::Identity)?);
        let octets: [u8; 32] = octets.as_slice().try_into().map_err(|_| KeyFault::Identity)?;
        Ok(Self::from_random(octets))
    }
}

fn private(secret: &[u8; 32]) -> Result<PrivateKey, Error> {
    PrivateKey::from_private_key(&X25519, secret).map_err(|_| Error::Header)
}

fn public_of(secret: &[u8; 32]) -> Result<[u8; 32], Error> {
    let public = private(secret)?.compute_public_key().map_err(|_| Error::Header)?;
    public.as_ref().try_into().map_err(|_| Error::Header)
}

/// The key that both sides come to. A share of low order, which would make it known to all, is refused.
fn shared(
    secret: &[u8; 32],
    peer: &[u8; 32],
    share: &[u8; 32],
    recipient: &[u8; 32],
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let salt = [share.as_slice(), recipient].concat();
    let peer = UnparsedPublicKey::new(&X25519, peer);
    agree(&private(secret)?, peer, Error::Header, |secret| {
        stanza::derive(secret, &salt, INFO)
    })
}
