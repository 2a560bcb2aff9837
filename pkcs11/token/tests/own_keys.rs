//! Keys that a program makes for itself: named after their public key, destroyed by their label, and nobody else's touched.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "backends/soft_tokens.rs"]
mod soft_tokens;

use std::path::Path;
use std::process::Command;

use soft_tokens::{Make, PIN, in_child};
use token::{Error, Hsm, Input, KeyKind, KeyRecord, Keys as _, Scheme, verify};

/// What `pkcs11-tool` lists of a class.
fn listed(make: Make, class: &str) -> String {
    let output = Command::new("pkcs11-tool")
        .arg("--module")
        .arg(make.module())
        .args([
            "--token-label",
            "host",
            "--login",
            "--pin",
            PIN,
            "--list-objects",
            "--type",
            class,
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn signs(hsm: &Hsm, record: &KeyRecord) {
    let scheme = Scheme::default_for(record.kind);
    let message = Input::Message(b"request".to_vec());
    let signature = hsm.sign(&record.key, scheme, &message, None).unwrap();
    assert!(verify(&record.spki, scheme, b"request", &signature));
}

fn own_keys(make: Make, directory: &Path) {
    let config = make.new_token(directory, "host");
    let hsm = Hsm::connect(&config, token::PinSource::of(&config).unwrap(), None).unwrap();
    assert_eq!(hsm.token_label().as_deref(), Some("host"));
    let stranger = hsm.generate("web", KeyKind::P256).unwrap();
    let kinds = [KeyKind::P256, KeyKind::P384, KeyKind::Rsa(2048)];
    for (number, kind) in kinds.into_iter().enumerate() {
        let label = format!("web-{number}");
        let record = hsm.generate_own(&label, kind).unwrap();
        assert!(record.attributes.sensitive && !record.attributes.extractable);
        signs(&hsm, &record);
        let taken = hsm.generate_own(&label, kind).unwrap_err();
        assert!(matches!(taken, Error::Refused(_)), "{taken}");
        // Found again by another process, and by another program under the identifier.
        let again = Hsm::connect(&config, token::PinSource::of(&config).unwrap(), None).unwrap();
        assert_eq!(again.find(&record.key).unwrap().label, label);
        signs(&again, &record);
        if make == Make::Softhsm {
            let id = record.key.to_string();
            for class in ["privkey", "pubkey"] {
                let text = listed(make, class);
                assert!(text.contains(&format!("ID:         {id}")), "{id}: {text}");
            }
        }
    }
    assert_eq!(hsm.destroy_own("web-1").unwrap(), 2);
    assert_eq!(hsm.destroy_own("web-1").unwrap(), 0);
    assert!(hsm.destroy_own("").is_err() && hsm.destroy_own("*").is_err());
    let left: Vec<String> = {
        let again = Hsm::connect(&config, token::PinSource::of(&config).unwrap(), None).unwrap();
        let mut labels: Vec<_> = again.list().into_iter().map(|record| record.label).collect();
        labels.sort();
        signs(&again, &stranger);
        labels
    };
    assert_eq!(left, ["web", "web-0", "web-2"]);
    assert_eq!(hsm.list().len(), 3);
}

#[test]
fn e2e_own_keys_softhsm() {
    in_child(Make::Softhsm, "e2e_own_keys_softhsm", |directory| {
        own_keys(Make::Softhsm, directory);
    });
}

#[test]
fn e2e_own_keys_kryoptic() {
    in_child(Make::Kryoptic, "e2e_own_keys_kryoptic", |directory| {
        own_keys(Make::Kryoptic, directory);
    });
}
