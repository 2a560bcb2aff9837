use pki::crl::RevocationReason;
use proptest::prelude::*;

use super::*;
use crate::request::Request;
use crate::response_data::ResponderId;
use crate::status::CertStatus;

const GOOD: &[u8] = include_bytes!("../../testdata/response/good.der");
const SHA256: &[u8] = include_bytes!("../../testdata/response/sha256.der");
const NONCE: &[u8] = include_bytes!("../../testdata/response/nonce.der");
const SEVERAL: &[u8] = include_bytes!("../../testdata/response/several.der");
const BY_NAME: &[u8] = include_bytes!("../../testdata/response/by_name.der");
const BY_CA: &[u8] = include_bytes!("../../testdata/response/by_ca.der");
const RSA: &[u8] = include_bytes!("../../testdata/response/rsa.der");
const PSS: &[u8] = include_bytes!("../../testdata/response/pss.der");
const ED25519: &[u8] = include_bytes!("../../testdata/response/ed25519.der");
const ALL: [&[u8]; 9] = [GOOD, SHA256, NONCE, SEVERAL, BY_NAME, BY_CA, RSA, PSS, ED25519];

const SEVERAL_REQUEST: &[u8] = include_bytes!("../../testdata/request/several.der");

fn signed(der: &[u8]) -> SignedResponse {
    match Response::parse(der).unwrap() {
        Response::Signed(signed) => signed,
        Response::Declined(status) => panic!("declined: {status}"),
    }
}

#[test]
fn reads_good_revoked_and_unknown() {
    let response = signed(SEVERAL);
    let request = Request::parse(SEVERAL_REQUEST).unwrap();
    let asked: Vec<_> = request.cert_ids().copied().collect();
    let answered: Vec<_> = response
        .data()
        .statuses
        .iter()
        .map(|status| status.cert_id)
        .collect();
    assert_eq!(answered, asked);
    assert_eq!(response.data().nonce().as_ref(), request.nonce());
    let statuses: Vec<_> = response
        .data()
        .statuses
        .iter()
        .map(|status| status.status)
        .collect();
    let at = "2025-01-02T03:04:05Z".parse().unwrap();
    let reason = Some(RevocationReason::KeyCompromise);
    assert_eq!(
        statuses,
        [
            CertStatus::Good,
            CertStatus::Revoked { at, reason },
            CertStatus::Unknown
        ]
    );
}

#[test]
fn reads_the_signature_algorithm_and_the_certificates() {
    let algorithms = [
        (GOOD, SignatureAlgorithm::EcdsaSha256),
        (RSA, SignatureAlgorithm::RsaPkcs1Sha384),
        (PSS, SignatureAlgorithm::RsaPssSha256),
        (ED25519, SignatureAlgorithm::Ed25519),
    ];
    for (der, algorithm) in algorithms {
        let response = signed(der);
        assert_eq!(response.algorithm(), algorithm);
        assert_eq!(response.certificates().count(), 1);
    }
    assert_eq!(signed(BY_CA).certificates().count(), 0);
}

#[test]
fn reads_both_forms_of_responder_id() {
    assert!(matches!(signed(GOOD).data().responder_id, ResponderId::ByKey(_)));
    // DER of the name CN=responder.
    let name = b"\x30\x14\x31\x12\x30\x10\x06\x03\x55\x04\x03\x0c\x09responder";
    assert_eq!(
        signed(BY_NAME).data().responder_id,
        ResponderId::ByName(name.to_vec())
    );
}

#[test]
fn writes_response_data_as_openssl_does() {
    for der in ALL {
        let response = signed(der);
        assert_eq!(response.data().to_der().unwrap(), response.tbs_der());
    }
}

#[test]
fn reads_its_own_error_responses() {
    for status in [
        ErrorStatus::MalformedRequest,
        ErrorStatus::InternalError,
        ErrorStatus::TryLater,
        ErrorStatus::SigRequired,
        ErrorStatus::Unauthorized,
    ] {
        assert_eq!(Response::parse(status.der()), Ok(Response::Declined(status)));
    }
}

#[test]
fn refuses_statuses_and_bodies_that_do_not_belong_together() {
    let bare_success = [0x30, 0x03, 0x0a, 0x01, 0x00];
    assert_eq!(
        Response::parse(&bare_success),
        Err(ResponseFault::Malformed("successful without a body"))
    );
    for unused in [4, 7] {
        assert!(matches!(
            Response::parse(&[0x30, 0x03, 0x0a, 0x01, unused]),
            Err(ResponseFault::Der(_))
        ));
    }
    let mut error_with_body = GOOD.to_vec();
    // After the outer header of four octets: ENUMERATED of one octet.
    error_with_body[6] = 1;
    assert_eq!(
        Response::parse(&error_with_body),
        Err(ResponseFault::Malformed("error status with a body"))
    );
}

#[test]
fn refuses_every_truncation() {
    for whole in ALL {
        for length in 0..whole.len() {
            assert!(
                Response::parse(&whole[..length]).is_err(),
                "at {length} of {}",
                whole.len()
            );
        }
    }
}

#[test]
fn refuses_too_long_a_response() {
    assert_eq!(
        Response::parse(&vec![0x30; MAX_RESPONSE_LEN + 1]),
        Err(ResponseFault::TooLong)
    );
}

proptest! {
    #[test]
    fn never_panics_on_noise(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Response::parse(&octets);
    }

    #[test]
    fn never_panics_on_damage(at in any::<prop::sample::Index>(), to in any::<u8>(), which in 0..ALL.len()) {
        let mut damaged = ALL[which].to_vec();
        let at = at.index(damaged.len());
        damaged[at] = to;
        let _ = Response::parse(&damaged);
    }
}
