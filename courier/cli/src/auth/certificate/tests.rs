//! Tests of signed challenges; who verifies them is OpenSSL's reading of the keys and another implementation of the signatures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::super::bed::{COURIER, IDENTITY, NONCE, Surroundings, part};
use super::*;
use crate::auth::Method;
use crate::client::bed::certificates::{Authority, Pair};

async fn challenge(pair: &Pair, surroundings: &Surroundings) -> Result<String, Fault> {
    let method = Method::Certificate(Settings {
        cert_path: pair.certificate.clone(),
        key_path: pair.key.clone(),
        mutual_tls: false,
        installed: None,
    });
    match surroundings.present(&method).await? {
        Presented::Certificate { challenge_jws } => Ok(challenge_jws.expose_secret().to_owned()),
        other => panic!("another method: {other:?}"),
    }
}

#[tokio::test]
async fn the_challenge_is_signed_with_every_kind_of_key() {
    let authority = Authority::new();
    let kinds: [(&str, &[&str], &'static dyn VerificationAlgorithm); 4] = [
        (
            "ES256",
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            &ECDSA_P256_SHA256_FIXED,
        ),
        (
            "ES384",
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
            &ECDSA_P384_SHA384_FIXED,
        ),
        ("RS256", &["-newkey", "rsa:2048"], &RSA_PKCS1_2048_8192_SHA256),
        ("EdDSA", &["-newkey", "ed25519"], &ED25519),
    ];
    for (name, options, algorithm) in kinds {
        let pair = authority.certify_with(name, "DNS:web01.example.test", options, &["-days", "20"]);
        let surroundings = Surroundings {
            thumbprint: Some("thumb".to_owned()),
            ..Surroundings::nowhere()
        };
        let jws = challenge(&pair, &surroundings).await.unwrap();
        let header = part(&jws, 0);
        assert_eq!(header["alg"], name);
        assert_eq!(
            part(&jws, 1),
            json!({
                "nonce": NONCE, "uuid": COURIER.to_string(), "aud": IDENTITY, "iat": 1_800_000_000, "method": "certificate",
                "cnf": { "jkt": "thumb" }
            })
        );
        let leaf = STANDARD.decode(header["x5c"][0].as_str().unwrap()).unwrap();
        let leaf = pki::Certificate::from_der(&leaf).unwrap();
        let (signed, signature) = jws.rsplit_once('.').unwrap();
        let key = UnparsedPublicKey::new(algorithm, leaf.public_key().key_bits());
        key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
    }
}

#[tokio::test]
async fn a_key_of_another_certificate_is_told_before_anybody_is_asked() {
    let authority = Authority::new();
    let (one, other) = (
        authority.certify("one", "DNS:a.test"),
        authority.certify("other", "DNS:b.test"),
    );
    let mixed = Pair {
        certificate: one.certificate,
        key: other.key,
    };
    let fault = challenge(&mixed, &Surroundings::nowhere()).await.unwrap_err();
    assert_eq!(fault.exit_code(), 2);
    assert!(fault.to_string().contains("does not belong"), "{fault}");
}

#[tokio::test]
async fn files_that_are_missing_or_something_else_are_named() {
    let authority = Authority::new();
    let pair = authority.certify("one", "DNS:a.test");
    let swapped = Pair {
        certificate: pair.key.clone(),
        key: pair.key.clone(),
    };
    let fault = challenge(&swapped, &Surroundings::nowhere()).await.unwrap_err();
    assert!(fault.to_string().contains("holds no certificate"), "{fault}");
    let absent = Pair {
        certificate: pair.certificate,
        key: "/nonexistent/client.key".into(),
    };
    let fault = challenge(&absent, &Surroundings::nowhere()).await.unwrap_err();
    assert!(fault.to_string().contains("/nonexistent/client.key"), "{fault}");
}
