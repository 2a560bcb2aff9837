//! Certificates and keys in the forms that other programs ask for: PKCS#12, HAProxy's bundle, DER.
//!
//! Java reads the PKCS#12 form as a key store of its own since version 9.

use p12_keystore::{
    Certificate as P12Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey,
    PrivateKeyChain,
};
use pki::Certificate;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::key::LocalKey;

/// Rounds in the old form, as OpenSSL has always written.
const LEGACY_ROUNDS: u32 = 2048;

/// Why something cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("the key and certificates cannot be written as PKCS#12: {0}")]
pub struct ExportFault(String);

/// A PKCS#12 file under a password; `legacy` writes 3DES and SHA-1 for old Java and Windows.
pub fn pkcs12(
    alias: &str,
    key: &LocalKey,
    chain: &[Certificate],
    password: &SecretString,
    legacy: bool,
) -> Result<Zeroizing<Vec<u8>>, ExportFault> {
    let ders: Vec<&[u8]> = chain.iter().map(Certificate::der).collect();
    let password = password.expose_secret();
    if !legacy {
        let written = pki::pkcs12::write(alias, key.pkcs8(), &ders, password);
        return written
            .map(Zeroizing::new)
            .map_err(|fault| ExportFault(fault.to_string()));
    }
    let fault = |error: p12_keystore::error::Error| ExportFault(error.to_string());
    let certificates = ders.iter().map(|der| P12Certificate::from_der(der));
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    let local_id = key.public_key().key_id();
    let private = PrivateKey::from_der(key.pkcs8()).map_err(fault)?;
    let mut store = KeyStore::new();
    let entry = PrivateKeyChain::new(local_id.as_slice(), private, certificates);
    store.add_entry(alias, KeyStoreEntry::PrivateKeyChain(entry));
    store
        .writer(password)
        .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc)
        .encryption_iterations(LEGACY_ROUNDS)
        .mac_algorithm(MacAlgorithm::HmacSha1)
        .mac_iterations(LEGACY_ROUNDS)
        .write()
        .map(Zeroizing::new)
        .map_err(fault)
}

/// Certificate, chain and key in one PEM text, as HAProxy's `crt` reads them.
pub fn haproxy(chain: &[Certificate], key_pem: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(pem_of(chain));
    text.push_str(key_pem);
    text
}

/// The certificates in PEM, one after the other.
pub fn pem_of(certificates: &[Certificate]) -> String {
    certificates.iter().map(Certificate::pem).collect()
}

/// The certificate in DER.
pub fn der(certificate: &Certificate) -> Vec<u8> {
    certificate.der().to_vec()
}
