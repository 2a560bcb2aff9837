use jiff::SignedDuration;
use pki::{Serial, SignatureAlgorithm};

use super::*;
use crate::cert_id::{CertId, HashAlgorithm};
use crate::reply::{ResponseInput, Template};
use crate::status::{CertStatus, SingleStatus};

const CA: &[u8] = include_bytes!("../../testdata/issuer/p256-ca.der");
const RESPONDER: &[u8] = include_bytes!("../../testdata/issuer/p256-responder.der");
const GOOD: &[u8] = include_bytes!("../../testdata/response/good.der");

fn tbs(issuer: &Certificate, responder: &Certificate) -> Tbs<OcspTbs> {
    let now = responder.not_before() + SignedDuration::from_hours(1);
    let serial = Serial::from_unsigned(&[7]).unwrap();
    let cert_id = CertId::for_issuer(
        HashAlgorithm::Sha1,
        issuer.subject().der(),
        issuer.public_key(),
        serial,
    );
    let statuses = [SingleStatus {
        cert_id,
        status: CertStatus::Good,
        this_update: now,
        next_update: Some(now + SignedDuration::from_hours(1)),
    }];
    let template = Template::new(responder.public_key(), SignatureAlgorithm::EcdsaSha256, &[]);
    let tbs = template.tbs(&ResponseInput {
        produced_at: now,
        statuses: &statuses,
        nonce: None,
        is_extended_revoke: false,
    });
    tbs.unwrap()
}

#[test]
fn what_is_built_passes() {
    let (ca, responder) = (
        Certificate::parse(CA).unwrap(),
        Certificate::parse(RESPONDER).unwrap(),
    );
    let linted = check(tbs(&ca, &responder), &Responder::delegated(&responder)).unwrap();
    assert_eq!(linted.findings(), []);
    let linted = check(tbs(&ca, &ca), &Responder::ca(&ca)).unwrap();
    assert_eq!(linted.findings(), []);
}

#[test]
fn a_signer_that_is_not_the_responder_named_is_refused() {
    let (ca, responder) = (
        Certificate::parse(CA).unwrap(),
        Certificate::parse(RESPONDER).unwrap(),
    );
    let report = check(tbs(&ca, &ca), &Responder::delegated(&responder)).unwrap_err();
    assert_eq!(
        report
            .errors()
            .map(|finding| finding.rule.as_str())
            .collect::<Vec<_>>(),
        ["ocsp_responder_is_signer"]
    );
}

/// A CA certificate is no delegated responder, and a responder is no CA.
#[test]
fn roles_are_not_mixed_up() {
    let (ca, responder) = (
        Certificate::parse(CA).unwrap(),
        Certificate::parse(RESPONDER).unwrap(),
    );
    for (tbs, signer) in [
        (tbs(&ca, &ca), Responder::delegated(&ca)),
        (tbs(&ca, &responder), Responder::ca(&responder)),
    ] {
        let report = check(tbs, &signer).unwrap_err();
        assert_eq!(report.errors().next().unwrap().rule, "ocsp_responder_authorised");
    }
}

#[test]
fn octets_that_are_no_response_data_are_refused() {
    let responder = Responder::ca(&Certificate::parse(CA).unwrap());
    let report = check(
        Tbs::new(GOOD.to_vec(), SignatureAlgorithm::EcdsaSha256),
        &responder,
    )
    .unwrap_err();
    assert_eq!(report.errors().next().unwrap().rule, "ocsp_well_formed");
}

#[test]
fn rules_have_distinct_names_and_cite_an_rfc() {
    let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES {
        assert!(rule.name.starts_with("ocsp_"), "{}", rule.name);
        assert!(
            rule.citation.starts_with("RFC ") && rule.citation.contains('§'),
            "{}",
            rule.citation
        );
    }
}
