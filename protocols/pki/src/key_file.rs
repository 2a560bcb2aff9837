//! Private keys as files hold them: PKCS#8 (plain or encrypted), SEC 1 and PKCS#1, in PEM or DER.
//!
//! All become PKCS#8 in wiped memory, with the public key that belongs to it. The old encrypted form with `Proc-Type`
//! headers (DES, MD5) is refused with the command that converts it. One form is written: [`encrypt`].

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING,
    PqdsaKeyPair, RsaKeyPair,
};
use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::encode::{self, SEQUENCE};
use crate::key::{KeyFault, PublicKey};
use crate::pem;

/// Longest key file read, in octets.
pub const MAX_KEY_FILE_LEN: usize = 64 * 1024;
/// Most rounds of PBKDF2 that a file may ask for; OpenSSL writes 2048, the advice of 2023 is 600 000.
const MAX_ROUNDS: u32 = 1_000_000;
/// Rounds of PBKDF2 in files that are written here.
const ROUNDS: u32 = 600_000;
/// Most memory that a file may ask for with scrypt, in octets; OpenSSL writes N = 2^14, r = 8: 16 MiB.
const MAX_SCRYPT_MEMORY: u64 = 64 * 1024 * 1024;
/// Most passes over that memory.
const MAX_SCRYPT_PARALLELISM: u16 = 4;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileFault {
    /// Over [`MAX_KEY_FILE_LEN`].
    #[error("the key file is longer than {MAX_KEY_FILE_LEN} octets")]
    TooLong,
    /// Nothing in it is a private key.
    #[error("the file holds no private key (PKCS#8, EC PRIVATE KEY or RSA PRIVATE KEY)")]
    Absent,
    /// The key cannot be read.
    #[error("the private key cannot be read: {0}")]
    Malformed(&'static str),
    /// It is encrypted and no passphrase was given.
    #[error("the private key is encrypted: give its passphrase")]
    PassphraseMissing,
    /// Its passphrase is made into a key at a cost that no honest file asks for, or with parameters that mean nothing.
    #[error(
        "the private key is encrypted with parameters out of bounds; encrypt it again: openssl pkcs8 -topk8 -v2 aes-256-cbc"
    )]
    Derivation,
    /// Encrypted by a scheme that is not read here.
    #[error(
        "the private key is encrypted by a scheme that is not read here; convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW"
    )]
    Scheme,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the private key")]
    PassphraseWrong,
    /// Encrypted in the old PEM form.
    #[error(
        "the key is encrypted in the old PEM form; convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW"
    )]
    OldEncryption,
    /// It could not be encrypted.
    #[error("the private key could not be encrypted")]
    Encryption,
    /// The public key that belongs to it is not acceptable.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// A private key and its public key.
pub struct KeyFile {
    /// PKCS#8, unencrypted.
    pub pkcs8: Zeroizing<Vec<u8>>,
    /// The public key that belongs to it.
    pub public_key: PublicKey,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile")
            .field("public_key", &self.public_key.fingerprint())
            .finish_non_exhaustive()
    }
}

/// Reads a key file.
pub fn parse(input: &[u8], passphrase: Option<&[u8]>) -> Result<KeyFile, KeyFileFault> {
    if input.len() > MAX_KEY_FILE_LEN {
        return Err(KeyFileFault::TooLong);
    }
    if !pem::is_pem(input) {
        return from_der(input, passphrase);
    }
    if input.windows(11).any(|window| window == b"Proc-Type: ") {
        return Err(KeyFileFault::OldEncryption);
    }
    let blocks = pem::decode(input).map_err(|_| KeyFileFault::Malformed("its PEM is broken"))?;
    let block = blocks
        .into_iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"))
        .ok_or(KeyFileFault::Absent)?;
    let der = Zeroizing::new(block.der);
    from_der(&der, passphrase)
}

/// Writes an unencrypted key file encrypted, as PEM of PKCS#8: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC (RFC 8018 §6.2),
/// which other tools read. Salt and initialisation vector are fresh random octets.
pub fn encrypt(
    input: &[u8],
    passphrase: &[u8],
    salt: &[u8; 16],
    iv: &[u8; 16],
) -> Result<String, KeyFileFault> {
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, salt, *iv);
    encrypt_with(
        &parameters.map_err(|_| KeyFileFault::Encryption)?,
        input,
        passphrase,
    )
}

fn encrypt_with(
    parameters: &pbes2::Parameters,
    input: &[u8],
    passphrase: &[u8],
) -> Result<String, KeyFileFault> {
    if passphrase.is_empty() {
        return Err(KeyFileFault::PassphraseMissing);
    }
    let key = parse(input, None)?;
    let encrypted = PrivateKeyInfoRef::from_der(&key.pkcs8)
        .map_err(pkcs8::Error::from)
        .and_then(|info| info.encrypt_with_params(parameters.clone(), passphrase))
        .map_err(|_| KeyFileFault::Encryption)?;
    Ok(pem::encode("ENCRYPTED PRIVATE KEY", encrypted.as_bytes()))
}

