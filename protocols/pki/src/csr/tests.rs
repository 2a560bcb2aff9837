//! Requests from OpenSSL and pyca: good ones are read and verified, each bad one is refused with its own code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use super::*;
use crate::{KeyAlgorithm, vectors};
use proptest::prelude::*;

fn csr(name: &str) -> Result<Csr, CsrFault> {
    Csr::parse(&vectors::read(&format!("csr/{name}.der")))
}

#[test]
fn every_algorithm_verifies() {
    for (name, algorithm, key) in [
        ("rsa-pkcs1-sha256", "rsa-pkcs1-sha256", KeyAlgorithm::Rsa(2048)),
        ("rsa-pkcs1-sha384", "rsa-pkcs1-sha384", KeyAlgorithm::Rsa(2048)),
        ("rsa-pkcs1-sha512", "rsa-pkcs1-sha512", KeyAlgorithm::Rsa(2048)),
        ("rsa-pss-sha256", "rsa-pss-sha256", KeyAlgorithm::Rsa(3072)),
        ("rsa-pss-sha384", "rsa-pss-sha384", KeyAlgorithm::Rsa(3072)),
        ("rsa-pss-sha512", "rsa-pss-sha512", KeyAlgorithm::Rsa(3072)),
        ("ecdsa-sha256", "ecdsa-sha256", KeyAlgorithm::P256),
        ("ecdsa-sha384", "ecdsa-sha384", KeyAlgorithm::P384),
        ("ecdsa-sha512", "ecdsa-sha512", KeyAlgorithm::P521),
        ("ed25519", "ed25519", KeyAlgorithm::Ed25519),
        ("ml-dsa-44", "ml-dsa-44", KeyAlgorithm::MlDsa44),
        ("ml-dsa-65", "ml-dsa-65", KeyAlgorithm::MlDsa65),
        ("ml-dsa-87", "ml-dsa-87", KeyAlgorithm::MlDsa87),
    ] {
        let request = csr(name).unwrap().verify().unwrap();
        assert_eq!(request.public_key().algorithm(), key, "{name}");
        let signed = Signed::split(request.der()).unwrap();
        assert_eq!(signed.algorithm().unwrap().to_string(), algorithm);
        assert_eq!(request.subject().common_name().unwrap(), "a.example");
    }
}

#[test]
fn what_is_asked_is_read() {
    let request = csr("ecdsa-sha256").unwrap().verify().unwrap();
    assert_eq!(request.subject().to_string(), "CN=a.example,O=Example,C=CH");
    let names: Vec<String> = request
        .subject_alt_names()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "dns:a.example",
            "dns:*.b.example",
            "ip:192.0.2.1",
            "ip:2001:db8::1",
            "email:a@b.example",
            "uri:https://c.example/d",
            "upn:user@corp.example"
        ]
    );
    assert!(!request.requested_ca());
    assert!(request.requested_key_usage().unwrap().digital_signature());
    let purposes: Vec<String> = request
        .requested_extended_key_usage()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(purposes, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    assert_eq!(request.challenge_password(), None);
    assert_eq!(
        csr("challenge-password").unwrap().challenge_password(),
        Some("secret1")
    );
    assert_eq!(csr("ed25519").unwrap().subject_alt_names().unwrap(), []);
}

#[test]
fn pem_and_der_are_one() {
    let pem = vectors::read("csr/ecdsa-sha256.pem");
    let request = Csr::parse(&pem).unwrap();
    assert_eq!(Csr::parse(request.der()).unwrap(), request);
    let renamed = String::from_utf8(pem)
        .unwrap()
        .replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert_eq!(Csr::parse(renamed.as_bytes()).unwrap(), request);
    let other = renamed.replace("NEW CERTIFICATE REQUEST", "CERTIFICATE");
    assert_eq!(Csr::parse(other.as_bytes()).unwrap_err().code(), "csr_malformed");
}

