//! What the service looks after by itself: test signatures, and whether keys are still what they were.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "signerd/bed.rs"]
mod bed;
#[path = "signerd/client.rs"]
mod client;
#[path = "signerd/daemon.rs"]
mod daemon;
#[path = "../../token/tests/backends/faulty.rs"]
mod faulty;
#[path = "signerd/shared_key.rs"]
mod shared_key;
#[path = "../../token/tests/backends/soft_tokens.rs"]
mod soft_tokens;

use std::fs;
use std::path::Path;
use std::time::Duration;

use bed::Bed;
use signer_wire::{Backend, Circuit, KeyKind};
use soft_tokens::{Make, in_child};
use token::Checks;

const OFTEN: Checks = Checks {
    test_signature_seconds: 1,
    key_attributes_seconds: 1,
};
const NEVER: Checks = Checks {
    test_signature_seconds: 0,
    key_attributes_seconds: 0,
};

fn audit(directory: &Path, what: &str) -> Vec<String> {
    let book = fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    let beginning = format!("{{\"audit\":\"{what}\"");
    let lines = book.lines().filter(|line| line.starts_with(&beginning));
    lines.map(str::to_owned).collect()
}

/// A token whose signatures are wrong, or that makes none, is left out until a test signature with the same key is right.
#[test]
fn e2e_upkeep_a_bad_test_signature_leaves_its_token_out() {
    in_child(
        Make::Faulty,
        "e2e_upkeep_a_bad_test_signature_leaves_its_token_out",
        |directory| {
            let bed = Bed::new(directory, |config| config.checks = OFTEN);
            let mut client = bed.daemon.client();
            bed.wait_for("left", "test signatures are made", |told| told.tests_passed > 1);
            let mut failed = 0;
            for (fault, expected) in [
                ("C_Sign token=left wrong", "the signature is wrong"),
                (
                    "C_Sign token=left code=CKR_FUNCTION_FAILED",
                    "CKR_FUNCTION_FAILED",
                ),
            ] {
                bed.faults.set(&[fault]);
                let told = bed.wait_for("left", fault, |told| told.tests_failed > failed);
                assert_eq!(told.circuit, Circuit::Open);
                assert!(
                    told.warning.contains(expected) && told.warning.contains(&bed.record.key.to_string()),
                    "{told:?}"
                );
                // No request goes there, not even to try: only the test signatures do.
                let (signed, tested) = (told.signed + told.failed, told.tests_passed + told.tests_failed);
                for _ in 0..100 {
                    client.sign(&bed.record, b"tbs", 2000).unwrap();
                    std::thread::park_timeout(Duration::from_millis(10));
                }
                let told = bed.lane("left");
                let by_clients = (told.signed + told.failed - signed)
                    .saturating_sub(told.tests_passed + told.tests_failed - tested);
                assert!(by_clients <= 1, "{told:?}");
                bed.faults.clear();
                let told = bed.wait_for("left", "it is right again", |told| {
                    told.circuit == Circuit::Closed
                });
                assert_eq!(told.warning, "");
                failed = told.tests_failed;
            }
            assert_eq!(bed.lane("right").tests_failed, 0);
            let tests = audit(directory, "test");
            let bad: Vec<_> = tests.iter().filter(|line| line.contains("\"fault\"")).collect();
            assert!(
                bad.len() >= 2 && bad.iter().all(|line| line.contains("\"left\"")),
                "{bad:?}"
            );
            assert!(bad.iter().any(|line| line.contains("the signature is wrong")));
            assert!(tests.len() > bad.len());
            assert!(bed.daemon.log().contains("a test signature is bad"));
        },
    );
}

