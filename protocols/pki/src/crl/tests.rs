//! Revocation lists: what pyca and OpenSSL made is read, and what is built here is what pyca builds, octet for octet.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use super::*;
use crate::{Certificate, encode, vectors};
use proptest::prelude::*;

fn crl(name: &str) -> Result<Crl, CrlFault> {
    Crl::parse(&vectors::read(&format!("crl/{name}.der")))
}

fn issuing() -> Certificate {
    Certificate::parse(&vectors::read("chain/issuing.der")).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn serial(number: u16) -> Serial {
    Serial::from_unsigned(&number.to_be_bytes()).unwrap()
}

/// The entries of crl/delta.der: one for each reason.
fn every_reason() -> Vec<RevokedEntry> {
    let reasons = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10].map(|code| RevocationReason::from_code(code).unwrap());
    let entry = |(number, reason): (u16, RevocationReason)| RevokedEntry {
        serial: serial(0x101 + number),
        revoked_at: at("2024-12-31T01:02:03Z"),
        reason: (reason != RevocationReason::Unspecified).then_some(reason),
        invalidity_date: (reason == RevocationReason::KeyCompromise).then(|| at("2024-12-01T00:00:00Z")),
    };
    (0..).zip(reasons).map(entry).collect()
}

#[test]
fn every_field_is_read() {
    let crl = crl("all-reasons").unwrap();
    let issuing = issuing();
    assert_eq!(crl.issuer(), issuing.subject());
    assert_eq!(crl.authority_key_id(), issuing.subject_key_id());
    assert_eq!(crl.number(), Some(7));
    assert_eq!(crl.delta_base(), None);
    assert_eq!(crl.distribution_point(), None);
    assert_eq!(crl.signature_algorithm(), SignatureAlgorithm::EcdsaSha256);
    assert_eq!(crl.this_update(), at("2025-01-01T00:00:00Z"));
    assert_eq!(crl.next_update(), Some(at("2025-01-08T00:00:00Z")));
    assert_eq!(crl.verify_signed_by(issuing.public_key()), Ok(()));
    assert_eq!(
        crl.verify_signed_by(
            Certificate::parse(&vectors::read("chain/root.der"))
                .unwrap()
                .public_key()
        ),
        Err(BadSignature)
    );
    let entries: Vec<RevokedEntry> = crl.entries().map(Result::unwrap).collect();
    let mut expected = every_reason();
    expected.retain(|entry| entry.reason != Some(RevocationReason::RemoveFromCrl));
    assert_eq!(entries, expected);
    assert_eq!(
        crl.find(serial(0x107)).unwrap().reason,
        Some(RevocationReason::CertificateHold)
    );
    assert_eq!(crl.find(serial(0x100)), None);
}

#[test]
fn partial_lists_say_so() {
    let delta = crl("delta").unwrap();
    assert_eq!(delta.delta_base(), Some(5));
    assert_eq!(
        delta.entries().map(Result::unwrap).collect::<Vec<_>>(),
        every_reason()
    );
    let partial = crl("idp").unwrap();
    let expected = IssuingDistributionPoint {
        urls: vec!["http://pki.example/1.crl".to_owned()],
        only_user_certificates: true,
        only_ca_certificates: false,
    };
    assert_eq!(partial.distribution_point(), Some(&expected));
}

#[test]
fn lists_of_other_makers_are_read() {
    let openssl = Crl::parse(&vectors::read("crl/openssl.pem")).unwrap();
    assert_eq!(openssl.number(), Some(0x1000));
    assert_eq!(openssl.next_update(), Some(at("2060-01-01T00:00:00Z")));
    assert_eq!(
        openssl.find(serial(0x61)).unwrap().reason,
        Some(RevocationReason::KeyCompromise)
    );
    assert_eq!(openssl.verify_signed_by(issuing().public_key()), Ok(()));
    assert_eq!(Crl::parse(openssl.pem().as_bytes()).unwrap(), openssl);
    for name in ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"] {
        let authority = Certificate::parse(&vectors::read(&format!("certificate/{name}.der"))).unwrap();
        let crl = crl(name).unwrap();
        assert_eq!(crl.entries().count(), 0);
        assert_eq!(crl.verify_signed_by(authority.public_key()), Ok(()), "{name}");
    }
}

#[test]
fn lists_that_would_be_misread_are_refused() {
    for name in [
        "bad-indirect",
        "bad-some-reasons",
        "bad-critical",
        "bad-version-1",
    ] {
        assert!(matches!(crl(name), Err(CrlFault::Malformed(_))), "{name}");
    }
}

#[test]
fn what_is_built_is_what_pyca_builds() {
    let issuing = issuing();
    let (key_id, entries) = (issuing.subject_key_id().unwrap(), every_reason());
    let delta = CrlInput {
        issuer: issuing.subject(),
        authority_key_id: &key_id,
        algorithm: SignatureAlgorithm::EcdsaSha256,
        number: 7,
        this_update: at("2025-01-01T00:00:00Z"),
        next_update: at("2025-01-08T00:00:00Z"),
        distribution_point: None,
        delta_base: Some(5),
        freshest: None,
    };
    let tbs = |name: &str| {
        let der = vectors::read(&format!("crl/{name}.der"));
        Signed::split(&der).unwrap().tbs.to_vec()
    };
    assert_eq!(build(&delta, &entries).der(), tbs("delta"));
    let kept: Vec<RevokedEntry> = entries
        .iter()
        .copied()
        .filter(|entry| entry.reason != Some(RevocationReason::RemoveFromCrl))
        .collect();
    let full = CrlInput {
        delta_base: None,
        freshest: None,
        ..delta
    };
    assert_eq!(build(&full, &kept).der(), tbs("all-reasons"));
    let point = IssuingDistributionPoint {
        urls: vec!["http://pki.example/1.crl".to_owned()],
        only_user_certificates: true,
        only_ca_certificates: false,
    };
    assert_eq!(
        build(
            &CrlInput {
                distribution_point: Some(point),
                ..full
            },
            &kept
        )
        .der(),
        tbs("idp")
    );
}

