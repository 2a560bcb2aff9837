//! Keys from the appliance: opened by their recipient alone, for their order and certificate alone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::process::Command;

use jose::Jwk;
use jose::jwe::{Envelope, KeyManagement, encrypt};

use super::*;
use crate::key::KeyType;

/// A certificate of a key, made by OpenSSL.
fn certificate_of(key: &LocalKey) -> Certificate {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key.to_pem(None).unwrap().as_bytes()).unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-new", "-subj", "/CN=web01.example.com", "-key"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Certificate::parse_all(&made.stdout).unwrap().remove(0)
}

/// What the appliance would send.
fn sealed(recipient: &Recipient, order: Uuid, spki: [u8; 32], pkcs8: &[u8]) -> String {
    let jwk = Jwk::parse(recipient.jwk().to_string().as_bytes()).unwrap();
    let envelope = Envelope {
        apu: b"https://ca.example.com",
        apv: b"0193b3c2-7f00-7000-8000-00000000c0de",
        order: &order.to_string(),
        spki: &spki,
    };
    let random = SystemRandom::new();
    encrypt(&jwk, KeyManagement::EcdhEsA256Kw, &envelope, pkcs8, &random).unwrap()
}

#[test]
fn a_key_is_opened_by_its_recipient_for_its_order_and_certificate() {
    let order = Uuid::from_u128(7);
    for (curve, kind) in [
        (Curve::P256, KeyType::Ec384),
        (Curve::P384, KeyType::Ed25519),
        (Curve::P521, KeyType::Rsa2048),
        (Curve::X25519, KeyType::Ec256),
    ] {
        let recipient = Recipient::generate_on(curve).unwrap();
        let key = LocalKey::generate(kind).unwrap();
        let certificate = certificate_of(&key);
        let jwe = sealed(&recipient, order, key.fingerprint().0, key.pkcs8());
        let opened = recipient.open(&jwe, order, &certificate).unwrap();
        assert_eq!(opened.pkcs8(), key.pkcs8());
        // After a restart with what was kept.
        let kept = Recipient::from_stored(&recipient.to_stored().unwrap()).unwrap();
        assert_eq!(kept.jwk(), recipient.jwk());
        assert!(kept.open(&jwe, order, &certificate).is_ok());
        let other = Recipient::generate_on(curve).unwrap();
        for refused in [
            other.open(&jwe, order, &certificate),
            recipient.open(&jwe, Uuid::from_u128(8), &certificate),
            recipient.open(&jwe[..jwe.len() - 4], order, &certificate),
        ] {
            assert!(matches!(refused, Err(PlatformKeyFault::Unopened)), "{curve}");
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (order, recipient) = (Uuid::from_u128(7), Recipient::generate().unwrap());
    let (key, other) = (
        LocalKey::generate(KeyType::Ec256).unwrap(),
        LocalKey::generate(KeyType::Ec256).unwrap(),
    );
    let certificate = certificate_of(&key);
    let of_another = sealed(&recipient, order, other.fingerprint().0, other.pkcs8());
    assert!(matches!(
        recipient.open(&of_another, order, &certificate),
        Err(PlatformKeyFault::Unopened)
    ));
    let mislabelled = sealed(&recipient, order, key.fingerprint().0, other.pkcs8());
    assert!(matches!(
        recipient.open(&mislabelled, order, &certificate),
        Err(PlatformKeyFault::Mismatch)
    ));
    let no_key = sealed(&recipient, order, key.fingerprint().0, b"no key at all");
    assert!(matches!(
        recipient.open(&no_key, order, &certificate),
        Err(PlatformKeyFault::Mismatch)
    ));
}

#[test]
fn the_proof_names_the_recipient_and_the_session() {
    let (session_key, recipient) = (ProofKey::generate().unwrap(), Recipient::generate().unwrap());
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let proof = recipient.prove(&session_key, "token", now).unwrap();
    let thumbprint = Jwk::parse(recipient.jwk().to_string().as_bytes())
        .unwrap()
        .thumbprint();
    let hash = jose::dpop::access_token_hash("token");
    let expected = |thumbprint: &str| {
        let url = format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{thumbprint}");
        let expected = jose::dpop::Expected {
            method: "POST",
            url: &url,
            access_token_hash: Some(&hash),
            now: now.as_second(),
            max_age: 60,
        };
        jose::dpop::verify(&proof, &expected)
    };
    let proved = expected(&thumbprint.to_string()).unwrap();
    assert_eq!(proved.thumbprint.to_string(), session_key.thumbprint());
    let other = Recipient::generate().unwrap();
    let other = Jwk::parse(other.jwk().to_string().as_bytes())
        .unwrap()
        .thumbprint();
    assert!(expected(&other.to_string()).is_err());
}

#[test]
fn what_is_kept_is_not_shown_and_read_strictly() {
    let recipient = Recipient::generate().unwrap();
    let stored = recipient.to_stored().unwrap();
    let (curve, number) = stored.split_once(' ').unwrap();
    assert_eq!(curve, "P-256");
    assert!(!format!("{recipient:?}").contains(number));
    for text in ["", "P-256", "P-256 x", "Ed25519 AAAA", &format!("P-384 {number}")] {
        assert!(
            matches!(Recipient::from_stored(text), Err(PlatformKeyFault::Recipient)),
            "{text}"
        );
    }
    assert!(Recipient::generate_on(Curve::Ed25519).is_err());
}

/// The vector that `docs/courier/platform-keys.md` publishes; `testdata/platform_keys/README.md` says how it was made.
#[test]
fn the_published_vector_opens() {
    let vector: Value =
        serde_json::from_str(include_str!("../../testdata/platform_keys/vector.json")).unwrap();
    let text = |name: &str| vector[name].as_str().unwrap();
    let private = URL_SAFE_NO_PAD
        .decode(vector["recipient"]["d"].as_str().unwrap())
        .unwrap();
    let key = RecipientKey::from_octets(Curve::P256, &private).unwrap();
    for coordinate in ["x", "y"] {
        let public: Value = serde_json::from_str(&key.jwk().to_json()).unwrap();
        assert_eq!(public[coordinate], vector["recipient"][coordinate]);
    }
    let recipient = Recipient { key };
    let certificate = Certificate::parse_all(text("certificate_pem").as_bytes())
        .unwrap()
        .remove(0);
    let order: Uuid = text("order").parse().unwrap();
    for envelope in ["jwe", "jwe_ecdh_es"] {
        let opened = recipient.open(text(envelope), order, &certificate).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(opened.pkcs8()), text("pkcs8"));
    }
}
