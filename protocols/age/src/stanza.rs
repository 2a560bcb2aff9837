//! A stanza of the header: the key of the file, wrapped for one recipient; and what all kinds of them need.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::error::Error;

/// The key of a file.
pub(crate) type FileKey = Zeroizing<[u8; 16]>;

/// A line of words with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stanza {
    /// The kind, and what belongs to it.
    pub(crate) words: Vec<String>,
    /// The wrapped key.
    pub(crate) body: Vec<u8>,
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF-SHA-256 to 32 octets.
pub(crate) fn derive(secret: &[u8], salt: &[u8], info: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut key = Zeroizing::new([0; 32]);
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
    let info = [info.as_bytes()];
    let expanded = extracted.expand(&info, Length).map_err(|_| Error::Header)?;
    expanded.fill(key.as_mut()).map_err(|_| Error::Header)?;
    Ok(key)
}

/// The key of the file, sealed with a key that is used for nothing else: the nonce is zero.
pub(crate) fn wrap(key: &[u8; 32], file_key: &FileKey) -> Result<Vec<u8>, Error> {
    let mut body = file_key.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    chacha(key)?
        .seal_in_place_append_tag(nonce, Aad::empty(), &mut body)
        .map_err(|_| Error::Header)?;
    Ok(body)
}

/// The key of the file; nothing when the body was sealed with another key. A body of another length is no key of a file.
pub(crate) fn unwrap(key: &[u8; 32], body: &[u8]) -> Result<Option<FileKey>, Error> {
    if body.len() != 32 {
        return Err(Error::Header);
    }
    let mut body = Zeroizing::new(body.to_vec());
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let Ok(opened) = chacha(key)?.open_in_place(nonce, Aad::empty(), &mut body) else {
        return Ok(None);
    };
    let mut file_key = Zeroizing::new([0; 16]);
    match opened.len() {
        16 => file_key.copy_from_slice(opened),
        _ => return Err(Error::Header),
    }
    Ok(Some(file_key))
}

/// A key of ChaCha20-Poly1305.
pub(crate) fn chacha(key: &[u8]) -> Result<LessSafeKey, Error> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| Error::Header)?;
    Ok(LessSafeKey::new(key))
}
