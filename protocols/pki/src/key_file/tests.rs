//! Private key files of every form that OpenSSL and pyca write, in DER and PEM.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use super::*;
use crate::vectors;
use proptest::prelude::*;

const PASSPHRASE: Option<&[u8]> = Some(b"password");

fn file(name: &str) -> Vec<u8> {
    vectors::read(&format!("key_file/{name}.der"))
}

fn spki(name: &str) -> Vec<u8> {
    vectors::read(&format!("key/{name}.spki.der"))
}

#[test]
fn every_form_gives_the_key_that_belongs_to_it() {
    for (name, label, key) in [
        ("rsa-2048.pk8", "PRIVATE KEY", "rsa-2048"),
        ("rsa-2048.pkcs1", "RSA PRIVATE KEY", "rsa-2048"),
        ("ec-p256.pk8", "PRIVATE KEY", "ec-p256"),
        ("ec-p256.sec1", "EC PRIVATE KEY", "ec-p256"),
        ("ec-p256-no-public.sec1", "EC PRIVATE KEY", "ec-p256"),
        ("ec-p384.pk8", "PRIVATE KEY", "ec-p384"),
        ("ec-p384.sec1", "EC PRIVATE KEY", "ec-p384"),
        ("ec-p521.pk8", "PRIVATE KEY", "ec-p521"),
        ("ec-p521.sec1", "EC PRIVATE KEY", "ec-p521"),
        ("ed25519.pk8", "PRIVATE KEY", "ed25519"),
        ("ml-dsa-44.pk8", "PRIVATE KEY", "ml-dsa-44"),
        ("ml-dsa-65.pk8", "PRIVATE KEY", "ml-dsa-65"),
        ("ml-dsa-87.pk8", "PRIVATE KEY", "ml-dsa-87"),
        ("ec-p256-aes256.encrypted", "ENCRYPTED PRIVATE KEY", "ec-p256"),
        (
            "rsa-2048-aes128-sha1.encrypted",
            "ENCRYPTED PRIVATE KEY",
            "rsa-2048",
        ),
        ("ed25519-scrypt.encrypted", "ENCRYPTED PRIVATE KEY", "ed25519"),
    ] {
        let der = file(name);
        let read = parse(&der, PASSPHRASE).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(read.public_key.spki_der(), spki(key), "{name}");
        // What comes out is plain PKCS#8 and reads the same again.
        let again = parse(&read.pkcs8, None).unwrap();
        assert_eq!(again.public_key, read.public_key);
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let pem = format!("{parameters}{}", pem::encode(label, &der));
        assert_eq!(
            parse(pem.as_bytes(), PASSPHRASE).unwrap().public_key,
            read.public_key,
            "{name} in PEM"
        );
    }
}

#[test]
fn passphrases_are_asked_for_and_checked() {
    for name in [
        "ec-p256-aes256.encrypted",
        "rsa-2048-aes128-sha1.encrypted",
        "ed25519-scrypt.encrypted",
    ] {
        assert!(
            matches!(parse(&file(name), None), Err(KeyFileFault::PassphraseMissing)),
            "{name}"
        );
        assert!(
            matches!(
                parse(&file(name), Some(b"wrong")),
                Err(KeyFileFault::PassphraseWrong)
            ),
            "{name}"
        );
    }
}

#[test]
fn what_is_encrypted_is_opened_by_its_passphrase_alone() {
    // As `encrypt` does, in fewer rounds.
    let encrypt = |input: &[u8], passphrase: &[u8], salt: &[u8; 16]| {
        let quick = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(2, salt, [2; 16]).unwrap();
        encrypt_with(&quick, input, passphrase)
    };
    let salt = [1; 16];
    for name in ["rsa-2048.pkcs1", "ec-p384.sec1", "ed25519.pk8", "ml-dsa-65.pk8"] {
        let key = parse(&file(name), None).unwrap();
        let pem = encrypt(&file(name), b"correct horse", &salt).unwrap();
        assert!(
            pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"),
            "{pem}"
        );
        let opened = parse(pem.as_bytes(), Some(b"correct horse")).unwrap();
        assert_eq!(
            (opened.pkcs8, opened.public_key),
            (key.pkcs8, key.public_key),
            "{name}"
        );
        assert!(matches!(
            parse(pem.as_bytes(), Some(b"wrong")),
            Err(KeyFileFault::PassphraseWrong)
        ));
        assert!(matches!(
            parse(pem.as_bytes(), None),
            Err(KeyFileFault::PassphraseMissing)
        ));
        // What is encrypted is not encrypted once more.
        let again = encrypt(pem.as_bytes(), b"other", &salt);
        assert!(matches!(again, Err(KeyFileFault::PassphraseMissing)), "{again:?}");
    }
    let key = file("ec-p256.pk8");
    let one = encrypt(&key, b"x", &salt).unwrap();
    assert_eq!(encrypt(&key, b"x", &salt).unwrap(), one);
    assert_ne!(encrypt(&key, b"x", &[3; 16]).unwrap(), one);
    assert!(matches!(
        encrypt(&key, b"", &salt),
        Err(KeyFileFault::PassphraseMissing)
    ));
    assert!(matches!(
        encrypt(b"no key", b"x", &salt),
        Err(KeyFileFault::Malformed(_))
    ));
}

