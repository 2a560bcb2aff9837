//! Keys and requests, judged by OpenSSL.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use super::*;
use std::process::Command;

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

#[test]
fn every_kind_is_made_read_and_requested() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, text, algorithm) in KINDS {
        assert_eq!(text.parse::<KeyType>().unwrap(), kind);
        assert_eq!(kind.to_string(), text);
        let key = LocalKey::generate(kind).unwrap();
        assert_eq!(key.public_key().algorithm(), algorithm);
        let pem = key.to_pem(None).unwrap();
        assert_eq!(
            LocalKey::parse(pem.as_bytes(), None).unwrap().fingerprint(),
            key.fingerprint()
        );
        let path = folder.path().join(text);
        std::fs::write(&path, pem.as_bytes()).unwrap();
        openssl(&["pkey", "-check", "-noout", "-in", path.to_str().unwrap()]);
        let subject = DistinguishedName::parse("CN=a.example,O=Example\\, Ltd,C=CH").unwrap();
        let names = [
            "dns:a.example",
            "dns:*.b.example",
            "ip:192.0.2.1",
            "ip:2001:db8::1",
            "uri:urn:x:y",
        ];
        let names: Vec<SubjectAltName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let request = key.request(&subject, &names, None).unwrap();
        let path = folder.path().join("csr");
        std::fs::write(&path, &request).unwrap();
        let said = openssl(&["req", "-verify", "-noout", "-text", "-in", path.to_str().unwrap()]);
        for part in [
            "verify OK",
            "DNS:*.b.example",
            "IP Address:192.0.2.1",
            "URI:urn:x:y",
        ] {
            assert!(said.contains(part), "{text}: {part}: {said}");
        }
    }
    assert!("ec-p256".parse::<KeyType>().is_err());
}

use pki::{DistinguishedName, SubjectAltName};

#[test]
fn a_passphrase_encrypts_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = SecretString::from("correct horse");
    for kind in [KeyType::Ec256, KeyType::Rsa2048, KeyType::Ed25519] {
        let key = LocalKey::generate(kind).unwrap();
        let pem = key.to_pem(Some(&passphrase)).unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, pem.as_bytes()).unwrap();
        openssl(&[
            "pkey",
            "-passin",
            "pass:correct horse",
            "-noout",
            "-in",
            path.to_str().unwrap(),
        ]);
        let again = LocalKey::parse(pem.as_bytes(), Some(&passphrase)).unwrap();
        assert_eq!(again.fingerprint(), key.fingerprint());
        let wrong = LocalKey::parse(pem.as_bytes(), Some(&SecretString::from("wrong")));
        assert!(matches!(
            wrong,
            Err(LocalKeyFault::File(KeyFileFault::PassphraseWrong))
        ));
        assert!(LocalKey::parse(pem.as_bytes(), None).is_err());
    }
}

#[test]
fn a_digest_must_go_with_the_key() {
    let key = LocalKey::generate(KeyType::Ec384).unwrap();
    assert!(key.signature_algorithm(Some(DigestAlgorithm::Sha256)).is_err());
    let algorithm = key.signature_algorithm(None).unwrap();
    let signature = key.sign(algorithm, b"proof").unwrap();
    key.public_key().verify(algorithm, b"proof", &signature).unwrap();
    assert!(key.public_key().verify(algorithm, b"other", &signature).is_err());
    assert!(!format!("{key:?}").contains("pkcs8"));
}