/// Every key has its turn; a token that is away is not tested; and nothing is done that was switched off.
#[test]
fn e2e_upkeep_each_key_is_tested_in_turn() {
    in_child(
        Make::Faulty,
        "e2e_upkeep_each_key_is_tested_in_turn",
        |directory| {
            let mut bed = Bed::new(directory, |config| config.checks = OFTEN);
            let mut client = bed.daemon.client();
            let kinds = [KeyKind::Rsa(2048), KeyKind::Ed25519];
            let mut keys: Vec<_> = kinds
                .iter()
                .map(|kind| client.generate(&kind.to_string(), *kind, Backend::Token("left".into())))
                .collect();
            keys.push(bed.record.clone());
            bed.wait_for("left", "tests", |told| told.tests_passed > 4);
            let tests = audit(directory, "test");
            for key in &keys {
                assert!(
                    tests.iter().any(|line| line.contains(&key.key.to_string())),
                    "{tests:?}"
                );
            }
            bed.faults.set(&["* token=left removed"]);
            bed.wait_for("left", "it is away", |told| {
                let _ = client.sign(&bed.record, b"tbs", 2000);
                !told.available
            });
            let told = bed.lane("left");
            std::thread::park_timeout(Duration::from_secs(3));
            let later = bed.lane("left");
            assert_eq!((later.tests_failed, later.tests_passed), (0, told.tests_passed));

            bed.faults.clear();
            fs::remove_file(directory.join("key-attributes-left.toml")).unwrap();
            Bed::configure(directory, |config| config.checks = NEVER);
            bed.daemon = bed.daemon.replace(directory);
            let tests = audit(directory, "test").len();
            std::thread::park_timeout(Duration::from_secs(4));
            assert_eq!(bed.lane("left").tests_passed, 0);
            assert_eq!(audit(directory, "test").len(), tests);
            assert!(!directory.join("key-attributes-left.toml").exists());
        },
    );
}

/// A key whose attributes change behind the back of the service is told, until somebody says that it was meant.
#[test]
fn e2e_upkeep_a_key_that_changes_is_told() {
    in_child(
        Make::Faulty,
        "e2e_upkeep_a_key_that_changes_is_told",
        |directory| {
            let mut bed = Bed::new(directory, |config| {
                config.checks = Checks {
                    test_signature_seconds: 0,
                    ..OFTEN
                };
            });
            let file = directory.join("key-attributes-left.toml");
            let is_there = |_: &signer_wire::LaneStatus| file.exists();
            bed.wait_for("left", "its keys are written down", is_there);
            let mut told = 0;
            for (lie, change) in [
                ("0x103:00", "CKA_SENSITIVE of shared"),
                ("0x162:01", "CKA_EXTRACTABLE of shared"),
                ("0x164:01", "CKA_NEVER_EXTRACTABLE of shared"),
                ("0x108:00", "CKA_SIGN of shared"),
                ("0x40000600:5010000000000000", "CKA_ALLOWED_MECHANISMS of shared"),
            ] {
                bed.faults
                    .set(&[&format!("C_GetAttributeValue token=left attribute={lie}")]);
                let lane = bed.wait_for("left", change, |told| told.keys_changed == 1);
                assert!(
                    lane.available && lane.warning.starts_with(change),
                    "it goes on: {lane:?}"
                );
                bed.daemon.client().sign(&bed.record, b"tbs", 2000).unwrap();
                let lines = audit(directory, "key_changed");
                told += 1;
                assert_eq!(lines.len(), told, "once: {lines:?}");
                assert!(lines.last().unwrap().contains(change.split(' ').next().unwrap()));
                assert_eq!(bed.daemon.log().matches("a key is not what it was").count(), told);
                bed.faults.clear();
                bed.wait_for("left", "it is as before", |told| told.keys_changed == 0);
            }
            assert_eq!(
                (bed.lane("right").keys_changed, bed.lane("right").warning),
                (0, String::new())
            );

            // Over a restart, and until the operator says that it was meant.
            bed.faults
                .set(&["C_GetAttributeValue token=left attribute=0x162:01"]);
            bed.daemon = bed.daemon.replace(directory);
            bed.wait_for("left", "a change while it was down", |told| {
                told.keys_changed == 1
            });
            fs::remove_file(&file).unwrap();
            bed.wait_for("left", "it was meant", |told| told.keys_changed == 0);
            fs::write(&file, "scribble").unwrap();
            bed.wait_for("left", "nobody knows", |told| {
                told.warning.contains("key-attributes-left.toml")
            });
        },
    );
}
