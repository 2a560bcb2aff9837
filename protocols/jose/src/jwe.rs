//! Encryption to one recipient in compact form (RFC 7516), by agreement of keys (RFC 7518 §4.6): how a private key that was made for a
//! courier travels.
//!
//! The protected header says besides for which order the key was made (`order`) and what its certificate's key hashes to (`spki`);
//! who opens it expects both. Every failure to open is one and the same, so that nobody learns from it.

mod header;
mod kdf;
mod recipient;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _};
use aws_lc_rs::rand::SecureRandom;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use recipient::RecipientKey;

use crate::base64url;
use crate::jwk::{Jwk, KeyUse};
use header::Header;

/// Longest compact form read, in octets.
pub const MAX_LEN: usize = 64 * 1024;
/// Longest plaintext, in octets: what fits the compact form with room for a header.
pub const MAX_PLAINTEXT_LEN: usize = 40 * 1024;
/// Longest `apu`, `apv` and `order`, in octets.
pub const MAX_PARTY_LEN: usize = 256;

const TAG_LEN: usize = 16;
const NONCE_LEN: usize = 12;
const KEY_LEN: usize = 32;

/// How the content key comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyManagement {
    /// `ECDH-ES+A256KW`: a fresh content key, wrapped by the agreed one.
    EcdhEsA256Kw,
    /// `ECDH-ES`: the agreed key itself.
    EcdhEs,
}

impl KeyManagement {
    fn name(self) -> &'static str {
        match self {
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::EcdhEs => "ECDH-ES",
        }
    }

    /// RFC 7518 §4.6.2: AlgorithmID is `enc` where the key is used directly.
    fn kdf_name(self) -> &'static str {
        match self {
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::EcdhEs => "A256GCM",
        }
    }
}

/// What an envelope is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// `apu`: who sends, the appliance.
    pub apu: &'a [u8],
    /// `apv`: who receives, the courier.
    pub apv: &'a [u8],
    /// `order`: the order.
    pub order: &'a str,
    /// `spki`: SHA-256 of the certificate's SubjectPublicKeyInfo.
    pub spki: &'a [u8; 32],
}

/// What the header of an envelope has to say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The order.
    pub order: &'a str,
    /// SHA-256 of the certificate's SubjectPublicKeyInfo.
    pub spki: &'a [u8; 32],
}

/// Why nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptFault {
    /// The recipient's key is RSA, Ed25519 or for signatures.
    #[error("the recipient's key is not for encryption; use P-256, P-384, P-521 or X25519")]
    Recipient,
    /// Plaintext, party or order too long.
    #[error("the plaintext or a member of its header is too long")]
    TooLong,
    /// There is no randomness, or the library refused.
    #[error("the encryption failed")]
    Failed,
}

/// It cannot be opened: by this key, for this order, or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be decrypted")]
pub struct Undecryptable;

/// Encrypts to a recipient.
pub fn encrypt(
    recipient: &Jwk,
    management: KeyManagement,
    envelope: &Envelope<'_>,
    plaintext: &[u8],
    random: &dyn SecureRandom,
) -> Result<String, EncryptFault> {
    let too_long = [envelope.apu.len(), envelope.apv.len(), envelope.order.len()]
        .into_iter()
        .any(|length| length > MAX_PARTY_LEN);
    if too_long || plaintext.len() > MAX_PLAINTEXT_LEN {
        return Err(EncryptFault::TooLong);
    }
    if recipient.key_use == Some(KeyUse::Signature) {
        return Err(EncryptFault::Recipient);
    }
    let (curve, _) = recipient.agreement_octets().ok_or(EncryptFault::Recipient)?;
    let ephemeral = RecipientKey::generate(curve, random).map_err(|_| EncryptFault::Failed)?;
    let header = Header::new(management, ephemeral.jwk().clone(), envelope);
    let agreed = ephemeral
        .agree(recipient, &header)
        .map_err(|_| EncryptFault::Failed)?;
    let failed = |_| EncryptFault::Failed;

    let mut content_key = Zeroizing::new([0; KEY_LEN]);
    let mut wrapped = Vec::new();
    match management {
        KeyManagement::EcdhEs => content_key = agreed,
        KeyManagement::EcdhEsA256Kw => {
            random.fill(content_key.as_mut_slice()).map_err(failed)?;
            wrapped = vec![0; KEY_LEN + 8];
            let wrapping = AesKek::new(&AES_256, agreed.as_slice()).map_err(failed)?;
            wrapping
                .wrap(content_key.as_slice(), &mut wrapped)
                .map_err(failed)?;
        }
    }
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce).map_err(failed)?;
    let protected = base64url::encode(header.to_json().as_bytes());
    // Sealed in place: the plaintext stands nowhere but in wiped memory.
    let mut sealed = Zeroizing::new(plaintext.to_vec());
    let tag = sealing_key(&content_key)
        .and_then(|key| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.seal_in_place_separate_tag(nonce, Aad::from(protected.as_bytes()), sealed.as_mut_slice())
                .ok()
        })
        .ok_or(EncryptFault::Failed)?;
    let parts = [&wrapped, nonce.as_slice(), sealed.as_slice(), tag.as_ref()].map(base64url::encode);
    Ok(format!("{protected}.{}", parts.join(".")))
}

impl RecipientKey {
    /// Opens what was encrypted to this key for an order.
    pub fn decrypt(
        &self,
        compact: &str,
        expected: &Expected<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Undecryptable> {
        self.open(compact, expected).ok_or(Undecryptable)
    }

    fn open(&self, compact: &str, expected: &Expected<'_>) -> Option<Zeroizing<Vec<u8>>> {
        if compact.len() > MAX_LEN {
            return None;
        }
        let parts: Vec<&str> = compact.splitn(6, '.').collect();
        let [protected, wrapped, nonce, sealed, tag] = parts.as_slice() else {
            return None;
        };
        let header = Header::parse(&base64url::decode(protected)?)?;
        let wrapped = base64url::decode(wrapped)?;
        let nonce: [u8; NONCE_LEN] = base64url::decode(nonce)?.try_into().ok()?;
        let (mut sealed, tag) = (
            Zeroizing::new(base64url::decode(sealed)?),
            base64url::decode(tag)?,
        );
        if tag.len() != TAG_LEN {
            return None;
        }
        sealed.extend_from_slice(&tag);
        let agreed = self.agree(&header.epk, &header).ok()?;
        let key = sealing_key(&*content_key(&header, agreed, &wrapped)?)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(protected.as_bytes());
        let plaintext = key.open_in_place(nonce, aad, sealed.as_mut_slice()).ok()?;
        let is_expected =
            header.order.as_bytes().ct_eq(expected.order.as_bytes()) & header.spki.ct_eq(expected.spki);
        bool::from(is_expected).then(|| Zeroizing::new(plaintext.to_vec()))
    }
}

fn content_key(
    header: &Header,
    agreed: Zeroizing<[u8; KEY_LEN]>,
    wrapped: &[u8],
) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    match header.management {
        // RFC 7518 §4.6: the encrypted key is empty.
        KeyManagement::EcdhEs => wrapped.is_empty().then_some(agreed),
        KeyManagement::EcdhEsA256Kw => {
            if wrapped.len() != KEY_LEN + 8 {
                return None;
            }
            let mut key = Zeroizing::new([0; KEY_LEN]);
            let wrapping = AesKek::new(&AES_256, agreed.as_slice()).ok()?;
            wrapping.unwrap(wrapped, key.as_mut_slice()).ok()?;
            Some(key)
        }
    }
}

fn sealing_key(key: &[u8; KEY_LEN]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}
