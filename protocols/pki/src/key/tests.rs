//! Public keys: every kind is read, every bad one refused for its own reason.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use super::*;
use crate::vectors;
use proptest::prelude::*;

fn key(name: &str) -> Result<PublicKey, KeyFault> {
    PublicKey::from_spki_der(&vectors::read(&format!("key/{name}.spki.der")))
}

#[test]
fn every_kind_is_read() {
    for (name, algorithm) in [
        ("rsa-2048", KeyAlgorithm::Rsa(2048)),
        ("rsa-3072", KeyAlgorithm::Rsa(3072)),
        ("rsa-4096", KeyAlgorithm::Rsa(4096)),
        ("ec-p256", KeyAlgorithm::P256),
        ("ec-p384", KeyAlgorithm::P384),
        ("ec-p521", KeyAlgorithm::P521),
        ("ed25519", KeyAlgorithm::Ed25519),
        ("ml-dsa-44", KeyAlgorithm::MlDsa44),
        ("ml-dsa-65", KeyAlgorithm::MlDsa65),
        ("ml-dsa-87", KeyAlgorithm::MlDsa87),
    ] {
        let key = key(name).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(name.parse::<KeyAlgorithm>().unwrap(), algorithm);
        assert_eq!(algorithm.to_string(), name);
        assert!(key.spki_der().ends_with(key.key_bits()));
    }
}

#[test]
fn weak_keys_are_refused_by_name() {
    for (name, word) in [
        ("bad-rsa-1024", "2048 bits"),
        ("bad-rsa-2040", "2048 bits"),
        ("bad-rsa-e3", "exponent"),
        ("bad-roca", "ROCA"),
        ("bad-debian-le64-noreadrnd-1", "Debian"),
        ("bad-debian-le64-noreadrnd-1000", "Debian"),
        ("bad-debian-le32-noreadrnd-1", "Debian"),
        ("bad-debian-le64-rnd-1", "Debian"),
        ("bad-debian-badkeys", "Debian"),
    ] {
        let fault = key(name).unwrap_err();
        assert_eq!(fault.code(), "key_too_weak", "{name}");
        assert!(fault.to_string().contains(word), "{name}: {fault}");
    }
}

#[test]
fn foreign_kinds_are_refused_by_name() {
    for (name, word) in [
        ("bad-ec-p192", "P-192"),
        ("bad-ec-p224", "P-224"),
        ("bad-ec-secp256k1", "secp256k1"),
        ("bad-ec-brainpool", "1.3.36.3.3.2.8.1.1.7"),
        ("bad-ec-explicit", "named curve"),
        ("bad-ed448", "Ed448"),
        ("bad-x25519", "1.3.101.110"),
        ("bad-rsa-pss", "PSS"),
    ] {
        let fault = key(name).unwrap_err();
        assert_eq!(fault.code(), "key_algorithm_unsupported", "{name}");
        assert!(fault.to_string().contains(word), "{name}: {fault}");
    }
    assert_eq!(key("bad-ec-compressed").unwrap_err().code(), "key_malformed");
}

/// The same key with its exponent, three octets at the end, replaced by three others.
fn with_exponent(exponent: [u8; 3]) -> Result<PublicKey, KeyFault> {
    let mut spki = vectors::read("key/rsa-2048.spki.der");
    let start = spki.len() - 3;
    spki[start..].copy_from_slice(&exponent);
    PublicKey::from_spki_der(&spki)
}

#[test]
fn exponents_are_odd_and_large_enough() {
    assert!(with_exponent([0x01, 0x00, 0x01]).is_ok());
    assert!(with_exponent([0x01, 0x00, 0x03]).is_ok());
    assert_eq!(
        with_exponent([0x01, 0x00, 0x02]).unwrap_err().code(),
        "key_too_weak"
    );
    // Not minimal, hence not DER: 1 written in three octets.
    assert_eq!(
        with_exponent([0x00, 0x00, 0x01]).unwrap_err().code(),
        "key_malformed"
    );
    assert_eq!(
        with_exponent([0x00, 0xff, 0xff]).unwrap_err().code(),
        "key_too_weak"
    );
}

#[test]
fn a_modulus_with_a_small_factor_is_refused() {
    // Of three odd numbers in a row, one divides by 3.
    let faults = (0..3).map(|step| {
        let mut spki = vectors::read("key/rsa-2048.spki.der");
        let last = spki.len() - 6;
        spki[last] = 1 + 2 * step;
        PublicKey::from_spki_der(&spki).err()
    });
    assert!(
        faults
            .flatten()
            .any(|fault| fault == KeyFault::Weak("its modulus has a small factor"))
    );
}

