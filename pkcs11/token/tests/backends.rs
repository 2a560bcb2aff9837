//! One suite over all backends: software, SoftHSM2 and Kryoptic; and what is particular to tokens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "backends/soft_tokens.rs"]
mod soft_tokens;
#[path = "backends/suite.rs"]
mod suite;

use std::fs;
use std::path::Path;

use soft_tokens::{Make, PIN, in_child, secret_file};
use token::{
    Backend, Error, FaultClass, Hsm, Input, KeyKind, KeyRecord, KeyRing, Keys, PinSource, Scheme, Software,
    SoftwareConfig, TokenConfig, inspect, verify,
};

const CLASSIC: [KeyKind; 7] = [
    KeyKind::Rsa(2048),
    KeyKind::Rsa(3072),
    KeyKind::Rsa(4096),
    KeyKind::P256,
    KeyKind::P384,
    KeyKind::P521,
    KeyKind::Ed25519,
];

fn sign(keys: &dyn Keys, record: &KeyRecord) -> Result<(), Error> {
    let scheme = Scheme::default_for(record.kind);
    let signature = keys.sign(&record.key, scheme, &Input::Message(b"tbs".to_vec()), None)?;
    assert!(verify(&record.spki, scheme, b"tbs", &signature));
    Ok(())
}

/// Makes keys in a new token, and finds them again in a new pool.
fn suite_on_a_token(make: Make, directory: &Path, kinds: &[KeyKind]) {
    let config = make.new_token(directory, "suite");
    let made = {
        let hsm = Hsm::open(&config, None).unwrap();
        assert!(hsm.status().available, "{:?}", hsm.status());
        suite::run(&hsm, kinds)
    };
    for record in &made {
        let attributes = record.attributes;
        assert!(
            attributes.sensitive && !attributes.extractable && attributes.local,
            "{}: {attributes:?}",
            record.kind
        );
        assert!(
            attributes.always_sensitive && attributes.never_extractable,
            "{}: {attributes:?}",
            record.kind
        );
    }
    for session_copies in [false, true] {
        let hsm = Hsm::open(
            &TokenConfig {
                session_copies,
                ..config.clone()
            },
            None,
        )
        .unwrap();
        assert_eq!(hsm.list().len(), made.len());
        for record in &made {
            assert_eq!(
                hsm.find(&record.key).as_ref(),
                Some(record),
                "found again with the same attributes"
            );
            sign(&hsm, record).unwrap();
        }
    }
}

#[test]
fn e2e_token_softhsm() {
    in_child(Make::Softhsm, "e2e_token_softhsm", |directory| {
        suite_on_a_token(Make::Softhsm, directory, &CLASSIC)
    });
}

#[test]
fn e2e_token_kryoptic() {
    in_child(Make::Kryoptic, "e2e_token_kryoptic", |directory| {
        suite_on_a_token(Make::Kryoptic, directory, &KeyKind::GENERATED);
    });
}
