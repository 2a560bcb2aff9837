//! CRLs: numbers, schedule, and how long an entry stays.

use std::time::Duration;

use ca::{CertRef, IssueRequest, RevokeRequest};
use jiff::SignedDuration;
use pki::Crl;
use pki::crl::RevocationReason;

use crate::bed::{Bed, admin, server_request};

fn published(bed: &Bed) -> Crl {
    Crl::parse(
        &bed.authority
            .current_crl(bed.issuer("issuing").id)
            .unwrap()
            .der()
            .unwrap(),
    )
    .unwrap()
}

#[tokio::test]
async fn numbers_rise_over_restarts() {
    let bed = Bed::ready().await;
    let mut numbers = vec![published(&bed).number().unwrap()];
    bed.authority.publish_crl(&admin(), "issuing").await.unwrap();
    numbers.push(published(&bed).number().unwrap());
    let bed = bed.restarted().await;
    bed.authority.publish_crl(&admin(), "issuing").await.unwrap();
    numbers.push(published(&bed).number().unwrap());
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn it_is_made_on_schedule_and_otherwise_only_when_something_was_revoked() {
    let bed = Bed::ready().await;
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 0);
    bed.advance(SignedDuration::from_hours(23));
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 0);
    bed.advance(SignedDuration::from_hours(1));
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 2);
    let crl = published(&bed);
    assert_eq!(crl.this_update(), bed.clock.now());
    assert_eq!(
        crl.next_update(),
        Some(bed.clock.now() + SignedDuration::from_hours(7 * 24))
    );
    let nudge = bed.authority.crl_nudge();
    for name in ["a.example", "b.example"] {
        let serial = bed.server(name).await.serial;
        let request = RevokeRequest {
            certificate: CertRef::Serial(serial),
            reason: RevocationReason::Superseded,
            invalidity_date: None,
        };
        bed.authority.revoke(&admin(), request).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(5), nudge.notified())
        .await
        .expect("a revocation nudges");
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 1);
    assert_eq!(
        (published(&bed).number(), published(&bed).entries().count()),
        (Some(3), 2)
    );
}

#[tokio::test]
async fn a_revocation_before_a_stop_is_published_after_it() {
    let bed = Bed::ready().await;
    bed.advance(SignedDuration::from_secs(10));
    let serial = bed.server("host.example").await.serial;
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
    let bed = bed.restarted().await;
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 1);
    assert!(published(&bed).find(serial).is_some());
}

#[tokio::test]
async fn an_entry_stays_for_one_scheduled_crl_after_its_certificate_ended() {
    let bed = Bed::ready().await;
    let short = IssueRequest {
        validity: Some(Duration::from_hours(30)),
        ..server_request("host.example")
    };
    let serial = bed.authority.issue(&admin(), short).await.unwrap().serial;
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
    let mut listed = Vec::new();
    for _ in 0..5 {
        bed.advance(SignedDuration::from_hours(24));
        bed.authority.publish_due_crls().await.unwrap();
        listed.push(published(&bed).find(serial).is_some());
    }
    // Ended after 30 hours: on the CRLs at 24 h and, past its end, at 48 h; gone from 72 h on.
    assert_eq!(listed, [true, true, false, false, false]);
}

#[tokio::test]
async fn the_published_crl_has_an_entity_tag_that_changes_with_it() {
    let bed = Bed::ready().await;
    let id = bed.issuer("issuing").id;
    let first = bed.authority.current_crl(id).unwrap();
    let second = bed
        .authority
        .publish_crl(&admin(), &id.to_string())
        .await
        .unwrap();
    assert_ne!(first.etag, second.etag);
    assert_eq!(bed.authority.current_crl(id).unwrap().etag, second.etag);
    assert!(bed.authority.current_crl(uuid::Uuid::nil()).is_none());
}
