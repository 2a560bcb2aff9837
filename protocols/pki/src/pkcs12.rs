//! PKCS#12 (RFC 7292): a key with its certificates, under a password. Written only: nothing here reads what others wrote.

use p12_keystore::{
    Certificate as P12Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey,
    PrivateKeyChain,
};

/// Rounds of the password's derivation, as OpenSSL 3 writes and Java 17 reads.
const ROUNDS: u32 = 10_000;

/// Why a PKCS#12 file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs12Fault {
    /// The key or a certificate does not fit.
    #[error("the key and certificates cannot be written as PKCS#12: {0}")]
    Unwritable(String),
}

/// Writes a file with PBES2 (AES-256-CBC, HMAC-SHA256).
pub fn write(alias: &str, pkcs8: &[u8], chain: &[&[u8]], password: &str) -> Result<Vec<u8>, Pkcs12Fault> {
    let unwritable = |error: p12_keystore::error::Error| Pkcs12Fault::Unwritable(error.to_string());
    let certificates: Vec<P12Certificate> = chain
        .iter()
        .map(|der| P12Certificate::from_der(der))
        .collect::<Result<_, _>>()
        .map_err(unwritable)?;
    let local_id = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        chain.first().copied().unwrap_or_default(),
    );
    let key = PrivateKey::from_der(pkcs8).map_err(unwritable)?;
    let mut store = KeyStore::new();
    store.add_entry(
        alias,
        KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(local_id.as_ref(), key, certificates)),
    );
    store
        .writer(password)
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .encryption_iterations(ROUNDS)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .mac_iterations(ROUNDS)
        .write()
        .map_err(unwritable)
}

#[cfg(test)]
mod tests;
