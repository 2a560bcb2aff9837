//! One suite over all backends: software, SoftHSM2 and Kryoptic; and what is particular to tokens.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "backends/soft_tokens.rs"]
mod soft_tokens;
#[path = "backends/suite.rs"]
mod suite;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use soft_tokens::{Make, PIN, SO_PIN, in_child, secret_file};
use token::inspect::{self, NewToken};
use token::{
    Backend, Error, FaultClass, Hsm, Input, KeyKind, KeyRecord, KeyRing, Keys, PinSource, Scheme, Software,
    SoftwareConfig, TokenConfig, verify,
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
    let records = {
        let hsm = Hsm::open(&config, None).unwrap();
        assert!(hsm.status().available, "{:?}", hsm.status());
        suite::run(&hsm, kinds)
    };
    for record in &records {
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
        assert_eq!(hsm.list().len(), records.len());
        for record in &records {
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
        suite_on_a_token(Make::Softhsm, directory, &CLASSIC);
    });
}

#[test]
fn e2e_token_kryoptic() {
    in_child(Make::Kryoptic, "e2e_token_kryoptic", |directory| {
        suite_on_a_token(Make::Kryoptic, directory, &KeyKind::GENERATED);
    });
}

#[test]
fn software_in_memory_passes_the_suite() {
    let software = Software::in_memory();
    let keys = suite::run(&software, &KeyKind::GENERATED);
    assert!(
        keys.iter()
            .all(|record| record.attributes.local && record.attributes.extractable)
    );
}

#[test]
fn software_files_are_private_and_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let passphrase_file = Some(secret_file(directory.path(), "passphrase", "correct horse"));
    let (all, some) = (&KeyKind::GENERATED[..], &[KeyKind::P256, KeyKind::MlDsa44][..]);
    for (name, passphrase_file, armour, kinds) in [
        ("plain", None, "BEGIN PRIVATE KEY", all),
        ("sealed", passphrase_file, "BEGIN ENCRYPTED PRIVATE KEY", some),
    ] {
        let path = directory.path().join(name);
        let config = SoftwareConfig {
            directory: Some(path.clone()),
            passphrase_file,
        };
        let made: Vec<KeyRecord> = {
            let software = Software::open(&config).unwrap();
            kinds
                .iter()
                .map(|kind| software.generate(&format!("key-{kind}"), *kind).unwrap())
                .collect()
        };
        for entry in fs::read_dir(&path).unwrap() {
            let file = entry.unwrap().path();
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600,
                "{}",
                file.display()
            );
            assert!(
                fs::read_to_string(&file).unwrap().contains(armour),
                "{}",
                file.display()
            );
        }
        let software = Software::open(&config).unwrap();
        assert_eq!(software.list().len(), made.len());
        for record in &made {
            let found = software.find(&record.key).unwrap();
            assert_eq!(
                (&found.label, found.kind, &found.spki),
                (&record.label, record.kind, &record.spki)
            );
            sign(&software, record).unwrap();
        }
    }
}

#[test]
fn e2e_software_files_openssl() {
    let directory = tempfile::tempdir().unwrap();
    let passphrase = secret_file(directory.path(), "passphrase", "correct horse");
    let keys = directory.path().join("keys");
    let config = SoftwareConfig {
        directory: Some(keys.clone()),
        passphrase_file: Some(passphrase.clone()),
    };
    let record = Software::open(&config)
        .unwrap()
        .generate("ours", KeyKind::P384)
        .unwrap();
    let ours = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    let secret = format!("file:{}", passphrase.display());
    let public = openssl(&[
        "pkey",
        "-in",
        ours.to_str().unwrap(),
        "-passin",
        &secret,
        "-pubout",
        "-outform",
        "DER",
    ]);
    assert_eq!(
        public, record.spki,
        "openssl opens our file and finds the same key"
    );

    let theirs = keys.join("theirs.pem");
    let out = theirs.to_str().unwrap();
    openssl(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-aes256",
        "-pass",
        &secret,
        "-out",
        out,
    ]);
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o600)).unwrap();
    let software = Software::open(&config).unwrap();
    let found = software
        .list()
        .into_iter()
        .find(|record| record.label == "theirs")
        .unwrap();
    assert_eq!(found.kind, KeyKind::Rsa(2048));
    sign(&software, &found).unwrap();
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn software_files_that_are_not_usable_stop_the_backend_and_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    let config = SoftwareConfig {
        directory: Some(keys.clone()),
        passphrase_file: None,
    };
    Software::open(&config)
        .unwrap()
        .generate("ca", KeyKind::P256)
        .unwrap();
    let file = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    let complaint = |config: &SoftwareConfig| Software::open(config).unwrap_err().to_string();

    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(complaint(&config).contains("chmod 600"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(Software::open(&config).is_ok());
    fs::write(
        &file,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    assert!(complaint(&config).contains("not a PKCS#8 key"));
    fs::write(&file, "scribble").unwrap();
    assert!(complaint(&config).contains("not PEM"));

    let sealed = directory.path().join("sealed");
    let right = Some(secret_file(directory.path(), "right", "correct horse"));
    let wrong = Some(secret_file(directory.path(), "wrong", "battery staple"));
    let at = |passphrase_file| SoftwareConfig {
        directory: Some(sealed.clone()),
        passphrase_file,
    };
    Software::open(&at(right))
        .unwrap()
        .generate("ca", KeyKind::P256)
        .unwrap();
    assert!(complaint(&at(None)).contains("no passphrase_file"));
    assert!(complaint(&at(wrong)).contains("the passphrase is wrong"));
}

#[test]
fn software_imports_a_key_once_and_refuses_what_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let theirs = directory.path().join("theirs.der");
    let out = theirs.to_str().unwrap();
    openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-521",
        "-outform",
        "DER",
        "-out",
        out,
    ]);
    let pkcs8 = openssl(&[
        "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", out, "-outform", "DER",
    ]);
    let ring = KeyRing::in_memory();
    let first = ring.import("root", &pkcs8).unwrap();
    assert_eq!(first.kind, KeyKind::P521);
    assert!(!first.attributes.local, "it was not made here");
    assert_eq!(
        ring.import("again", &pkcs8).unwrap(),
        first,
        "the same key is the same key"
    );
    sign(&*ring.backends()[0], &first).unwrap();
    for end in [0, 1, pkcs8.len() / 2, pkcs8.len() - 1] {
        assert_eq!(
            ring.import("cut", &pkcs8[..end]).unwrap_err().fault_class(),
            FaultClass::Refused
        );
    }
    openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:secp256k1",
        "-outform",
        "DER",
        "-out",
        out,
    ]);
    let pkcs8 = openssl(&[
        "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", out, "-outform", "DER",
    ]);
    assert!(
        ring.import("koblitz", &pkcs8)
            .unwrap_err()
            .to_string()
            .contains("curve")
    );
    let nowhere = ring
        .generate(&Backend::Token("hsm".to_owned()), "ca", KeyKind::P256)
        .unwrap_err();
    assert_eq!(nowhere.fault_class(), FaultClass::Refused);
}

