//! The files of CRLs: where they are, what stays of them, and what a start makes of what it finds.

use std::path::PathBuf;

use ca::{CertRef, RevokeRequest};
use pki::Crl;
use pki::crl::RevocationReason;

use crate::bed::{Bed, admin};

fn names(bed: &Bed) -> Vec<String> {
    let entries = std::fs::read_dir(bed.path("crls")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn file(bed: &Bed, number: u64) -> PathBuf {
    let id = bed.issuer("issuing").id;
    bed.path("crls").join(format!("{id}-0-{number}.crl"))
}

fn published(bed: &Bed) -> Crl {
    let crl = bed.authority.current_crl(bed.issuer("issuing").id).unwrap();
    Crl::parse(&crl.der().unwrap()).unwrap()
}

#[tokio::test]
async fn the_newest_file_is_what_is_published_and_older_ones_go() {
    let bed = Bed::ready().await;
    for _ in 0..3 {
        bed.authority.publish_crl(&admin(), "issuing").await.unwrap();
    }
    assert_eq!(std::fs::read(file(&bed, 4)).unwrap(), published(&bed).der());
    bed.authority.drain().await;
    assert_eq!(names(&bed).len(), 2, "one for each issuer");
}

#[tokio::test]
async fn a_start_takes_up_the_file_and_takes_away_what_a_kill_left() {
    let bed = Bed::ready().await;
    let before = published(&bed);
    let etag = bed
        .authority
        .current_crl(bed.issuer("issuing").id)
        .unwrap()
        .etag
        .clone();
    std::fs::write(file(&bed, 2), b"signed and not recorded").unwrap();
    std::fs::write(bed.path("crls").join("half.crl.new"), b"half").unwrap();
    let bed = bed.restarted().await;
    assert_eq!(published(&bed), before);
    assert_eq!(
        bed.authority.current_crl(bed.issuer("issuing").id).unwrap().etag,
        etag
    );
    assert_eq!(names(&bed).len(), 2);
    assert_eq!(
        bed.authority.publish_due_crls().await.unwrap(),
        0,
        "nothing was revoked"
    );
}

#[tokio::test]
async fn what_is_gone_or_cut_is_made_anew_with_a_higher_number_where_a_store_is_in_a_file() {
    let bed = Bed::ready().await;
    let whole = std::fs::read(file(&bed, 1)).unwrap();
    std::fs::write(file(&bed, 1), &whole[1..]).unwrap();
    let bed = bed.restarted().await;
    assert!(bed.authority.current_crl(bed.issuer("issuing").id).is_none());
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 1);
    assert_eq!(published(&bed).number(), Some(2));
}

#[tokio::test]
async fn a_hold_and_its_release_change_the_list_over_restarts() {
    let mut bed = Bed::ready().await;
    let serial = bed.server("host.example").await.serial;
    let mut number = 1;
    for (reason, listed) in [
        (
            RevocationReason::CertificateHold,
            Some(RevocationReason::CertificateHold),
        ),
        (RevocationReason::RemoveFromCrl, None),
        (
            RevocationReason::CertificateHold,
            Some(RevocationReason::CertificateHold),
        ),
        (
            RevocationReason::KeyCompromise,
            Some(RevocationReason::KeyCompromise),
        ),
    ] {
        let request = RevokeRequest {
            certificate: CertRef::Serial(serial),
            reason,
            invalidity_date: None,
        };
        bed.authority.revoke(&admin(), request).await.unwrap();
        // It is due although the program ended before it was made.
        bed = bed.restarted().await;
        assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 1, "{reason}");
        number += 1;
        let crl = published(&bed);
        assert_eq!(crl.number(), Some(number));
        assert_eq!(crl.find(serial).and_then(|entry| entry.reason), listed);
    }
}

#[tokio::test]
async fn what_no_token_can_sign_costs_neither_a_file_nor_a_number() {
    let (bed, hsm) = crate::faults::bed().await;
    let before = (names(&bed), published(&bed).number());
    let serial = bed.server("host.example").await.serial;
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
    hsm.lose_keys(true);
    for _ in 0..3 {
        let error = bed.authority.publish_due_crls().await.unwrap_err();
        assert_eq!(error.code(), "hsm_key_missing", "{error}");
        assert_eq!(names(&bed), before.0);
    }
    let health = bed.authority.health().await;
    let codes: Vec<_> = health
        .problems
        .iter()
        .map(|one| (one.code, one.is_fatal))
        .collect();
    assert!(codes.contains(&("crl_late", false)), "{health:?}");
    // The first of several tries finds out, and the others spend no number.
    hsm.lose_keys(false);
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 1);
    assert_eq!(published(&bed).number(), before.1.map(|number| number + 2));
    let health = bed.authority.health().await;
    assert!(
        !health.problems.iter().any(|one| one.code == "crl_late"),
        "{health:?}"
    );
}