#[test]
fn foreign_and_crooked_names_are_refused() {
    for (name, code) in [
        ("bad-san-registered-id", "san_type_not_allowed"),
        ("bad-san-other-name", "san_type_not_allowed"),
        ("bad-san-directory-name", "san_type_not_allowed"),
        ("bad-san-edi-party-name", "san_type_not_allowed"),
        ("bad-san-x400-address", "san_type_not_allowed"),
        ("bad-san-garbled", "san_malformed"),
        ("bad-san-nul", "san_invalid"),
        ("bad-san-wildcard-middle", "san_invalid"),
        ("bad-san-wildcard-part", "san_invalid"),
        ("bad-san-ip-5", "san_invalid"),
        ("bad-many-1001", "san_too_many"),
    ] {
        let fault = csr(name)
            .unwrap()
            .verify()
            .unwrap()
            .subject_alt_names()
            .unwrap_err();
        assert_eq!(fault.code(), code, "{name}: {fault}");
        assert!(!fault.to_string().chars().any(char::is_control), "{name}");
    }
    assert_eq!(
        csr("many-1000")
            .unwrap()
            .verify()
            .unwrap()
            .subject_alt_names()
            .unwrap()
            .len(),
        1000
    );
}

#[test]
fn a_wish_to_be_an_authority_is_seen() {
    assert!(csr("bad-ca-true").unwrap().requested_ca());
}

#[test]
fn bad_requests_are_refused_with_their_codes() {
    for (name, code) in [
        ("bad-duplicate-extension", "csr_duplicate_extension"),
        ("bad-basic-constraints-garbled", "csr_malformed"),
        ("bad-key-usage-garbled", "csr_malformed"),
        ("bad-rsa-1024", "key_too_weak"),
        ("bad-rsa-e3", "key_too_weak"),
        ("bad-ec-p192", "key_algorithm_unsupported"),
        ("bad-ec-secp256k1", "key_algorithm_unsupported"),
        ("bad-ed448", "key_algorithm_unsupported"),
        ("bad-sha1", "csr_signature_algorithm_unsupported"),
        ("bad-sha224", "csr_signature_algorithm_unsupported"),
    ] {
        let fault = csr(name).and_then(Csr::verify).unwrap_err();
        assert_eq!(fault.code(), code, "{name}: {fault}");
    }
}

#[test]
fn a_nul_in_the_subject_is_refused() {
    let mut der = vectors::read("csr/ecdsa-sha256.der");
    let place = der.windows(9).position(|window| window == b"a.example").unwrap();
    der[place + 1] = 0;
    let fault = Csr::parse(&der).unwrap_err();
    assert_eq!(fault, CsrFault::Subject(NameFault::ControlCharacter));
    assert_eq!(fault.code(), "subject_invalid");
}

#[test]
fn ten_megabytes_are_refused_before_they_are_read() {
    // Neither is DER or PEM: any reading would end in another fault.
    assert_eq!(Csr::parse(&vec![0xff; 10 * 1024 * 1024]), Err(CsrFault::TooLong));
    let pem = "-----BEGIN CERTIFICATE REQUEST-----\n".repeat(300_000);
    assert_eq!(Csr::parse(pem.as_bytes()), Err(CsrFault::TooLong));
    assert_eq!(CsrFault::TooLong.code(), "csr_too_long");
}