#[test]
fn e2e_inspect_softhsm() {
    in_child(Make::Softhsm, "e2e_inspect_softhsm", |directory| {
        let module = Make::Softhsm.module();
        let config = Make::Softhsm.new_token(directory, "looked-at");
        let slots = inspect::slots(&module).unwrap();
        let token = slots
            .iter()
            .filter_map(|slot| slot.token.as_ref())
            .find(|token| token.label == "looked-at")
            .unwrap();
        assert!(token.initialized && token.user_pin == "set");
        assert!(
            token.mechanisms.iter().any(|name| name == "CKM_ECDSA"),
            "{:?}",
            token.mechanisms
        );
        let kinds: Vec<String> = CLASSIC.iter().map(ToString::to_string).collect();
        assert_eq!(token.key_kinds, kinds);

        let hsm = Hsm::open(&config, None).unwrap();
        let made = hsm.generate("ca", KeyKind::P256).unwrap();
        drop(hsm);
        let pin = || PinSource::Given(PIN.into());
        assert_eq!(
            inspect::keys(&config, pin(), None).unwrap(),
            std::slice::from_ref(&made)
        );
        let tests = inspect::test_signatures(&config, pin(), None).unwrap();
        assert_eq!(
            (tests.len(), tests[0].outcome.as_str(), &tests[0].key),
            (1, "ok", &made.key.to_string())
        );

        let raw = token::raw::rate(&config, &made.key, 2, Duration::from_millis(50)).unwrap();
        assert!(
            raw.signatures > 0 && raw.elapsed >= Duration::from_millis(50),
            "{raw:?}"
        );

        let again = NewToken {
            slot: None,
            label: "looked-at".into(),
            so_pin: SO_PIN.into(),
            user_pin: PIN.into(),
        };
        assert!(
            inspect::init_token(&module, &again)
                .unwrap_err()
                .to_string()
                .contains("already")
        );
        let slot = slots
            .iter()
            .find(|slot| slot.token.as_ref().is_some_and(|token| token.initialized))
            .unwrap()
            .slot;
        let over = NewToken {
            slot: Some(slot),
            label: "other".into(),
            ..again
        };
        assert!(
            inspect::init_token(&module, &over)
                .unwrap_err()
                .to_string()
                .contains("destroy its keys")
        );
        // A PIN that was wrong once is not tried again by the next process.
        for expected in ["tried once", "rejected this PIN before"] {
            let wrong = inspect::keys(&config, PinSource::Given("no".into()), Some(directory)).unwrap_err();
            assert_eq!(wrong.fault_class(), FaultClass::PinRejected);
            assert!(wrong.to_string().contains(expected), "{wrong}");
        }
        let missing = inspect::slots(Path::new("/nowhere/module.so")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/module.so"));
    });
}

#[test]
fn e2e_inspect_kryoptic() {
    in_child(Make::Kryoptic, "e2e_inspect_kryoptic", |directory| {
        Make::Kryoptic.new_token(directory, "looked-at");
        let slots = inspect::slots(&Make::Kryoptic.module()).unwrap();
        let token = slots
            .iter()
            .filter_map(|slot| slot.token.as_ref())
            .find(|token| token.initialized)
            .unwrap();
        let kinds: Vec<String> = KeyKind::GENERATED.iter().map(ToString::to_string).collect();
        assert_eq!(token.key_kinds, kinds, "{:?}", token.mechanisms);
    });
}
