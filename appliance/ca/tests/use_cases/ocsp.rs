//! OCSP answers, judged as a client judges them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ca::OcspAnswerKind;
use jiff::SignedDuration;
use ocsp::{CertId, CertStatus, ErrorStatus, Expectation, HashAlgorithm, Nonce, Request, Response};
use pki::crl::RevocationReason;
use pki::{Certificate, Serial};

use crate::bed::{Bed, admin};
use crate::faults;
use ca::{CertRef, RevokeRequest};

fn issuer(bed: &Bed) -> Certificate {
    bed.issuer("issuing").certificate.clone().unwrap()
}

fn cert_id(bed: &Bed, algorithm: HashAlgorithm, serial: Serial) -> CertId {
    let issuer = issuer(bed);
    CertId::for_issuer(algorithm, issuer.subject().der(), issuer.public_key(), serial)
}

/// Asks, and gives what a careful client believes.
async fn ask(bed: &Bed, request: &Request) -> Vec<CertStatus> {
    let answer = bed
        .authority
        .answer_ocsp(bed.issuer("issuing").id, &request.to_der().unwrap())
        .await;
    let Response::Signed(signed) = Response::parse(&answer.der).unwrap() else {
        panic!("{:?}", answer.kind)
    };
    let cert_ids: Vec<CertId> = request.cert_ids().copied().collect();
    let expected = Expectation {
        issuer: &issuer(bed),
        cert_ids: &cert_ids,
        nonce: request.nonce(),
        at: bed.clock.now(),
        skew: Duration::ZERO,
    };
    let statuses = signed.verify(&expected).unwrap();
    statuses.iter().map(|single| single.status).collect()
}

async fn revoke(bed: &Bed, serial: Serial, reason: RevocationReason) {
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
}

#[tokio::test]
async fn good_then_revoked_then_never_the_old_answer() {
    let bed = Bed::ready().await;
    let serial = bed.server("host.example").await.serial;
    for algorithm in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
        assert_eq!(
            ask(&bed, &Request::new(cert_id(&bed, algorithm, serial))).await,
            [CertStatus::Good]
        );
    }
    bed.advance(SignedDuration::from_secs(5));
    revoke(&bed, serial, RevocationReason::KeyCompromise).await;
    let revoked = CertStatus::Revoked {
        at: bed.clock.now(),
        reason: Some(RevocationReason::KeyCompromise),
    };
    for algorithm in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
        assert_eq!(
            ask(&bed, &Request::new(cert_id(&bed, algorithm, serial))).await,
            [revoked]
        );
    }
    let bed = bed.restarted().await;
    assert_eq!(
        ask(&bed, &Request::new(cert_id(&bed, HashAlgorithm::Sha256, serial))).await,
        [revoked]
    );
}