fn from_der(der: &[u8], passphrase: Option<&[u8]>) -> Result<KeyFile, KeyFileFault> {
    if let Ok(encrypted) = EncryptedPrivateKeyInfoRef::from_der(der) {
        let passphrase = passphrase.ok_or(KeyFileFault::PassphraseMissing)?;
        if !is_derivation_bounded(&encrypted.encryption_algorithm) {
            return Err(KeyFileFault::Derivation);
        }
        let opened = encrypted
            .decrypt(passphrase)
            .map_err(|_| KeyFileFault::PassphraseWrong)?;
        if PrivateKeyInfoRef::from_der(opened.as_bytes()).is_err() {
            return Err(KeyFileFault::Malformed("what it encrypts is not PKCS#8"));
        }
        return from_pkcs8(opened.as_bytes());
    }
    if is_encrypted(der) {
        return Err(KeyFileFault::Scheme);
    }
    if PrivateKeyInfoRef::from_der(der).is_ok() {
        return from_pkcs8(der);
    }
    if let Ok(pkcs8) = from_sec1(der) {
        return from_pkcs8(&pkcs8);
    }
    from_pkcs8(&from_pkcs1(der)?)
}

/// The shape of EncryptedPrivateKeyInfo (RFC 5958 §3), whatever the scheme.
fn is_encrypted(der: &[u8]) -> bool {
    let read = || {
        let mut reader = SliceReader::new(der)?;
        reader.sequence(|info| {
            spki::AlgorithmIdentifierRef::decode(info)?;
            <&OctetStringRef>::decode(info).map(drop)
        })?;
        reader.finish()
    };
    read().is_ok()
}

/// A file must not choose how long and with how much memory this machine works for it (RFC 8018 §8, RFC 7914 §2); a
/// scrypt cost that is no power of two above one is none.
fn is_derivation_bounded(scheme: &EncryptionScheme) -> bool {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return false;
    };
    match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= MAX_ROUNDS,
        Kdf::Scrypt(scrypt) => {
            let memory = scrypt
                .cost_parameter
                .saturating_mul(u64::from(scrypt.block_size))
                .saturating_mul(128);
            scrypt.cost_parameter > 1
                && scrypt.cost_parameter.is_power_of_two()
                && memory <= MAX_SCRYPT_MEMORY
                && scrypt.parallelization <= MAX_SCRYPT_PARALLELISM
        }
        _ => false,
    }
}

/// ECPrivateKey (RFC 5915) with its curve inside.
fn from_sec1(der: &[u8]) -> der::Result<Zeroizing<Vec<u8>>> {
    let mut reader = SliceReader::new(der)?;
    let curve = reader.sequence(|key| {
        if u8::decode(key)? != 1 {
            return Err(der::ErrorKind::Value { tag: Tag::Integer }.into());
        }
        <&OctetStringRef>::decode(key)?;
        let mut curve: Option<ObjectIdentifier> = None;
        while !key.is_finished() {
            let field = AnyRef::decode(key)?;
            if field.tag()
                == (Tag::ContextSpecific {
                    constructed: true,
                    number: TagNumber(0),
                })
            {
                curve = Some(ObjectIdentifier::from_der(field.value())?);
            }
        }
        curve.ok_or_else(|| der::Error::from(der::ErrorKind::Failed))
    })?;
    reader.finish()?;
    // id-ecPublicKey and the curve
    let curve = curve.to_der()?;
    let algorithm = encode::wrap(
        SEQUENCE,
        &[&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], &curve],
    );
    Ok(Zeroizing::new(encode::wrap(
        SEQUENCE,
        &[&[0x02, 0x01, 0x00], &algorithm, &encode::wrap(0x04, &[der])],
    )))
}

/// RSAPrivateKey (RFC 8017 §A.1.2).
fn from_pkcs1(der: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileFault> {
    RsaKeyPair::from_der(der)
        .map_err(|_| KeyFileFault::Malformed("it is neither PKCS#8 nor SEC 1 nor PKCS#1"))?;
    let algorithm = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    Ok(Zeroizing::new(encode::wrap(
        SEQUENCE,
        &[&[0x02, 0x01, 0x00], &algorithm, &encode::wrap(0x04, &[der])],
    )))
}

fn from_pkcs8(pkcs8: &[u8]) -> Result<KeyFile, KeyFileFault> {
    let spki = public_key_of(pkcs8)?;
    Ok(KeyFile {
        pkcs8: Zeroizing::new(pkcs8.to_vec()),
        public_key: PublicKey::from_spki_der(&spki)?,
    })
}

/// The SubjectPublicKeyInfo of a PKCS#8 key, computed from the private part.
fn public_key_of(pkcs8: &[u8]) -> Result<Vec<u8>, KeyFileFault> {
    let malformed = KeyFileFault::Malformed("it is not a usable RSA, EC, Ed25519 or ML-DSA key");
    if let Ok(pair) = RsaKeyPair::from_pkcs8(pkcs8) {
        return pair
            .public_key()
            .as_der()
            .map(|der| der.as_ref().to_vec())
            .map_err(|_| malformed);
    }
    for algorithm in [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
    ] {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8) {
            return pair
                .public_key()
                .as_der()
                .map(|der| der.as_ref().to_vec())
                .map_err(|_| malformed);
        }
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
        return pair
            .public_key()
            .as_der()
            .map(|der| der.as_ref().to_vec())
            .map_err(|_| malformed);
    }
    for algorithm in [&ML_DSA_44_SIGNING, &ML_DSA_65_SIGNING, &ML_DSA_87_SIGNING] {
        if let Ok(pair) = PqdsaKeyPair::from_pkcs8(algorithm, pkcs8) {
            return pair
                .public_key()
                .as_der()
                .map(|der| der.as_ref().to_vec())
                .map_err(|_| malformed);
        }
    }
    Err(malformed)
}

#[cfg(test)]
mod tests;
