//! Certificates from OpenSSL and pyca.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use super::*;
use crate::vectors;
use proptest::prelude::*;

fn certificate(name: &str) -> Result<Certificate, CertificateFault> {
    Certificate::parse(&vectors::read(&format!("{name}.der")))
}

#[test]
fn every_field_is_read() {
    let leaf = certificate("chain/leaf").unwrap();
    let issuing = certificate("chain/issuing").unwrap();
    assert_eq!(leaf.serial().to_string(), "5a1b2c3d4e5f60718293a4b5c6d7e8f9");
    assert_eq!(leaf.subject().to_string(), "CN=a.example,O=Example,C=CH");
    assert_eq!(leaf.issuer(), issuing.subject());
    assert_eq!(leaf.not_before().to_string(), "2025-01-01T00:00:00Z");
    assert_eq!(leaf.not_after().to_string(), "2035-01-01T00:00:00Z");
    assert!(leaf.is_valid_at(leaf.not_before()) && leaf.is_valid_at(leaf.not_after()));
    assert!(!leaf.is_valid_at(leaf.not_after() + jiff::SignedDuration::from_secs(1)));
    assert_eq!(
        leaf.public_key().spki_der(),
        vectors::read("key/ed25519.spki.der")
    );
    assert_eq!(leaf.signature_algorithm(), SignatureAlgorithm::EcdsaSha256);
    let names: Vec<String> = leaf
        .subject_alt_names()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["dns:a.example", "dns:*.a.example", "ip:192.0.2.1"]);
    assert!(!leaf.is_ca() && !leaf.may_sign_certificates());
    assert!(leaf.key_usage().unwrap().digital_signature());
    assert_eq!(leaf.extended_key_usage().len(), 2);
    assert_eq!(leaf.authority_key_id(), issuing.subject_key_id());
    assert_eq!(leaf.crl_urls(), ["http://pki.example/ca.crl"]);
    assert_eq!(leaf.ocsp_urls(), ["http://pki.example/ocsp"]);
    assert_eq!(leaf.ca_issuer_urls(), ["http://pki.example/ca.der"]);
    assert!(leaf.must_staple() && !issuing.must_staple());
    assert!(issuing.is_ca() && issuing.may_sign_certificates());
    assert_eq!(issuing.path_len(), Some(0));
    assert_eq!(leaf.verify_signed_by(issuing.public_key()), Ok(()));
    assert_eq!(leaf.verify_signed_by(leaf.public_key()), Err(BadSignature));
    assert!(certificate("chain/root").unwrap().is_self_signed() && !issuing.is_self_signed());
}

#[test]
fn the_summary_is_for_people() {
    let summary = certificate("chain/leaf").unwrap().summary();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/certificate/leaf.summary.txt"
    );
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &summary).unwrap();
    }
    assert_eq!(
        summary,
        String::from_utf8(vectors::read("certificate/leaf.summary.txt")).unwrap()
    );
    let authority = certificate("chain/issuing").unwrap().summary();
    assert!(authority.contains("CA:TRUE, pathlen:0") && authority.contains("keyCertSign, cRLSign"));
    assert!(
        certificate("certificate/foreign-san")
            .unwrap()
            .summary()
            .contains("registeredID")
    );
}

#[test]
fn self_signed_certificates_of_every_algorithm_verify() {
    for (name, algorithm) in [
        ("rsa", SignatureAlgorithm::RsaPkcs1Sha256),
        ("pss", SignatureAlgorithm::RsaPssSha256),
        ("ec", SignatureAlgorithm::EcdsaSha256),
        ("ml-dsa-44", SignatureAlgorithm::MlDsa44),
        ("ml-dsa-65", SignatureAlgorithm::MlDsa65),
        ("ml-dsa-87", SignatureAlgorithm::MlDsa87),
    ] {
        let certificate = certificate(&format!("certificate/{name}")).unwrap();
        assert_eq!(certificate.signature_algorithm(), algorithm);
        assert!(certificate.is_self_signed(), "{name}");
    }
}

#[test]
fn times_and_serials_at_the_edge() {
    let far = certificate("certificate/far-future").unwrap();
    assert_eq!(far.serial().to_string(), "7f");
    assert_eq!(far.not_after().to_string().get(..10), Some("9999-12-30"));
    // 0xff takes two octets in DER and one here.
    let high = certificate("certificate/serial-high-bit").unwrap();
    assert_eq!(high.serial().as_bytes(), [0xff]);
    assert_eq!(
        certificate("certificate/bad-serial-21"),
        Err(CertificateFault::Serial(SerialFault::TooLong))
    );
}

