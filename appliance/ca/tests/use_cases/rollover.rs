//! Rolling over: the old generation answers on, chains overlap.

use ca::{CertRef, IssuerOrigin, IssuerState, RevokeRequest, Rollover};
use jiff::SignedDuration;
use pki::crl::RevocationReason;
use pki::{Certificate, Crl, KeyAlgorithm, chain};

use crate::bed::{Bed, admin, certificate};

fn rollover(issuer: &str) -> Rollover {
    Rollover {
        issuer: issuer.to_owned(),
        ..Rollover::default()
    }
}

#[tokio::test]
async fn an_issuing_ca_gets_a_new_key_and_the_old_one_answers_on() {
    let bed = Bed::ready().await;
    let leaf = bed.server("old.example").await;
    let old = bed.issuer("issuing");
    bed.advance(SignedDuration::from_hours(1));
    let new = bed
        .authority
        .rollover(&admin(), rollover("issuing"))
        .await
        .unwrap();
    assert_eq!(
        (new.generation, new.state, new.origin),
        (2, IssuerState::Active, IssuerOrigin::Issuing)
    );
    assert_ne!(new.key, old.key);
    assert_eq!(bed.issuer(&old.id.to_string()).state, IssuerState::Retired);
    let root = bed.issuer("root").certificate.clone().unwrap();
    let next = bed.server("new.example").await;
    assert_eq!(next.issuer_id, new.id);
    chain::verify(
        &[certificate(&next), new.certificate.clone().unwrap(), root.clone()],
        bed.clock.now(),
    )
    .unwrap();
    chain::verify(
        &[certificate(&leaf), old.certificate.clone().unwrap(), root],
        bed.clock.now(),
    )
    .unwrap();
    // The retired generation revokes, and signs OCSP and CRL for what it issued.
    let request = RevokeRequest {
        certificate: CertRef::Id(leaf.id),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 1);
    let crl = Crl::parse(&bed.authority.current_crl(old.id).unwrap().der().unwrap()).unwrap();
    crl.verify_signed_by(old.certificate.clone().unwrap().public_key())
        .unwrap();
    assert!(crl.find(leaf.serial).is_some());
    let answer = bed.authority.answer_ocsp_serial(old.id, leaf.serial).await;
    assert_eq!(answer.kind, ca::OcspAnswerKind::Revoked);
    // It issues no more, and a renewal moves to the new one.
    let order = ca::IssueRequest {
        issuer: Some(old.id.to_string()),
        ..crate::bed::server_request("x.example")
    };
    assert_eq!(
        bed.authority.issue(&admin(), order).await.unwrap_err().code(),
        "issuer_not_active"
    );
    let bed = bed.restarted().await;
    assert_eq!(bed.issuer("issuing").generation, 2);
}

#[tokio::test]
async fn a_root_links_both_ways() {
    let bed = Bed::ready().await;
    let leaf = bed.server("host.example").await;
    let old = bed.issuer("root").certificate.clone().unwrap();
    let request = Rollover {
        key_algorithm: Some(KeyAlgorithm::P384),
        ..rollover("root")
    };
    let entry = bed.authority.rollover(&admin(), request).await.unwrap();
    let new = entry.certificate.clone().unwrap();
    assert!(new.is_self_signed() && new.public_key().algorithm() == KeyAlgorithm::P384);
    assert_eq!((new.subject(), entry.links.len()), (old.subject(), 2));
    let links: Vec<Certificate> = entry
        .links
        .iter()
        .map(|der| Certificate::from_der(der).unwrap())
        .collect();
    let (new_with_old, old_with_new) = (&links[0], &links[1]);
    assert_eq!(
        (new_with_old.public_key(), old_with_new.public_key()),
        (new.public_key(), old.public_key())
    );
    new_with_old.verify_signed_by(old.public_key()).unwrap();
    old_with_new.verify_signed_by(new.public_key()).unwrap();
    assert!(new_with_old.not_after() <= old.not_after() && old_with_new.not_after() <= old.not_after());
    // Whoever trusts the new root alone verifies a leaf under the old one through the link.
    let issuing = bed.issuer("issuing").certificate.clone().unwrap();
    chain::verify(
        &[certificate(&leaf), issuing, old_with_new.clone(), new],
        bed.clock.now(),
    )
    .unwrap();
    // The issuing CA moves under the new root at its own rollover.
    let next = bed
        .authority
        .rollover(&admin(), rollover("issuing"))
        .await
        .unwrap();
    assert_eq!(next.parent, Some(entry.id));
    let bed = bed.restarted().await;
    assert_eq!(bed.issuer("root").links, entry.links);
    let status = bed
        .authority
        .answer_ocsp_serial(entry.id, old_with_new.serial())
        .await;
    assert_eq!(
        status.kind,
        ca::OcspAnswerKind::Good,
        "a link certificate is accounted for"
    );
}

#[tokio::test]
async fn only_an_active_issuer_rolls_over() {
    let bed = Bed::ready().await;
    let old = bed.issuer("issuing").id.to_string();
    bed.authority
        .rollover(&admin(), rollover("issuing"))
        .await
        .unwrap();
    assert_eq!(
        bed.authority
            .rollover(&admin(), rollover(&old))
            .await
            .unwrap_err()
            .code(),
        "issuer_not_active"
    );
    assert_eq!(
        bed.authority
            .rollover(&admin(), rollover("nobody"))
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
}
