use jiff::SignedDuration;
use pki::Serial;

use super::*;
use crate::cert_id::HashAlgorithm;
use crate::request::Request;
use crate::response::Response;
use crate::status::CertStatus;

const P256_CA: &[u8] = include_bytes!("../../testdata/issuer/p256-ca.der");
const RSA_CA: &[u8] = include_bytes!("../../testdata/issuer/rsa-ca.der");
const ED25519_CA: &[u8] = include_bytes!("../../testdata/issuer/ed25519-ca.der");

const GOOD: &[u8] = include_bytes!("../../testdata/response/good.der");
const SHA256: &[u8] = include_bytes!("../../testdata/response/sha256.der");
const NONCE: &[u8] = include_bytes!("../../testdata/response/nonce.der");
const SEVERAL: &[u8] = include_bytes!("../../testdata/response/several.der");
const BY_NAME: &[u8] = include_bytes!("../../testdata/response/by_name.der");
const BY_CA: &[u8] = include_bytes!("../../testdata/response/by_ca.der");
const RSA: &[u8] = include_bytes!("../../testdata/response/rsa.der");
const ED25519: &[u8] = include_bytes!("../../testdata/response/ed25519.der");
const NOT_A_RESPONDER: &[u8] = include_bytes!("../../testdata/response/not_a_responder.der");
const FOREIGN_RESPONDER: &[u8] = include_bytes!("../../testdata/response/foreign_responder.der");

const SEVERAL_REQUEST: &[u8] = include_bytes!("../../testdata/request/several.der");
const NONCE_REQUEST: &[u8] = include_bytes!("../../testdata/request/nonce.der");

/// A response, what it answers and when it was made, for each test to change one thing of.
struct Case {
    response: SignedResponse,
    issuer: Certificate,
    cert_ids: Vec<CertId>,
    nonce: Option<Nonce>,
    at: Timestamp,
}

impl Case {
    fn new(response: &[u8], issuer: &[u8]) -> Self {
        let Response::Signed(response) = Response::parse(response).unwrap() else {
            panic!("declined");
        };
        Self {
            issuer: Certificate::parse(issuer).unwrap(),
            cert_ids: response
                .data
                .statuses
                .iter()
                .map(|status| status.cert_id)
                .collect(),
            nonce: None,
            at: response.data.produced_at,
            response,
        }
    }

    fn verify(&self) -> Result<Vec<CertStatus>, VerifyFault> {
        let statuses = self.response.verify(&Expectation {
            issuer: &self.issuer,
            cert_ids: &self.cert_ids,
            nonce: self.nonce.as_ref(),
            at: self.at,
            skew: Duration::from_mins(1),
        })?;
        Ok(statuses.into_iter().map(|status| status.status).collect())
    }
}

#[test]
fn accepts_what_openssl_signed() {
    for (response, issuer) in [
        (GOOD, P256_CA),
        (SHA256, P256_CA),
        (NONCE, P256_CA),
        (BY_NAME, P256_CA),
        (BY_CA, P256_CA),
        (RSA, RSA_CA),
        (ED25519, ED25519_CA),
    ] {
        assert_eq!(Case::new(response, issuer).verify(), Ok(vec![CertStatus::Good]));
    }
}

#[test]
fn gives_the_statuses_in_the_order_asked() {
    let request = Request::parse(SEVERAL_REQUEST).unwrap();
    let mut case = Case::new(SEVERAL, P256_CA);
    case.nonce = request.nonce().cloned();
    case.cert_ids = request.cert_ids().copied().collect();
    case.cert_ids.reverse();
    let statuses = case.verify().unwrap();
    assert_eq!(statuses[0], CertStatus::Unknown);
    assert!(matches!(statuses[1], CertStatus::Revoked { .. }));
    assert_eq!(statuses[2], CertStatus::Good);
}

#[test]
fn refuses_a_certificate_that_is_not_for_ocsp_signing() {
    assert_eq!(
        Case::new(NOT_A_RESPONDER, P256_CA).verify(),
        Err(VerifyFault::Unauthorised(
            "its certificate is not for OCSP signing"
        ))
    );
}

#[test]
fn refuses_the_responder_of_another_ca() {
    assert_eq!(
        Case::new(FOREIGN_RESPONDER, P256_CA).verify(),
        Err(VerifyFault::Unauthorised(
            "its certificate is not issued by the CA"
        ))
    );
}

#[test]
fn refuses_a_responder_without_certificate() {
    let mut case = Case::new(GOOD, P256_CA);
    case.response.certificates.clear();
    assert_eq!(case.verify(), Err(VerifyFault::UnknownResponder));
}