#[test]
fn odd_certificates() {
    let fault = certificate("certificate/bad-version-1").unwrap_err();
    assert!(matches!(fault, CertificateFault::Malformed(_)), "{fault}");
    let foreign = certificate("certificate/foreign-san").unwrap();
    assert_eq!(
        foreign.subject_alt_names(),
        Err(SanFault::ForeignType("registeredID"))
    );
    assert_eq!(
        Certificate::parse(&vec![0; 10 * 1024 * 1024]),
        Err(CertificateFault::TooLong)
    );
    assert!(matches!(
        Certificate::parse(b"-----BEGIN CERTIFICATE-----"),
        Err(CertificateFault::Malformed(_))
    ));
}

/// The leaf with some octets replaced by as many others.
fn leaf_with(old: &[u8], new: &[u8]) -> Result<Certificate, CertificateFault> {
    assert_eq!(old.len(), new.len());
    let mut der = vectors::read("chain/leaf.der");
    let place = der.windows(old.len()).position(|window| window == old).unwrap();
    der[place..place + old.len()].copy_from_slice(new);
    Certificate::parse(&der)
}

#[test]
fn garbled_limits_are_refused() {
    // basicConstraints: the OCTET STRING's SEQUENCE becomes a SET; keyUsage: a BIT STRING becomes an OCTET STRING.
    assert!(
        leaf_with(
            &[0x55, 0x1d, 0x13, 1, 1, 0xff, 4, 2, 0x30],
            &[0x55, 0x1d, 0x13, 1, 1, 0xff, 4, 2, 0x31]
        )
        .is_err()
    );
    assert!(
        leaf_with(
            &[0x55, 0x1d, 0x0f, 1, 1, 0xff, 4, 4, 3],
            &[0x55, 0x1d, 0x0f, 1, 1, 0xff, 4, 4, 4]
        )
        .is_err()
    );
    // The same extension twice: keyUsage named basicConstraints.
    let twice = leaf_with(&[0x55, 0x1d, 0x0f], &[0x55, 0x1d, 0x13]).unwrap_err();
    assert_eq!(twice, CertificateFault::DuplicateExtension(BasicConstraints::OID));
    // ecdsa-with-SHA256 inside becomes ecdsa-with-SHA384: the two algorithms differ.
    let algorithm = SignatureAlgorithm::EcdsaSha256.identifier_der();
    assert!(leaf_with(algorithm, SignatureAlgorithm::EcdsaSha384.identifier_der()).is_err());
}

#[test]
fn pem_holds_one_or_many() {
    let (leaf, root) = (
        certificate("chain/leaf").unwrap(),
        certificate("chain/root").unwrap(),
    );
    let text = format!("subject=x\n{}\n{}", leaf.pem(), root.pem());
    assert_eq!(
        Certificate::parse_all(text.as_bytes()).unwrap(),
        [leaf.clone(), root]
    );
    assert_eq!(Certificate::parse(text.as_bytes()).unwrap(), leaf);
    let request = pem::encode("CERTIFICATE REQUEST", leaf.der());
    assert!(Certificate::parse_all(request.as_bytes()).is_err());
}

#[test]
fn truncation_is_refused_at_every_octet() {
    for (name, der) in [vectors::all("certificate", ".der"), vectors::all("chain", ".der")].concat() {
        for end in 0..der.len() {
            assert!(Certificate::parse(&der[..end]).is_err(), "{name} cut at {end}");
        }
        let longer = [der.as_slice(), &[0]].concat();
        assert!(Certificate::parse(&longer).is_err(), "{name} with an octet more");
    }
}

#[test]
fn no_octet_can_be_changed_under_the_signature() {
    let der = vectors::read("chain/leaf.der");
    let issuing = certificate("chain/issuing").unwrap();
    for place in 0..der.len() {
        let mut bent = der.clone();
        bent[place] ^= 1;
        if let Ok(bent) = Certificate::parse(&bent) {
            assert_eq!(
                bent.verify_signed_by(issuing.public_key()),
                Err(BadSignature),
                "at {place}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Certificate::parse(&octets).is_err());
    }

    #[test]
    fn a_bent_certificate_is_read_or_refused(octets in vectors::bent("chain", ".der")) {
        if let Ok(certificate) = Certificate::parse(&octets) {
            prop_assert_eq!(certificate.der(), octets.as_slice());
            prop_assert!(certificate.summary().starts_with("Certificate:\n"));
            let _ = (certificate.crl_urls(), certificate.ocsp_urls(), certificate.name_constraints());
        }
    }
}