#[test]
fn truncation_is_refused_at_every_octet() {
    for (name, der) in vectors::all("csr", ".der") {
        for end in 0..der.len() {
            assert!(Csr::parse(&der[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn no_octet_can_be_changed_under_the_signature() {
    for name in ["ecdsa-sha256", "ed25519"] {
        let der = vectors::read(&format!("csr/{name}.der"));
        for place in 0..der.len() {
            for bit in [0x01, 0x80] {
                let mut bent = der.clone();
                bent[place] ^= bit;
                assert!(
                    Csr::parse(&bent).and_then(Csr::verify).is_err(),
                    "{name} at {place}"
                );
            }
        }
    }
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let ours = vectors::read("csr/ecdsa-sha256.der");
    let theirs = vectors::read("csr/challenge-password.der");
    let (ours, theirs) = (Signed::split(&ours).unwrap(), Signed::split(&theirs).unwrap());
    let spliced = assemble(ours.tbs, SignatureAlgorithm::EcdsaSha256, theirs.signature);
    let fault = Csr::parse(&spliced).unwrap().verify().unwrap_err();
    assert_eq!(fault, CsrFault::Signature);
    assert_eq!(fault.code(), "csr_signature_invalid");
    let claims = assemble(ours.tbs, SignatureAlgorithm::Ed25519, theirs.signature);
    let fault = Csr::parse(&claims).unwrap().verify().unwrap_err();
    assert_eq!(fault.code(), "csr_signature_algorithm_unsupported");
}

#[test]
fn attributes_are_strict() {
    let key = PublicKey::from_spki_der(&vectors::read("key/ec-p256.spki.der")).unwrap();
    let subject = DistinguishedName::parse("CN=a.example").unwrap();
    let request = |attributes: &[u8]| {
        let info = encode::wrap(
            SEQUENCE,
            &[&[0x02, 0x01, 0x00], subject.der(), key.spki_der(), attributes],
        );
        Csr::parse(&assemble(&info, SignatureAlgorithm::EcdsaSha256, &[0]))
    };
    let password = [
        0x30, 0x10, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07, 0x31, 0x03, 0x0c, 0x01,
        0x78,
    ];
    assert!(request(&[]).is_ok(), "attributes left out, as old clients do");
    assert_eq!(
        request(&encode::wrap(0xa0, &[&password]))
            .unwrap()
            .challenge_password(),
        Some("x")
    );
    assert_eq!(
        request(&encode::wrap(0xa0, &[&password, &password]))
            .unwrap_err()
            .code(),
        "csr_malformed"
    );
    assert_eq!(
        request(&encode::wrap(0xa1, &[])).unwrap_err().code(),
        "csr_malformed"
    );
    assert_eq!(
        request(&[0xa0, 0x00, 0x05, 0x00]).unwrap_err().code(),
        "csr_malformed"
    );
}

#[test]
fn our_own_requests_are_as_openssl_makes_them() {
    let theirs = vectors::read("csr/ecdsa-sha384.der");
    let theirs = Signed::split(&theirs).unwrap();
    let read = csr("ecdsa-sha384").unwrap();
    assert_eq!(
        request_info(read.subject(), read.public_key(), false, &[]),
        theirs.tbs
    );
}

#[test]
fn our_own_requests_are_read_back() {
    let key = PublicKey::from_spki_der(&vectors::read("key/ml-dsa-87.spki.der")).unwrap();
    let subject = DistinguishedName::parse("CN=Issuing,O=Example,C=CH").unwrap();
    let names: Vec<SubjectAltName> = [
        "dns:a.example",
        "ip:192.0.2.1",
        "ip:2001:db8::1",
        "email:a@b.example",
        "uri:urn:x:y",
        "upn:u@corp.example",
    ]
    .iter()
    .map(|text| text.parse().unwrap())
    .collect();
    let request = Csr::parse(&assemble(
        &request_info(&subject, &key, true, &names),
        SignatureAlgorithm::MlDsa87,
        &[1],
    ))
    .unwrap();
    assert_eq!(request.subject(), &subject);
    assert_eq!(request.subject_alt_names().unwrap(), names);
    assert!(request.requested_ca());
    let usage = request.requested_key_usage().unwrap();
    assert!(
        usage.key_cert_sign() && usage.crl_sign() && usage.digital_signature() && !usage.key_encipherment()
    );
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Csr::parse(&octets).is_err());
    }

    #[test]
    fn a_bent_request_never_verifies(octets in vectors::bent("csr", ".der")) {
        let known = vectors::all("csr", ".der").into_iter().any(|(_, vector)| vector == octets);
        prop_assume!(!known);
        if let Ok(request) = Csr::parse(&octets) {
            prop_assert_eq!(request.der(), octets.as_slice());
            let _ = request.subject_alt_names();
            prop_assert!(request.verify().is_err());
        }
    }
}