#[tokio::test]
async fn what_was_never_issued_is_unknown_and_not_kept() {
    let bed = Bed::ready().await;
    let stranger = Serial::from_random([9; 16]);
    let request = Request::new(cert_id(&bed, HashAlgorithm::Sha1, stranger));
    assert_eq!(ask(&bed, &request).await, [CertStatus::Unknown]);
    assert!((bed.metric("chancery_ocsp_cache_entries") - 0.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn several_certificates_in_one_request() {
    let bed = Bed::ready().await;
    let (good, bad) = (
        bed.server("a.example").await.serial,
        bed.server("b.example").await.serial,
    );
    revoke(&bed, bad, RevocationReason::Unspecified).await;
    let request = Request::new(cert_id(&bed, HashAlgorithm::Sha1, good))
        .with_cert_id(cert_id(&bed, HashAlgorithm::Sha256, bad))
        .with_cert_id(cert_id(&bed, HashAlgorithm::Sha1, Serial::from_random([1; 16])));
    let statuses = ask(&bed, &request).await;
    let revoked = CertStatus::Revoked {
        at: bed.clock.now(),
        reason: None,
    };
    assert_eq!(statuses, [CertStatus::Good, revoked, CertStatus::Unknown]);
}

#[tokio::test]
async fn a_nonce_is_echoed_and_its_answer_is_nobody_elses() {
    let bed = Bed::ready().await;
    let serial = bed.server("host.example").await.serial;
    let plain = Request::new(cert_id(&bed, HashAlgorithm::Sha1, serial));
    let request = plain.clone().with_nonce(Nonce::new(&[7; 32]).unwrap());
    assert_eq!(ask(&bed, &request).await, [CertStatus::Good]);
    let id = bed.issuer("issuing").id;
    assert!(
        bed.authority
            .answer_ocsp(id, &request.to_der().unwrap())
            .await
            .cacheable
            .is_none()
    );
    let answer = bed.authority.answer_ocsp(id, &plain.to_der().unwrap()).await;
    let fresh = answer.cacheable.unwrap();
    assert_eq!(
        fresh.next_update,
        bed.clock.now() + SignedDuration::from_hours(24)
    );
    assert!(fresh.etag.starts_with(b"\"") && fresh.etag.ends_with(b"\""));
}

#[tokio::test]
async fn foreign_and_broken_requests_are_declined() {
    let bed = Bed::ready().await;
    let serial = bed.server("host.example").await.serial;
    let request = Request::new(cert_id(&bed, HashAlgorithm::Sha1, serial))
        .to_der()
        .unwrap();
    let root = bed.issuer("root").id;
    let declined = |answer: ca::OcspAnswer| match Response::parse(&answer.der).unwrap() {
        Response::Declined(status) => status,
        Response::Signed(_) => panic!("signed"),
    };
    assert_eq!(
        declined(bed.authority.answer_ocsp(root, &request).await),
        ErrorStatus::Unauthorized
    );
    assert_eq!(
        declined(bed.authority.answer_ocsp(uuid::Uuid::nil(), &request).await),
        ErrorStatus::Unauthorized
    );
    assert_eq!(
        declined(bed.authority.answer_ocsp(root, b"rubbish").await),
        ErrorStatus::MalformedRequest
    );
    let by_serial = bed.authority.answer_ocsp_serial(uuid::Uuid::nil(), serial).await;
    assert_eq!(declined(by_serial), ErrorStatus::Unauthorized);
}

#[tokio::test]
async fn an_answer_is_kept_for_half_of_its_life() {
    let bed = Bed::ready().await;
    let issued = bed.server("host.example").await;
    let first = bed
        .authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    assert_eq!(first.kind, OcspAnswerKind::Good);
    bed.advance(SignedDuration::from_hours(11));
    let kept = bed
        .authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    assert_eq!(kept.der, first.der);
    bed.advance(SignedDuration::from_hours(2));
    let anew = bed
        .authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    assert_ne!(anew.der, first.der);
    assert_eq!(anew.cacheable.unwrap().produced_at, bed.clock.now());
}

#[tokio::test]
async fn many_who_ask_at_once_wait_for_one_signature() {
    let bed = Bed::ready().await;
    let issued = bed.server("host.example").await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let authority = bed.authority.clone();
            tokio::spawn(async move {
                authority
                    .answer_ocsp_serial(issued.issuer_id, issued.serial)
                    .await
                    .der
            })
        })
        .collect();
    let mut answers = std::collections::HashSet::new();
    for task in tasks {
        answers.insert(task.await.unwrap());
    }
    // ECDSA signatures differ each time they are made.
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn a_responder_renews_itself_with_overlap_and_keeps_its_key() {
    let bed = Bed::ready().await;
    let serial = bed.server("host.example").await.serial;
    let id = bed.issuer("issuing").id;
    let first = bed.authority.responder(&admin(), id).unwrap().unwrap();
    assert_eq!(bed.authority.renew_due_responders().await.unwrap(), 0);
    bed.advance(SignedDuration::from_hours(7 * 24 + 1));
    assert_eq!(bed.authority.renew_due_responders().await.unwrap(), 2);
    let second = bed.authority.responder(&admin(), id).unwrap().unwrap();
    assert!(bed.clock.now() < first.not_after, "the old one is still valid");
    assert!(second.not_after > first.not_after);
    let key = |entry: &ca::ResponderEntry| {
        Certificate::from_der(&entry.certificate)
            .unwrap()
            .public_key()
            .clone()
    };
    assert_eq!(key(&first), key(&second));
    assert_eq!(
        ask(&bed, &Request::new(cert_id(&bed, HashAlgorithm::Sha1, serial))).await,
        [CertStatus::Good]
    );
    let bed = bed.restarted().await;
    let third = bed.authority.responder(&admin(), id).unwrap().unwrap();
    assert_eq!(third.certificate_id, second.certificate_id);
}

#[tokio::test]
async fn a_revoked_responder_answers_no_more() {
    let bed = Bed::ready().await;
    let issued = bed.server("host.example").await;
    let id = bed.issuer("issuing").id;
    let before = bed.authority.answer_ocsp_serial(id, issued.serial).await;
    let responder = || bed.authority.responder(&admin(), id).unwrap().unwrap();
    let old = Certificate::parse(&responder().certificate).unwrap();
    let of = |certificate: &[u8], answer: &[u8]| {
        answer
            .windows(certificate.len())
            .any(|window| window == certificate)
    };
    assert!(of(old.der(), &before.der));
    revoke(&bed, old.serial(), RevocationReason::KeyCompromise).await;
    let new = Certificate::parse(&successor(&bed, old.der()).await.certificate).unwrap();
    assert_ne!(new.public_key(), old.public_key());
    let after = bed.authority.answer_ocsp_serial(id, issued.serial).await;
    assert!(!of(old.der(), &after.der) && of(new.der(), &after.der));
    let statuses = ask(
        &bed,
        &Request::new(cert_id(&bed, HashAlgorithm::Sha1, issued.serial)),
    )
    .await;
    assert_eq!(statuses, [CertStatus::Good]);
    let bed = bed.restarted().await;
    let kept = bed.authority.responder(&admin(), id).unwrap().unwrap();
    assert_eq!(kept.certificate, new.der());
}

/// The responder that comes by itself after one that was revoked.
async fn successor(bed: &Bed, revoked: &[u8]) -> ca::ResponderEntry {
    let id = bed.issuer("issuing").id;
    let find = async {
        loop {
            let current = bed.authority.responder(&admin(), id).unwrap();
            match current.filter(|current| current.certificate != revoked) {
                Some(current) => return current,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), find)
        .await
        .expect("no successor")
}

/// A renewal keeps the key: whoever revokes any certificate of it distrusts all of them.
#[tokio::test]
async fn a_revoked_responder_takes_those_with_its_key_along() {
    let bed = Bed::ready().await;
    let id = bed.issuer("issuing").id;
    let first = bed.authority.responder(&admin(), id).unwrap().unwrap();
    bed.advance(SignedDuration::from_hours(24 * 8));
    bed.authority.renew_due_responders().await.unwrap();
    let second = bed.authority.responder(&admin(), id).unwrap().unwrap();
    let [first, second] = [&first, &second].map(|entry| Certificate::parse(&entry.certificate).unwrap());
    assert_eq!(first.public_key(), second.public_key());
    assert_ne!(first.serial(), second.serial());
    revoke(&bed, first.serial(), RevocationReason::KeyCompromise).await;
    let third = successor(&bed, second.der()).await;
    let key = |entry: &ca::ResponderEntry| {
        Certificate::parse(&entry.certificate)
            .unwrap()
            .public_key()
            .clone()
    };
    assert_ne!(key(&third), *first.public_key());
    // Nor does a new start take up one of them, or a renewal the key.
    let bed = bed.restarted().await;
    let kept = bed.authority.responder(&admin(), id).unwrap().unwrap();
    assert_eq!(kept.certificate, third.certificate);
    bed.advance(SignedDuration::from_hours(24 * 8));
    bed.authority.renew_due_responders().await.unwrap();
    let fourth = bed.authority.responder(&admin(), id).unwrap().unwrap();
    assert_eq!(key(&fourth), key(&third));
}

/// The token makes no signature: what is revoked is revoked all the same, and told.
#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn nobody_who_revokes_waits_for_the_next_responder() {
    let (bed, hsm) = faults::bed().await;
    let others = [
        bed.server("a.example").await.serial,
        bed.server("b.example").await.serial,
    ];
    let id = bed.issuer("issuing").id;
    let old = bed.authority.responder(&admin(), id).unwrap().unwrap();
    let serial = Certificate::parse(&old.certificate).unwrap().serial();
    let held = hsm.hold.lock();
    let soon = Duration::from_secs(10);
    let revoking = revoke(&bed, serial, RevocationReason::KeyCompromise);
    tokio::time::timeout(soon, revoking)
        .await
        .expect("the responder's own");
    while bed.metric("chancery_signer_waiting") < 0.5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for other in others {
        let revoking = revoke(&bed, other, RevocationReason::Superseded);
        tokio::time::timeout(soon, revoking).await.expect("another one's");
    }
    assert!(bed.authority.responder(&admin(), id).unwrap().is_none());
    drop(held);
    successor(&bed, &old.certificate).await;
}

#[tokio::test]
async fn without_a_valid_responder_the_answer_is_to_try_later() {
    let bed = Bed::ready().await;
    let issued = bed.server("host.example").await;
    bed.advance(SignedDuration::from_hours(15 * 24));
    let answer = bed
        .authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    assert_eq!(answer.kind, OcspAnswerKind::TryLater);
    bed.authority.renew_due_responders().await.unwrap();
    let answer = bed
        .authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    assert_eq!(answer.kind, OcspAnswerKind::Good);
}

/// A server of several that hears nothing of the others for a while (a machine that has too much to do is enough) withholds its answers.
fn is_revoked_or_withheld(kind: OcspAnswerKind) -> bool {
    matches!(kind, OcspAnswerKind::Revoked | OcspAnswerKind::TryLater)
}

/// Ten thousand times somebody asks while somebody revokes: whoever asks after the revocation was acknowledged is never
/// told good, whatever was being signed or kept at that moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn good_is_never_seen_after_a_revocation_was_acknowledged() {
    const CERTIFICATES: usize = 500;
    const ASKERS: usize = 20;
    let bed = Arc::new(Bed::with_answers_on_disk().await);
    let mut serials = Vec::new();
    for number in 0..CERTIFICATES {
        serials.push(bed.server(&format!("host-{number}.example")).await.serial);
    }
    let (mut races, mut revocations) = (tokio::task::JoinSet::new(), tokio::task::JoinSet::new());
    for serial in serials {
        let acknowledged = Arc::new(AtomicBool::new(false));
        let request = Request::new(cert_id(&bed, HashAlgorithm::Sha1, serial))
            .to_der()
            .unwrap();
        for asker in 0..ASKERS {
            let (bed, acknowledged, request) = (Arc::clone(&bed), Arc::clone(&acknowledged), request.clone());
            races.spawn(async move {
                // Again and again, until once after it; some begin before anybody revokes, most while that is under way.
                tokio::time::sleep(Duration::from_millis(asker as u64 / 2)).await;
                let mut good = false;
                loop {
                    let must_be_revoked = acknowledged.load(Ordering::SeqCst);
                    let issuer = bed.issuer("issuing").id;
                    let answer = bed.authority.answer_ocsp(issuer, &request).await;
                    assert!(
                        !must_be_revoked || is_revoked_or_withheld(answer.kind),
                        "{:?}",
                        answer.kind
                    );
                    good |= answer.kind == OcspAnswerKind::Good;
                    if must_be_revoked && answer.kind == OcspAnswerKind::Revoked {
                        return good;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        let bed = Arc::clone(&bed);
        revocations.spawn(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            revoke(&bed, serial, RevocationReason::Superseded).await;
            acknowledged.store(true, Ordering::SeqCst);
            let answer = bed
                .authority
                .answer_ocsp(bed.issuer("issuing").id, &request)
                .await;
            assert!(is_revoked_or_withheld(answer.kind), "{:?}", answer.kind);
        });
    }
    let ahead = {
        let bed = Arc::clone(&bed);
        tokio::spawn(async move { bed.authority.presign_ocsp(&admin(), "issuing").await.unwrap() })
    };
    let mut before = 0;
    while let Some(race) = races.join_next().await {
        before += usize::from(race.unwrap());
    }
    while let Some(revocation) = revocations.join_next().await {
        revocation.unwrap();
    }
    ahead.await.unwrap();
    // It was a race: each was told in the end that it is revoked, and many before that it is good.
    assert!(
        before > CERTIFICATES * ASKERS / 10,
        "{before} were told good before"
    );
}

#[tokio::test]
async fn answers_on_disk_outlive_a_restart_and_no_revocation() {
    let bed = Bed::with_answers_on_disk().await;
    let kept = bed.server("kept.example").await.serial;
    let revoked_later = bed.server("later.example").await.serial;
    let done = bed.authority.presign_ocsp(&admin(), "issuing").await.unwrap();
    assert!(done.signed >= 2 && done.failed == 0, "{done:?}");
    let again = bed.authority.presign_ocsp(&admin(), "issuing").await.unwrap();
    assert_eq!((again.signed, again.fresh), (0, done.signed));
    let before = bed.metric(r#"chancery_signer_seconds_count{purpose="ocsp"}"#);
    let bed = bed.restarted().await;
    revoke(&bed, revoked_later, RevocationReason::Superseded).await;
    let request = |serial| Request::new(cert_id(&bed, HashAlgorithm::Sha1, serial));
    assert_eq!(ask(&bed, &request(kept)).await, [CertStatus::Good]);
    assert_eq!(
        bed.metric(r#"chancery_ocsp_cache_total{outcome="hit"}"#)
            .to_bits(),
        1.0_f64.to_bits()
    );
    assert!(matches!(
        ask(&bed, &request(revoked_later)).await[..],
        [CertStatus::Revoked { .. }]
    ));
    // The second was signed, the first was not.
    let after = bed.metric(r#"chancery_signer_seconds_count{purpose="ocsp"}"#);
    assert_eq!((after - before).to_bits(), 1.0_f64.to_bits());
    let swept = bed.authority.presign_revoked().await.unwrap();
    assert_eq!((swept.signed, swept.fresh), (0, 1));
    // What has ended goes, and is not given out.
    bed.advance(SignedDuration::from_hours(25));
    assert!(bed.authority.trim_ocsp().await >= 2);
    assert_eq!(ask(&bed, &request(kept)).await, [CertStatus::Good]);
}

#[tokio::test]
async fn answers_on_disk_of_a_former_responder_come_back_whole() {
    let bed = Bed::with_answers_on_disk().await;
    let issued = bed.server("kept.example").await;
    let id = issued.issuer_id;
    bed.advance(SignedDuration::from_hours(7 * 24 - 1));
    bed.authority.presign_ocsp(&admin(), "issuing").await.unwrap();
    let responder = bed.authority.responder(&admin(), id).unwrap().unwrap();
    let before = bed.authority.answer_ocsp_serial(id, issued.serial).await;
    assert!(before.der.ends_with(&responder.certificate));
    bed.advance(SignedDuration::from_hours(2));
    assert_eq!(bed.authority.renew_due_responders().await.unwrap(), 2);
    let bed = bed.restarted().await;
    let current = bed.authority.responder(&admin(), id).unwrap().unwrap();
    assert_ne!(current.certificate, responder.certificate);
    let after = bed.authority.answer_ocsp_serial(id, issued.serial).await;
    assert_eq!(after.der, before.der);
    let request = Request::new(cert_id(&bed, HashAlgorithm::Sha1, issued.serial));
    assert_eq!(ask(&bed, &request).await, [CertStatus::Good]);
}

#[tokio::test]
async fn what_is_asked_for_is_signed_anew_before_it_is_due() {
    let bed = Bed::ready().await;
    let serial = loop {
        let serial = bed.server("hot.example").await.serial;
        // With such a serial it is signed anew when it is due, and no sooner.
        if serial.as_bytes().last() != Some(&0) {
            break serial;
        }
    };
    let request = Request::new(cert_id(&bed, HashAlgorithm::Sha256, serial));
    ask(&bed, &request).await;
    assert_eq!(bed.authority.refresh_ocsp().await.unwrap().signed, 0);
    bed.advance(SignedDuration::from_secs(12 * 3600 - 30));
    assert_eq!(bed.authority.refresh_ocsp().await.unwrap().signed, 1);
    bed.advance(SignedDuration::from_secs(60));
    let misses = bed.metric(r#"chancery_ocsp_cache_total{outcome="miss"}"#);
    assert_eq!(ask(&bed, &request).await, [CertStatus::Good]);
    let now = bed.metric(r#"chancery_ocsp_cache_total{outcome="miss"}"#);
    assert_eq!(
        now.to_bits(),
        misses.to_bits(),
        "it had to be signed while somebody waited"
    );
}

#[tokio::test]
async fn an_answer_at_hand_allocates_nothing() {
    let bed = Bed::ready().await;
    let serial = bed.server("host.example").await.serial;
    let id = bed.issuer("issuing").id;
    for algorithm in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
        let request = Request::new(cert_id(&bed, algorithm, serial)).to_der().unwrap();
        let path = ocsp::der_to_get_path(&request);
        bed.authority.answer_ocsp(id, &request).await;
        let counted = allocation_counter::measure(|| {
            let mut room = [0; 256];
            let request = ocsp::get_path_into(&path, &mut room).unwrap();
            let answer = bed.authority.ocsp_at_hand(id, request).unwrap();
            assert_eq!(answer.kind, OcspAnswerKind::Good);
        });
        assert_eq!(counted.count_total, 0, "{counted:?}");
    }
}