#[test]
fn what_is_written_encrypted_is_within_what_is_read() {
    let pem = encrypt(&file("ed25519.pk8"), b"x", &[1; 16], &[2; 16]).unwrap();
    assert_eq!(
        parse(pem.as_bytes(), Some(b"x")).unwrap().public_key.spki_der(),
        spki("ed25519")
    );
}

#[test]
fn a_file_does_not_choose_how_long_we_work() {
    assert!(matches!(
        parse(&file("bad-iterations.encrypted"), PASSPHRASE),
        Err(KeyFileFault::Derivation)
    ));
    assert!(matches!(
        parse(&file("bad-pkcs12-pbe.encrypted"), PASSPHRASE),
        Err(KeyFileFault::Scheme)
    ));
    // The scrypt file with N = 2^14: with r = 127 it takes 254 MiB, with N = 2^14 + 1 it means nothing.
    let good = file("ed25519-scrypt.encrypted");
    let parameters = [0x02, 0x02, 0x40, 0x00, 0x02, 0x01, 0x08];
    let place = good
        .windows(parameters.len())
        .position(|window| window == parameters)
        .unwrap();
    for (offset, octet) in [(6, 0x7f), (3, 0x01)] {
        let mut bent = good.clone();
        bent[place + offset] = octet;
        assert!(matches!(parse(&bent, PASSPHRASE), Err(KeyFileFault::Derivation)));
    }
}

/// What was inside was read by one reader and refused by the next.
#[test]
fn regress_0003_inside_is_pkcs8() {
    let outcome = parse(&file("bad-inside.encrypted"), PASSPHRASE);
    assert!(matches!(outcome, Err(KeyFileFault::Malformed(_))), "{outcome:?}");
}

/// N = 0 of scrypt overflowed in the derivation.
#[test]
fn regress_0001_scrypt_cost_zero() {
    let der = file("bad-scrypt-cost-zero.encrypted");
    assert!(matches!(parse(&der, PASSPHRASE), Err(KeyFileFault::Derivation)));
    let pem = pem::encode("ENCRYPTED PRIVATE KEY", &der);
    assert!(matches!(
        parse(pem.as_bytes(), PASSPHRASE),
        Err(KeyFileFault::Derivation)
    ));
}

#[test]
fn other_keys_are_refused() {
    assert!(matches!(
        parse(&file("bad-ec-secp256k1.pk8"), None),
        Err(KeyFileFault::Malformed(_))
    ));
    assert!(matches!(
        parse(&file("bad-x25519.pk8"), None),
        Err(KeyFileFault::Malformed(_))
    ));
    assert!(parse(&file("bad-rsa-1024.pk8"), None).is_err());
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert!(matches!(
        parse(old.as_bytes(), PASSPHRASE),
        Err(KeyFileFault::OldEncryption)
    ));
    let certificate = pem::encode("CERTIFICATE", &vectors::read("chain/leaf.der"));
    assert!(matches!(
        parse(certificate.as_bytes(), None),
        Err(KeyFileFault::Absent)
    ));
    assert!(matches!(
        parse(&vec![0; MAX_KEY_FILE_LEN + 1], None),
        Err(KeyFileFault::TooLong)
    ));
}

#[test]
fn a_key_file_does_not_print_its_key() {
    let read = parse(&file("ec-p256.pk8"), None).unwrap();
    let text = format!("{read:?}");
    assert!(
        text.contains(&read.public_key.fingerprint().to_string()) && !text.contains("pkcs8"),
        "{text}"
    );
}

#[test]
fn a_public_half_that_does_not_belong_is_refused() {
    // PKCS#8 of P-256 with the last octet of the public point inside changed.
    let mut der = file("ec-p256.pk8");
    *der.last_mut().unwrap() ^= 1;
    assert!(parse(&der, None).is_err());
}

#[test]
fn truncation_is_refused_at_every_octet() {
    for (name, der) in vectors::all("key_file", ".der") {
        // A wrong passphrase costs rounds; what is cut is refused before them.
        for end in 0..der.len() {
            assert!(parse(&der[..end], PASSPHRASE).is_err(), "{name} cut at {end}");
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(parse(&octets, None).is_err());
    }

    #[test]
    fn a_bent_key_is_read_or_refused(octets in vectors::bent("key_file", ".der")) {
        if let Ok(read) = parse(&octets, None) {
            prop_assert!(parse(&read.pkcs8, None).is_ok());
        }
    }
}
