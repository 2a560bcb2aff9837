//! Revoking, holding, releasing.

use ca::{CertRef, CertificateStatus, Error, RevokeRequest};
use jiff::SignedDuration;
use pki::crl::RevocationReason::{self, CertificateHold, KeyCompromise, RemoveFromCrl, Superseded};
use pki::{Crl, Serial};

use crate::bed::{Bed, admin};

fn request(serial: Serial, reason: RevocationReason) -> RevokeRequest {
    RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason,
        invalidity_date: None,
    }
}

async fn crl(bed: &Bed) -> Crl {
    bed.authority.publish_due_crls().await.unwrap();
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
async fn every_reason_reaches_the_crl() {
    let bed = Bed::ready().await;
    let mut revoked = Vec::new();
    for code in [0, 1, 2, 3, 4, 5, 6, 9, 10] {
        let reason = RevocationReason::from_code(code).unwrap();
        let serial = bed.server("host.example").await.serial;
        let answer = bed
            .authority
            .revoke(&admin(), request(serial, reason))
            .await
            .unwrap();
        assert_eq!(
            (answer.already, answer.reason, answer.revoked_at),
            (false, Some(reason), Some(bed.clock.now()))
        );
        revoked.push((serial, reason));
    }
    let crl = crl(&bed).await;
    assert_eq!(crl.entries().count(), revoked.len());
    for (serial, reason) in revoked {
        let entry = crl.find(serial).unwrap();
        assert_eq!(entry.reason.unwrap_or(RevocationReason::Unspecified), reason);
        assert_eq!(entry.revoked_at, bed.clock.now());
    }
}

#[tokio::test]
async fn revoking_again_changes_nothing() {
    let bed = Bed::ready().await;
    let issued = bed.server("host.example").await;
    let first = bed
        .authority
        .revoke(&admin(), request(issued.serial, Superseded))
        .await
        .unwrap();
    let entries = bed.authority.audit_last(&admin()).await.unwrap();
    bed.advance(SignedDuration::from_secs(60));
    for reason in [Superseded, RevocationReason::AffiliationChanged] {
        let again = bed
            .authority
            .revoke(&admin(), request(issued.serial, reason))
            .await
            .unwrap();
        assert!(again.already);
        assert_eq!(
            (again.revoked_at, again.reason),
            (first.revoked_at, Some(Superseded))
        );
    }
    assert_eq!(bed.authority.audit_last(&admin()).await.unwrap(), entries);
}

#[tokio::test]
async fn an_unknown_serial_is_an_error() {
    let bed = Bed::ready().await;
    let error = bed
        .authority
        .revoke(&admin(), request(Serial::from_random([3; 16]), Superseded))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::NotFound {
            what: "certificate",
            ..
        }
    ));
}

#[tokio::test]
async fn a_hold_is_released_or_becomes_final() {
    let bed = Bed::ready().await;
    let (first, second) = (
        bed.server("a.example").await.serial,
        bed.server("b.example").await.serial,
    );
    for serial in [first, second] {
        bed.authority
            .revoke(&admin(), request(serial, CertificateHold))
            .await
            .unwrap();
    }
    let held_since = bed.clock.now();
    assert_eq!(crl(&bed).await.entries().count(), 2);
    bed.advance(SignedDuration::from_secs(60));
    let released = bed
        .authority
        .revoke(&admin(), request(first, RemoveFromCrl))
        .await
        .unwrap();
    assert_eq!((released.already, released.reason), (false, None));
    let entry = bed
        .authority
        .certificate(&admin(), CertRef::Serial(first))
        .await
        .unwrap();
    assert_eq!(entry.status, CertificateStatus::Valid);
    let answer = bed
        .authority
        .answer_ocsp_serial(bed.issuer("issuing").id, first)
        .await;
    assert_eq!(answer.kind, ca::OcspAnswerKind::Good);
    let finally = bed
        .authority
        .revoke(&admin(), request(second, KeyCompromise))
        .await
        .unwrap();
    assert_eq!(
        (finally.revoked_at, finally.reason),
        (Some(held_since), Some(KeyCompromise))
    );
    let crl = crl(&bed).await;
    assert_eq!(crl.find(first), None);
    assert_eq!(crl.find(second).unwrap().reason, Some(KeyCompromise));
    let error = bed
        .authority
        .revoke(&admin(), request(second, RemoveFromCrl))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "revocation_final");
    let error = bed
        .authority
        .revoke(&admin(), request(first, RemoveFromCrl))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not_on_hold");
}

#[tokio::test]
async fn the_invalidity_date_is_written_and_never_in_the_future() {
    let bed = Bed::ready().await;
    let serial = bed.server("host.example").await.serial;
    let mut wanted = request(serial, KeyCompromise);
    wanted.invalidity_date = Some(bed.clock.now() + SignedDuration::from_hours(1));
    let error = bed.authority.revoke(&admin(), wanted).await.unwrap_err();
    assert_eq!(error.code(), "invalidity_date_invalid");
    wanted.invalidity_date = Some(bed.clock.now() - SignedDuration::from_hours(1));
    bed.authority.revoke(&admin(), wanted).await.unwrap();
    assert_eq!(
        crl(&bed).await.find(serial).unwrap().invalidity_date,
        wanted.invalidity_date
    );
}

#[tokio::test]
async fn many_who_revoke_the_same_agree() {
    let bed = Bed::ready().await;
    let serial = bed.server("host.example").await.serial;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let authority = bed.authority.clone();
            tokio::spawn(async move { authority.revoke(&admin(), request(serial, Superseded)).await })
        })
        .collect();
    let mut changed = 0;
    for task in tasks {
        changed += usize::from(!task.await.unwrap().unwrap().already);
    }
    assert_eq!(changed, 1);
}

#[tokio::test]
async fn a_root_cannot_revoke_itself_and_a_revoked_ca_issues_no_more() {
    let bed = Bed::ready().await;
    let serial = |name: &str| bed.issuer(name).certificate.clone().unwrap().serial();
    let error = bed
        .authority
        .revoke(&admin(), request(serial("root"), Superseded))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "root_not_revocable");
    bed.authority
        .revoke(&admin(), request(serial("issuing"), Superseded))
        .await
        .unwrap();
    let error = bed
        .authority
        .issue(&admin(), crate::bed::server_request("x.example"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "issuer_revoked");
    let revoked = bed.authority.revocation_of(&bed.issuer("issuing"));
    assert_eq!(revoked.map(|(_, reason)| reason), Some(Superseded));
    let health = bed.authority.health().await;
    assert!(
        health
            .problems
            .iter()
            .any(|problem| problem.code == "issuer_revoked"),
        "{health:?}"
    );
}
