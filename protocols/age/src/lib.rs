//! The age file format (C2SP `age.md`, version 1): a file that only the holders of certain X25519 keys, or of a passphrase, can read.
//!
//! A header gives the key of the file to each recipient and is authenticated with it; the contents follow in chunks of 64 KiB, each
//! authenticated together with its place and with whether it is the last (STREAM), so that a cut, a swap and a flipped bit are found.
//! All cryptography is that of aws-lc-rs, but for scrypt. Recipients of other kinds (plugins, SSH keys) are passed over.
//!
//! Randomness is an argument. Nothing here knows what the contents are.

mod bech32;
mod error;
mod header;
mod identity;
mod passphrase;
mod stanza;
mod stream;

pub use error::Error;
pub use identity::{Identity, KeyFault, Recipient};
pub use passphrase::Passphrase;
pub use stream::{Opened, Sealed};

use std::io::{BufRead, Write};

/// Fills octets with randomness; whether that worked.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> bool;

/// Most recipients of a file.
pub const MOST_RECIPIENTS: usize = 64;

/// Begins a file for these recipients; what is written to the result is encrypted into `out`.
pub fn seal<W: Write>(out: W, recipients: &[Recipient], random: Random<'_>) -> Result<Sealed<W>, Error> {
    if recipients.is_empty() || recipients.len() > MOST_RECIPIENTS {
        return Err(Error::Recipients);
    }
    header::seal(out, random, |file_key, random| {
        recipients.iter().map(|one| one.wrap(file_key, random)).collect()
    })
}

/// Begins a file for whoever knows the passphrase.
pub fn seal_with_passphrase<W: Write>(
    out: W,
    passphrase: &Passphrase,
    random: Random<'_>,
) -> Result<Sealed<W>, Error> {
    header::seal(out, random, |file_key, random| {
        Ok(vec![passphrase.wrap(file_key, random)?])
    })
}

/// Opens a file by the first of these keys that it was made for.
pub fn open<R: BufRead>(input: R, identities: &[Identity]) -> Result<Opened<R>, Error> {
    header::open(input, |stanzas| {
        for stanza in stanzas {
            for identity in identities {
                if let Some(file_key) = identity.unwrap(stanza)? {
                    return Ok(file_key);
                }
            }
        }
        Err(Error::OtherRecipients)
    })
}

/// Opens a file that was made for a passphrase.
pub fn open_with_passphrase<R: BufRead>(input: R, passphrase: &Passphrase) -> Result<Opened<R>, Error> {
    header::open(input, |stanzas| match stanzas {
        [stanza] => passphrase.unwrap(stanza),
        _ => Err(Error::OtherRecipients),
    })
}

#[cfg(test)]
mod tests;