#[test]
fn refuses_a_responder_outside_its_validity() {
    let mut case = Case::new(GOOD, P256_CA);
    case.at = "2127-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(
        case.verify(),
        Err(VerifyFault::Unauthorised("its certificate is not valid now"))
    );
}

#[test]
fn refuses_any_change_of_what_was_signed() {
    for position in 0..Case::new(GOOD, P256_CA).response.tbs_der.len() {
        let mut case = Case::new(GOOD, P256_CA);
        case.response.tbs_der[position] ^= 1;
        assert_eq!(case.verify(), Err(VerifyFault::Signature));
    }
    let mut case = Case::new(BY_CA, P256_CA);
    let last = case.response.signature.len() - 1;
    case.response.signature[last] ^= 1;
    assert_eq!(case.verify(), Err(VerifyFault::Signature));
}

#[test]
fn refuses_the_nonce_of_another_request() {
    let mut case = Case::new(NONCE, P256_CA);
    case.nonce = Request::parse(NONCE_REQUEST).unwrap().nonce().cloned();
    assert!(case.verify().is_ok());
    case.nonce = Some(Nonce::new(&[0; 32]).unwrap());
    assert_eq!(case.verify(), Err(VerifyFault::NonceMismatch));
    let mut case = Case::new(GOOD, P256_CA);
    case.nonce = Some(Nonce::new(&[0; 32]).unwrap());
    assert_eq!(case.verify(), Err(VerifyFault::NonceMissing));
}

#[test]
fn refuses_stale_and_premature_statuses_beyond_the_skew() {
    let mut case = Case::new(GOOD, P256_CA);
    let this_update = case.response.data.statuses[0].this_update;
    let next_update = case.response.data.statuses[0].next_update.unwrap();
    for (at, verdict) in [
        (
            next_update + SignedDuration::from_mins(1),
            Ok(vec![CertStatus::Good]),
        ),
        (
            next_update + SignedDuration::from_secs(61),
            Err(VerifyFault::Stale(next_update)),
        ),
    ] {
        case.at = at;
        assert_eq!(case.verify(), verdict);
    }
    // The responder's certificate of the vectors is younger than a minute, so the CA's own answer is taken here.
    let mut case = Case::new(BY_CA, P256_CA);
    let produced_at = case.response.data.produced_at;
    assert!(this_update <= produced_at + SignedDuration::from_secs(5));
    for (early, verdict) in [(60, Ok(vec![CertStatus::Good])), (75, Err(()))] {
        case.at = case.response.data.statuses[0].this_update - SignedDuration::from_secs(early);
        assert_eq!(
            case.verify()
                .map_err(|fault| assert!(matches!(fault, VerifyFault::NotYetValid(_)))),
            verdict
        );
    }
}

#[test]
fn refuses_when_a_certificate_asked_about_is_not_answered() {
    let mut case = Case::new(GOOD, P256_CA);
    case.cert_ids.push(CertId::new(
        *case.cert_ids[0].issuer(),
        Serial::from_unsigned(&[1]).unwrap(),
    ));
    assert_eq!(case.verify(), Err(VerifyFault::StatusMissing));
}

#[test]
fn refuses_a_certificate_of_another_issuer() {
    let case = Case {
        issuer: Certificate::parse(RSA_CA).unwrap(),
        ..Case::new(GOOD, P256_CA)
    };
    assert_eq!(case.verify(), Err(VerifyFault::ForeignCertId));
}

#[test]
fn refuses_critical_extensions_it_does_not_know() {
    let mut case = Case::new(GOOD, P256_CA);
    let mut extension = crate::response_data::Extension::extended_revoke();
    case.response.data.extensions.push(extension.clone());
    assert!(case.verify().is_ok());
    extension.critical = true;
    case.response.data.extensions = vec![extension.clone()];
    assert_eq!(case.verify(), Err(VerifyFault::CriticalExtension(extension.oid)));
}

#[test]
fn makes_the_cert_id_that_openssl_makes() {
    let issuer = Certificate::parse(P256_CA).unwrap();
    for (response, algorithm) in [(GOOD, HashAlgorithm::Sha1), (SHA256, HashAlgorithm::Sha256)] {
        let asked = Case::new(response, P256_CA).cert_ids[0];
        let made = CertId::for_issuer(
            algorithm,
            issuer.subject().der(),
            issuer.public_key(),
            asked.serial(),
        );
        assert_eq!(made, asked);
    }
}
