use der::Decode;
use jiff::SignedDuration;
use pki::{Certificate, Serial};

use super::*;
use crate::cert_id::{CertId, HashAlgorithm};
use crate::lint::{self, Responder};
use crate::nonce::MAX_NONCE_LEN;
use crate::response::Response;
use crate::response_data::{Extension, ResponderId, ResponseData};
use crate::status::CertStatus;
use crate::wire;

const CA: &[u8] = include_bytes!("../../testdata/issuer/p256-ca.der");
const RESPONDER: &[u8] = include_bytes!("../../testdata/issuer/p256-responder.der");

fn statuses(ca: &Certificate, status: CertStatus, now: Timestamp) -> Vec<SingleStatus> {
    [HashAlgorithm::Sha1, HashAlgorithm::Sha256]
        .map(|algorithm| SingleStatus {
            cert_id: CertId::for_issuer(
                algorithm,
                ca.subject().der(),
                ca.public_key(),
                Serial::from_unsigned(&[7]).unwrap(),
            ),
            status,
            this_update: now,
            next_update: Some(now + SignedDuration::from_hours(1)),
        })
        .into()
}

/// What comes back from the client's parser is what was put in, nonce, extensions, certificates and signature included.
#[test]
fn an_assembled_response_says_what_was_put_in() {
    let (ca, responder) = (
        Certificate::parse(CA).unwrap(),
        Certificate::parse(RESPONDER).unwrap(),
    );
    let now = responder.not_before() + SignedDuration::from_hours(1);
    let statuses = statuses(&ca, CertStatus::Good, now);
    let nonce = Nonce::new(&[9; 32]).unwrap();
    let template = Template::new(
        responder.public_key(),
        SignatureAlgorithm::EcdsaSha256,
        &[RESPONDER],
    );
    let tbs = template
        .tbs(&ResponseInput {
            produced_at: now,
            statuses: &statuses,
            nonce: Some(&nonce),
            is_extended_revoke: true,
        })
        .unwrap();
    let tbs_der = tbs.der().to_vec();
    let linted = lint::check(tbs, &Responder::delegated(&responder)).unwrap();
    let der = template.assemble(linted, &[0xab; 70]);
    let Response::Signed(response) = Response::parse(&der).unwrap() else {
        panic!("declined")
    };
    assert_eq!(response.tbs_der(), tbs_der);
    assert_eq!(response.data().statuses, statuses);
    assert_eq!(response.data().produced_at, now);
    assert_eq!(
        response.data().responder_id,
        ResponderId::ByKey(responder.public_key().key_id())
    );
    assert_eq!(
        response.data().extensions,
        [Extension::nonce(&nonce).unwrap(), Extension::extended_revoke()]
    );
    assert_eq!(response.data().nonce(), Some(nonce));
    assert_eq!(response.algorithm(), SignatureAlgorithm::EcdsaSha256);
    assert_eq!(response.signature, [0xab; 70]);
    assert_eq!(response.certificates().collect::<Vec<_>>(), [RESPONDER]);
}

#[test]
fn no_extensions_and_no_certificates_leave_their_fields_out() {
    let ca = Certificate::parse(CA).unwrap();
    let now = ca.not_before() + SignedDuration::from_hours(1);
    let statuses = statuses(&ca, CertStatus::Unknown, now);
    let template = Template::new(ca.public_key(), SignatureAlgorithm::EcdsaSha256, &[]);
    let tbs = template
        .tbs(&ResponseInput {
            produced_at: now,
            statuses: &statuses,
            nonce: None,
            is_extended_revoke: false,
        })
        .unwrap();
    assert!(
        wire::ResponseData::from_der(tbs.der())
            .unwrap()
            .response_extensions
            .is_none()
    );
    let linted = lint::check(tbs, &Responder::ca(&ca)).unwrap();
    let der = template.assemble(linted, &[0xab; 70]);
    let outer = wire::OcspResponse::from_der(&der).unwrap();
    let basic = outer.response_bytes.unwrap().response;
    assert!(
        wire::BasicResponse::from_der(basic.as_bytes())
            .unwrap()
            .certs
            .is_none()
    );
}

#[test]
fn the_reason_unspecified_is_left_out() {
    let ca = Certificate::parse(CA).unwrap();
    let now = ca.not_before() + SignedDuration::from_hours(1);
    for (reason, written) in [
        (RevocationReason::Unspecified, None),
        (
            RevocationReason::CertificateHold,
            Some(RevocationReason::CertificateHold),
        ),
    ] {
        let template = Template::new(ca.public_key(), SignatureAlgorithm::EcdsaSha256, &[]);
        let tbs = template
            .tbs(&ResponseInput {
                produced_at: now,
                statuses: &statuses(
                    &ca,
                    CertStatus::Revoked {
                        at: now,
                        reason: Some(reason),
                    },
                    now,
                ),
                nonce: None,
                is_extended_revoke: false,
            })
            .unwrap();
        let data = ResponseData::parse(tbs.der()).unwrap();
        assert_eq!(
            data.statuses[0].status,
            CertStatus::Revoked {
                at: now,
                reason: written
            }
        );
    }
}

/// The writer that knows the ASN.1 writes the same octets.
#[test]
fn what_is_put_together_is_what_the_asn1_says() {
    let ca = Certificate::parse(CA).unwrap();
    let now = ca.not_before() + SignedDuration::from_hours(1);
    let template = Template::new(ca.public_key(), SignatureAlgorithm::EcdsaSha256, &[]);
    let revoked = |reason| CertStatus::Revoked { at: now, reason };
    let said = [
        CertStatus::Good,
        CertStatus::Unknown,
        revoked(None),
        revoked(Some(RevocationReason::KeyCompromise)),
    ];
    for status in said {
        for serial in [&[7][..], &[0x80], &[0x7f; 20]] {
            for parameters in [true, false] {
                let mut statuses = statuses(&ca, status, now);
                for single in &mut statuses {
                    let serial = Serial::from_unsigned(serial).unwrap();
                    single.cert_id = CertId::new(*single.cert_id.issuer(), serial);
                    if !parameters {
                        single.cert_id = single.cert_id.without_parameters();
                    }
                }
                statuses[0].next_update = parameters.then_some(now);
                let nonce = parameters.then(|| Nonce::new(&[1; MAX_NONCE_LEN]).unwrap());
                let tbs = template.tbs(&ResponseInput {
                    produced_at: now,
                    statuses: &statuses,
                    nonce: nonce.as_ref(),
                    is_extended_revoke: !parameters,
                });
                let tbs = tbs.unwrap();
                let data = ResponseData::parse(tbs.der()).unwrap();
                assert_eq!(data.statuses, statuses);
                assert_eq!(data.nonce(), nonce);
                assert_eq!(data.extensions.len(), 1);
                assert_eq!(data.to_der().unwrap(), tbs.der());
            }
        }
    }
}

#[test]
fn a_time_before_1970_is_not_written() {
    let ca = Certificate::parse(CA).unwrap();
    let template = Template::new(ca.public_key(), SignatureAlgorithm::EcdsaSha256, &[]);
    let early = Timestamp::from_second(-1).unwrap();
    let tbs = template.tbs(&ResponseInput {
        produced_at: early,
        statuses: &statuses(&ca, CertStatus::Good, Timestamp::UNIX_EPOCH),
        nonce: None,
        is_extended_revoke: false,
    });
    assert_eq!(tbs.unwrap_err(), TimeFault(early));
}