#[test]
fn a_point_off_its_curve_is_refused() {
    for name in ["ec-p256", "ec-p384", "ec-p521"] {
        let mut spki = vectors::read(&format!("key/{name}.spki.der"));
        let last = spki.len() - 1;
        spki[last] ^= 1;
        assert_eq!(
            PublicKey::from_spki_der(&spki).unwrap_err().code(),
            "key_malformed",
            "{name}"
        );
    }
}

#[test]
fn points_of_small_order_are_refused() {
    let good = vectors::read("key/ed25519.spki.der");
    let head = &good[..12];
    let one: Vec<u8> = std::iter::once(1).chain([0; 31]).collect();
    let minus_one: Vec<u8> = std::iter::once(0xec).chain([0xff; 30]).chain([0x7f]).collect();
    for point in [vec![0; 32], one, minus_one] {
        let fault = PublicKey::from_spki_der(&[head, &point].concat()).unwrap_err();
        assert_eq!(fault, KeyFault::Weak("its point has a small order"));
    }
}

#[test]
fn parameters_are_as_the_standards_say() {
    // RFC 9881 §2 and RFC 8410 §3: absent. A NULL after the identifier makes both lengths two larger.
    for name in ["ed25519", "ml-dsa-44"] {
        let good = PublicKey::from_spki_der(&vectors::read(&format!("key/{name}.spki.der"))).unwrap();
        let info = SubjectPublicKeyInfoRef::from_der(good.spki_der()).unwrap();
        let oid = der::Encode::to_der(&info.algorithm.oid).unwrap();
        let identifier = crate::encode::wrap(0x30, &[&oid, &[0x05, 0x00]]);
        let bits = crate::encode::wrap(0x03, &[&[0], good.key_bits()]);
        let bent = crate::encode::wrap(0x30, &[&identifier, &bits]);
        assert_eq!(
            PublicKey::from_spki_der(&bent),
            Err(KeyFault::Malformed("parameters must be absent")),
            "{name}"
        );
    }
    // RFC 3279 §2.3.1: NULL, not absent.
    let good = key("rsa-2048").unwrap();
    let identifier = [
        0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
    ];
    let bits = crate::encode::wrap(0x03, &[&[0], good.key_bits()]);
    let bent = crate::encode::wrap(0x30, &[&identifier, &bits]);
    assert_eq!(
        PublicKey::from_spki_der(&bent),
        Err(KeyFault::Malformed("RSA parameters must be NULL"))
    );
}

#[test]
fn truncation_is_refused_at_every_octet() {
    for (name, spki) in vectors::all("key", ".spki.der") {
        for end in 0..spki.len() {
            assert!(
                PublicKey::from_spki_der(&spki[..end]).is_err(),
                "{name} cut at {end}"
            );
        }
    }
    assert!(PublicKey::from_spki_der(&vec![0x30; 10 * 1024 * 1024]).is_err());
}

#[test]
fn identifiers_are_digests_of_the_right_octets() {
    // `openssl x509 -ext subjectKeyIdentifier` of chain/root.der computes the same from the same key.
    let root = crate::Certificate::parse(&vectors::read("chain/root.der")).unwrap();
    assert_eq!(root.subject_key_id().unwrap(), root.public_key().key_id());
    let key = key("ec-p256").unwrap();
    assert_eq!(
        key.fingerprint().0.as_slice(),
        digest::digest(&digest::SHA256, key.spki_der()).as_ref()
    );
    assert_eq!(key.fingerprint().to_string().len(), 64);
}

#[test]
fn crooked_algorithm_names_are_refused() {
    for text in [
        "rsa-1024",
        "rsa-16384",
        "rsa-",
        "rsa--1",
        "ec-p192",
        "RSA-2048",
        "",
        "dsa",
    ] {
        assert!(text.parse::<KeyAlgorithm>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(PublicKey::from_spki_der(&octets).is_err());
    }

    #[test]
    fn a_bent_key_that_is_read_keeps_its_octets(octets in vectors::bent("key", ".spki.der")) {
        if let Ok(key) = PublicKey::from_spki_der(&octets) {
            prop_assert_eq!(key.spki_der(), octets.as_slice());
            prop_assert!(octets.ends_with(key.key_bits()));
        }
    }
}
