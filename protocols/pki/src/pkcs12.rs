//! PKCS#12 (RFC 7292): a key with its certificates, under a password.

use p12_keystore::{
    Certificate as P12Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12ImportPolicy, PrivateKey,
    PrivateKeyChain,
};
use zeroize::Zeroizing;

/// Longest file read, in octets.
pub const MAX_PKCS12_LEN: usize = 4 * 1024 * 1024;
/// Rounds of the password's derivation, as OpenSSL 3 writes and Java 17 reads.
const ROUNDS: u32 = 10_000;

/// Why a PKCS#12 file cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs12Fault {
    /// Over [`MAX_PKCS12_LEN`].
    #[error("the PKCS#12 file is longer than {MAX_PKCS12_LEN} octets")]
    TooLong,
    /// The password is wrong or the file is none.
    #[error("the PKCS#12 file cannot be opened: the password is wrong or the file is damaged")]
    Closed,
    /// It has no key with a certificate.
    #[error("the PKCS#12 file holds no key with its certificate")]
    NoKey,
    /// The key or a certificate does not fit.
    #[error("the key and certificates cannot be written as PKCS#12: {0}")]
    Unwritable(String),
}

/// A key and its chain as they are in a file.
#[derive(Debug)]
pub struct Bundle {
    /// PKCS#8.
    pub key: Zeroizing<Vec<u8>>,
    /// DER, leaf first.
    pub chain: Vec<Vec<u8>>,
}

/// Writes a file with PBES2 (AES-256-CBC, HMAC-SHA256). `random` is 20 octets for the key's local identifier.
pub fn write(alias: &str, pkcs8: &[u8], chain: &[&[u8]], password: &str) -> Result<Vec<u8>, Pkcs12Fault> {
    let unwritable = |error: p12_keystore::error::Error| Pkcs12Fault::Unwritable(error.to_string());
    let certificates: Vec<P12Certificate> =
        chain.iter().map(|der| P12Certificate::from_der(der)).collect::<Result<_, _>>().map_err(unwritable)?;
    let local_id = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        chain.first().copied().unwrap_or_default(),
    );
    let key = PrivateKey::from_der(pkcs8).map_err(unwritable)?;
    let mut store = KeyStore::new();
    store.add_entry(alias, KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(local_id.as_ref(), key, certificates)));
    store
        .writer(password)
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .encryption_iterations(ROUNDS)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .mac_iterations(ROUNDS)
        .write()
        .map_err(unwritable)
}

/// Reads the first key with its chain.
pub fn read(file: &[u8], password: &str) -> Result<Bundle, Pkcs12Fault> {
    if file.len() > MAX_PKCS12_LEN {
        return Err(Pkcs12Fault::TooLong);
    }
    let store =
        KeyStore::from_pkcs12(file, password, Pkcs12ImportPolicy::Relaxed).map_err(|_| Pkcs12Fault::Closed)?;
    let (_, chain) = store.private_key_chain().ok_or(Pkcs12Fault::NoKey)?;
    Ok(Bundle {
        key: Zeroizing::new(chain.key().as_der().to_vec()),
        chain: chain.certs().iter().map(|certificate| certificate.as_der().to_vec()).collect(),
    })
}

#[cfg(test)]
mod tests;
