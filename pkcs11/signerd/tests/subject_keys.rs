//! Keys for others: they leave sealed to their recipient, are in the book, and stay nowhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "signerd/client.rs"]
mod client;
#[path = "signerd/daemon.rs"]
mod daemon;

use std::fs;

use aws_lc_rs::rand::SystemRandom;
use daemon::{Daemon, write_config};
use jose::jwe::{Expected, RecipientKey};
use jose::jwk::Curve;
use signer_wire::{FaultClass, KeyKind, Reply, Request, SubjectKeyRequest};
use token::{Config, Keys as _, Limits, Software, SoftwareConfig};

fn asks(kind: KeyKind, recipient: &RecipientKey) -> SubjectKeyRequest {
    SubjectKeyRequest {
        kind,
        recipient: recipient.jwk().to_json().into_bytes(),
        sender: "https://ca.example.com".to_owned(),
        party: "web01".to_owned(),
        order: "order-7".to_owned(),
    }
}

#[test]
fn a_key_for_somebody_else_leaves_sealed_and_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let config = Config {
        software: Some(SoftwareConfig {
            directory: Some(directory.join("keys")),
            passphrase_file: None,
        }),
        // Keys that stay are another matter.
        limits: Limits {
            generate: false,
            import: false,
            ..Limits::default()
        },
        ..Config::default()
    };
    write_config(directory, config);
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    let kinds = [
        KeyKind::P256,
        KeyKind::P384,
        KeyKind::P521,
        KeyKind::Ed25519,
        KeyKind::Rsa(2048),
    ];
    for (kind, curve) in
        kinds
            .into_iter()
            .zip([Curve::P256, Curve::P384, Curve::P521, Curve::X25519, Curve::P256])
    {
        let recipient = RecipientKey::generate(curve, &SystemRandom::new()).unwrap();
        let Reply::SealedKey(sealed) = client.call(&Request::SubjectKey(asks(kind, &recipient))) else {
            panic!("no key of {kind}")
        };
        let elsewhere = Software::in_memory();
        let spki = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &sealed.spki);
        let expected = Expected {
            order: "order-7",
            spki: spki.as_ref().try_into().unwrap(),
        };
        let pkcs8 = recipient.decrypt(&sealed.envelope, &expected).unwrap();
        let record = elsewhere.import("theirs", &pkcs8).unwrap();
        assert_eq!((record.kind, &record.spki), (kind, &sealed.spki));
        assert!(elsewhere.find(&record.key).is_some());
        let other = RecipientKey::generate(curve, &SystemRandom::new()).unwrap();
        assert!(other.decrypt(&sealed.envelope, &expected).is_err());
        let book = fs::read_to_string(directory.join("audit.jsonl")).unwrap();
        let line = book.lines().last().unwrap();
        for part in [
            r#""audit":"subject_key""#,
            r#""label":"order-7""#,
            &record.key.to_string(),
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    assert!(client.list().is_empty());
    assert_eq!(fs::read_dir(directory.join("keys")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_sealed_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let software = Some(SoftwareConfig::default());
    write_config(
        directory,
        Config {
            software,
            ..Config::default()
        },
    );
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    let recipient = RecipientKey::generate(Curve::P256, &SystemRandom::new()).unwrap();
    let good = asks(KeyKind::P256, &recipient);
    let for_signatures = r#"{"use":"sig","#.to_owned() + &recipient.jwk().to_json()[1..];
    let wrong = [
        SubjectKeyRequest {
            recipient: b"{}".to_vec(),
            ..good.clone()
        },
        SubjectKeyRequest {
            recipient: for_signatures.into_bytes(),
            ..good.clone()
        },
        asks(KeyKind::MlDsa65, &recipient),
        asks(KeyKind::Rsa(1024), &recipient),
    ];
    for request in wrong {
        let Reply::Fault(fault) = client.call(&Request::SubjectKey(request)) else {
            panic!("a key was made")
        };
        assert_eq!(fault.class, FaultClass::Refused, "{fault:?}");
    }
    assert!(matches!(
        client.call(&Request::SubjectKey(good)),
        Reply::SealedKey(_)
    ));
}
