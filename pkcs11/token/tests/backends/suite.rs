//! What every backend must do, whichever it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use token::{
    Digest, Error, FaultClass, HashAlgorithm, Input, KeyKind, KeyRecord, KeyRef, Keys, Scheme, verify,
};

/// Makes a key of each kind, and asks everything of it that can be asked of a key.
pub(crate) fn run(backend: &dyn Keys, kinds: &[KeyKind]) -> Vec<KeyRecord> {
    let records: Vec<KeyRecord> = kinds.iter().map(|kind| key_of_kind(backend, *kind)).collect();
    unknown_keys_are_named(backend);
    labels_are_checked(backend);
    many_threads_sign(
        backend,
        records
            .iter()
            .find(|record| record.kind == KeyKind::P256)
            .unwrap(),
    );
    records
}

fn key_of_kind(backend: &dyn Keys, kind: KeyKind) -> KeyRecord {
    let label = format!("suite-{kind}");
    let record = backend
        .generate(&label, kind)
        .unwrap_or_else(|error| panic!("{kind}: {}", error.to_fault()));
    assert_eq!((record.kind, record.label.as_str()), (kind, label.as_str()));
    assert_eq!(
        record.key,
        fingerprint(&record.spki),
        "the name is the fingerprint"
    );
    assert_eq!(backend.find(&record.key), Some(record.clone()));
    assert!(backend.list().contains(&record));
    for scheme in Scheme::ALL {
        if scheme.is_usable_with(kind) {
            signs(backend, &record, scheme);
        } else {
            let refused = backend.sign(&record.key, scheme, &Input::Message(b"tbs".to_vec()), None);
            assert!(
                matches!(refused, Err(Error::SchemeMismatch { .. })),
                "{kind} {scheme}: {refused:?}"
            );
        }
    }
    record
}

fn signs(backend: &dyn Keys, record: &KeyRecord, scheme: Scheme) {
    for message in [b"".to_vec(), b"tbs".to_vec(), vec![0x5a; 100_000]] {
        let signature = backend
            .sign(&record.key, scheme, &Input::Message(message.clone()), None)
            .unwrap_or_else(|error| panic!("{scheme}, {} octets: {}", message.len(), error.to_fault()));
        assert!(
            verify(&record.spki, scheme, &message, &signature),
            "{scheme}, {} octets",
            message.len()
        );
        assert!(
            !verify(&record.spki, scheme, b"another", &signature),
            "{scheme} verifies what it did not sign"
        );
    }
    let message = b"a message of which only the digest travels";
    let digest_input = Input::Digest(digest_of(scheme.hash().unwrap_or(HashAlgorithm::Sha256), message));
    let signed = backend.sign(&record.key, scheme, &digest_input, None);
    if scheme.hash().is_some() {
        assert!(
            verify(&record.spki, scheme, message, &signed.unwrap()),
            "{scheme} over a digest"
        );
    } else {
        assert_eq!(
            signed.unwrap_err().fault_class(),
            FaultClass::Refused,
            "{scheme} takes no digest"
        );
    }
}

fn unknown_keys_are_named(backend: &dyn Keys) {
    let unknown = KeyRef::new([7; 32]);
    assert_eq!(backend.find(&unknown), None);
    let error = backend
        .sign(&unknown, Scheme::EcdsaSha256, &Input::Message(vec![1]), None)
        .unwrap_err();
    assert_eq!(error.fault_class(), FaultClass::KeyNotFound);
}

fn labels_are_checked(backend: &dyn Keys) {
    let error = backend.generate("../escape", KeyKind::P256).unwrap_err();
    assert_eq!(error.fault_class(), FaultClass::Refused);
}

fn many_threads_sign(backend: &dyn Keys, record: &KeyRecord) {
    let deadline = Instant::now() + Duration::from_mins(1);
    std::thread::scope(|scope| {
        for thread in 0..6_u8 {
            scope.spawn(move || {
                for turn in 0..25_u8 {
                    let message = vec![thread, turn];
                    let input = Input::Message(message.clone());
                    let signature = backend
                        .sign(&record.key, Scheme::EcdsaSha256, &input, Some(deadline))
                        .unwrap();
                    assert!(verify(&record.spki, Scheme::EcdsaSha256, &message, &signature));
                }
            });
        }
    });
}

fn digest_of(algorithm: HashAlgorithm, message: &[u8]) -> Digest {
    let algorithm = match algorithm {
        HashAlgorithm::Sha256 => &digest::SHA256,
        HashAlgorithm::Sha384 => &digest::SHA384,
        HashAlgorithm::Sha512 => &digest::SHA512,
    };
    Digest::new(digest::digest(algorithm, message).as_ref()).unwrap()
}

fn fingerprint(spki: &[u8]) -> KeyRef {
    KeyRef::new(digest::digest(&digest::SHA256, spki).as_ref().try_into().unwrap())
}
