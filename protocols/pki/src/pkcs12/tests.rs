//! PKCS#12 files; `tests/e2e_pki_openssl.rs` has them opened by OpenSSL.

#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use super::*;
use crate::vectors;

#[test]
fn a_key_and_its_chain_come_back() {
    let key = vectors::read("key_file/ed25519.pk8.der");
    let (leaf, issuing) = (
        vectors::read("chain/leaf.der"),
        vectors::read("chain/issuing.der"),
    );
    let file = write("a.example", &key, &[&leaf, &issuing], "pass word ü").unwrap();
    let store =
        KeyStore::from_pkcs12(&file, "pass word ü", p12_keystore::Pkcs12ImportPolicy::Strict).unwrap();
    let (alias, chain) = store.private_key_chain().unwrap();
    assert_eq!(alias, "a.example");
    assert_eq!(chain.key().as_der(), key);
    let certificates: Vec<&[u8]> = chain.certs().iter().map(P12Certificate::as_der).collect();
    assert_eq!(certificates, [leaf, issuing]);
    assert!(KeyStore::from_pkcs12(&file, "wrong", p12_keystore::Pkcs12ImportPolicy::Strict).is_err());
}

#[test]
fn garbage_is_not_written() {
    let key = vectors::read("key_file/ed25519.pk8.der");
    assert!(matches!(
        write("x", b"no key", &[], "p"),
        Err(Pkcs12Fault::Unwritable(_))
    ));
    assert!(matches!(
        write("x", &key, &[b"no certificate"], "p"),
        Err(Pkcs12Fault::Unwritable(_))
    ));
}
