//! What breaks under a pool is mended, seen from outside: the module is finalised behind its back, the user is logged
//! out, the token's objects go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "backends/soft_tokens.rs"]
mod soft_tokens;

use std::time::{Duration, Instant};

use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use soft_tokens::{Make, PIN, in_child};
use token::{FaultClass, Hsm, Input, KeyKind, KeyRecord, Keys, Scheme, TokenConfig, verify};

fn sign(hsm: &Hsm, record: &KeyRecord) {
    let deadline = Some(Instant::now() + Duration::from_secs(20));
    let scheme = Scheme::default_for(record.kind);
    let signature = hsm.sign(&record.key, scheme, &Input::Message(b"tbs".to_vec()), deadline);
    let signature = signature.unwrap_or_else(|error| panic!("{}", error.to_fault()));
    assert!(verify(&record.spki, scheme, b"tbs", &signature));
}

/// Somebody else in the process finalises the module: everything that was open is void.
fn finalised_behind_its_back(make: Make, config: &TokenConfig) {
    let hsm = Hsm::open(config, None).unwrap();
    let record = hsm.generate("finalised", KeyKind::P256).unwrap();
    sign(&hsm, &record);
    for _ in 0..2 {
        Pkcs11::new(make.module()).unwrap().finalize().unwrap();
        sign(&hsm, &record);
    }
}

/// Somebody else logs the user out, for the whole process.
fn logged_out_behind_its_back(make: Make, config: &TokenConfig) {
    let hsm = Hsm::open(config, None).unwrap();
    let record = hsm.generate("logged-out", KeyKind::P256).unwrap();
    sign(&hsm, &record);
    let other = Pkcs11::new(make.module()).unwrap();
    let slot = other.get_slots_with_initialized_token().unwrap().remove(0);
    let session = other.open_ro_session(slot).unwrap();
    session.logout().unwrap();
    sign(&hsm, &record);
    assert!(
        session.login(UserType::User, Some(&PIN.into())).is_err(),
        "the pool has logged in again"
    );
}

/// A key is destroyed in the token: its name is unknown from then on, and the others go on.
fn destroyed_behind_its_back(make: Make, config: &TokenConfig) {
    let hsm = Hsm::open(config, None).unwrap();
    let doomed = hsm.generate("doomed", KeyKind::P256).unwrap();
    let kept = hsm.generate("kept", KeyKind::P256).unwrap();
    sign(&hsm, &doomed);
    let other = Pkcs11::new(make.module()).unwrap();
    let slot = other.get_slots_with_initialized_token().unwrap().remove(0);
    let session = other.open_rw_session(slot).unwrap();
    let wanted = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Label(b"doomed".to_vec()),
    ];
    for object in session.find_objects(&wanted).unwrap() {
        session.destroy_object(object).unwrap();
    }
    let error = hsm
        .sign(&doomed.key, Scheme::EcdsaSha256, &Input::Message(vec![1]), None)
        .unwrap_err();
    assert_eq!(error.fault_class(), FaultClass::KeyNotFound, "{error}");
    sign(&hsm, &kept);
}

fn all(make: Make, directory: &std::path::Path) {
    let config = make.new_token(directory, "mending");
    for session_copies in [false, true] {
        let config = TokenConfig {
            session_copies,
            ..config.clone()
        };
        finalised_behind_its_back(make, &config);
        logged_out_behind_its_back(make, &config);
    }
    destroyed_behind_its_back(make, &config);
}

#[test]
fn e2e_mending_softhsm() {
    in_child(Make::Softhsm, "e2e_mending_softhsm", |directory| {
        all(Make::Softhsm, directory);
    });
}

#[test]
fn e2e_mending_kryoptic() {
    in_child(Make::Kryoptic, "e2e_mending_kryoptic", |directory| {
        all(Make::Kryoptic, directory);
    });
}