#[test]
fn garbled_numbers_are_refused() {
    // The extension's INTEGER becomes an OCTET STRING. A delta must never pass for a whole list.
    for (name, extension) in [("delta", [0x55, 0x1d, 0x1b]), ("all-reasons", [0x55, 0x1d, 0x14])] {
        let mut der = vectors::read(&format!("crl/{name}.der"));
        let place = der.windows(3).position(|window| window == extension).unwrap();
        let integer = place
            + der[place..]
                .windows(2)
                .position(|window| window == [0x02, 0x01])
                .unwrap();
        der[integer] = 0x04;
        assert!(matches!(Crl::parse(&der), Err(CrlFault::Malformed(_))), "{name}");
    }
}

#[test]
fn truncation_is_refused_at_every_octet() {
    for (name, der) in vectors::all("crl", ".der") {
        for end in 0..der.len() {
            assert!(Crl::parse(&der[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn fields_out_of_order_are_refused() {
    let time = time::to_der(at("2025-01-01T00:00:00Z"));
    let crl = |fields: &[&[u8]]| {
        let algorithm = SignatureAlgorithm::Ed25519.identifier_der();
        let head: [&[u8]; 3] = [&[0x02, 0x01, 0x01], algorithm, &[0x30, 0x00]];
        let tbs = encode::wrap(0x30, &[&head.concat(), &time, &fields.concat()]);
        Crl::parse(&encode::wrap(0x30, &[&tbs, algorithm, &[0x03, 0x02, 0x00, 0x00]]))
    };
    let extensions = encode::wrap(0xa0, &[&[0x30, 0x00]]);
    assert!(crl(&[&time, &extensions]).is_ok());
    assert!(crl(&[&extensions, &time]).is_err());
    assert!(crl(&[&time, &time]).is_err());
    assert!(crl(&[&time, &extensions, &[0x05, 0x00]]).is_err());
}

fn entry() -> impl Strategy<Value = RevokedEntry> {
    let second = 0_i64..32_503_680_000;
    let reason = proptest::option::of(proptest::sample::select(vec![1_u8, 2, 3, 4, 5, 6, 8, 9, 10]));
    (
        any::<[u8; 16]>(),
        second.clone(),
        reason,
        proptest::option::of(second),
    )
        .prop_map(|(random, at, reason, invalid)| RevokedEntry {
            serial: Serial::from_random(random),
            revoked_at: Timestamp::from_second(at).unwrap(),
            reason: reason.and_then(RevocationReason::from_code),
            invalidity_date: invalid.map(|at| Timestamp::from_second(at).unwrap()),
        })
}

proptest! {
    #[test]
    fn what_is_built_is_read(
        entries in proptest::collection::vec(entry(), 0..20),
        number in any::<u64>(),
        base in proptest::option::of(any::<u64>()),
        points in proptest::option::of((proptest::collection::vec("http://[a-z]{1,9}/", 0..3), any::<bool>())),
    ) {
        let issuing = issuing();
        let point = points.map(|(urls, users)| IssuingDistributionPoint {
            urls,
            only_user_certificates: users,
            only_ca_certificates: !users,
        });
        let tbs = build(&CrlInput {
            issuer: issuing.subject(),
            authority_key_id: &[7; 20],
            algorithm: SignatureAlgorithm::MlDsa65,
            number,
            this_update: at("2049-12-31T23:59:59Z"),
            next_update: at("2050-01-01T00:00:00Z"),
            distribution_point: point.clone(),
            delta_base: base,
            freshest: None,
        }, &entries);
        let bits = encode::wrap(0x03, &[&[0], &[0; 3309]]);
        let der = encode::wrap(0x30, &[tbs.der(), tbs.algorithm().identifier_der(), &bits]);
        let crl = Crl::parse(&der).unwrap();
        prop_assert_eq!(crl.entries().map(Result::unwrap).collect::<Vec<_>>(), entries);
        prop_assert_eq!(crl.number(), Some(number));
        prop_assert_eq!(crl.delta_base(), base);
        prop_assert_eq!(crl.distribution_point(), point.as_ref());
        prop_assert_eq!(crl.next_update(), Some(at("2050-01-01T00:00:00Z")));
        prop_assert_eq!(crl.authority_key_id(), Some(vec![7; 20]));
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Crl::parse(&octets).is_err());
    }

    #[test]
    fn a_bent_list_is_read_or_refused(octets in vectors::bent("crl", ".der")) {
        if let Ok(crl) = Crl::parse(&octets) {
            prop_assert_eq!(crl.der(), octets.as_slice());
            prop_assert!(crl.entries().all(|entry| entry.is_ok()));
        }
    }
}
