//! Which signature is made first when all of them wait: those of CRLs, then of certificates, then of OCSP answers somebody waits
//! for, then of those signed ahead.

use ca::OcspAnswerKind;
use ocsp::{CertId, HashAlgorithm, Nonce, Request};

use crate::bed::{BASE_URL, Bed, admin, server_request};
use crate::faults;

/// Certificates that are signed ahead for: those of this test, and the responder's own.
const KNOWN: usize = 24 + 1;
/// Certificates and answers that are ordered while nothing can be signed.
const EACH: usize = 6;

#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signatures waiting"
)]
async fn what_waits_for_a_token_is_signed_by_its_urgency() {
    let (bed, hsm) = faults::bed().await;
    let mut serials = Vec::new();
    for number in 1..KNOWN {
        serials.push(bed.server(&format!("n{number}.example")).await.serial);
    }
    let held = hsm.hold.lock();
    hsm.made.lock().clear();
    // The least urgent come first.
    let authority = bed.authority.clone();
    let ahead = tokio::spawn(async move { authority.presign_ocsp(&admin(), "issuing").await.unwrap() });
    wait_for(&bed, KNOWN).await;
    let mut asking = Vec::new();
    for serial in serials.iter().take(EACH) {
        let (authority, id, request) = (
            bed.authority.clone(),
            bed.issuer("issuing").id,
            nonced(&bed, *serial),
        );
        asking.push(tokio::spawn(async move {
            authority.answer_ocsp(id, &request).await.der
        }));
    }
    wait_for(&bed, KNOWN + EACH).await;
    let mut ordering = Vec::new();
    for number in 0..EACH {
        let authority = bed.authority.clone();
        let order = server_request(&format!("m{number}.example"));
        ordering.push(tokio::spawn(async move {
            authority.issue(&admin(), order).await.unwrap()
        }));
    }
    wait_for(&bed, KNOWN + 2 * EACH).await;
    let authority = bed.authority.clone();
    let publishing = tokio::spawn(async move { authority.publish_crl(&admin(), "issuing").await.unwrap() });
    wait_for(&bed, KNOWN + 2 * EACH + 1).await;
    drop(held);

    let (mut answers, mut certificates) = (Vec::new(), Vec::new());
    for task in asking {
        answers.push(task.await.unwrap().to_vec());
    }
    for task in ordering {
        certificates.push(task.await.unwrap().certificate.der().to_vec());
    }
    publishing.await.unwrap();
    let ahead = ahead.await.unwrap();
    // None of them was given up: the least urgent have waited, no more.
    assert_eq!((ahead.signed, ahead.failed), (KNOWN, 0));
    let crl = bed
        .authority
        .current_crl(bed.issuer("issuing").id)
        .unwrap()
        .der()
        .unwrap();
    let objects = [vec![crl.to_vec()], certificates, answers];
    let ranks: Vec<usize> = hsm.made.lock().iter().map(|made| rank(made, &objects)).collect();
    assert_eq!(ranks.len(), KNOWN + 2 * EACH + 1);
    // Two were at the token before anybody else came, and two at a time may overtake each other.
    let waited = &ranks[2..];
    let overtaken = (1..waited.len())
        .filter(|place| waited[place - 1] > waited[*place])
        .count();
    let mut sorted = waited.to_vec();
    sorted.sort_unstable();
    let misplaced = sorted
        .iter()
        .zip(waited)
        .filter(|(one, other)| one != other)
        .count();
    assert!(overtaken <= 3 && misplaced <= 6, "{waited:?}");
}

#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signatures waiting"
)]
async fn who_comes_when_the_budget_is_spent_is_told_to_try_later_at_once() {
    const BUDGET: usize = 4;
    let settings = ca::Settings {
        ocsp_on_demand: BUDGET,
        ..ca::Settings::new(BASE_URL)
    };
    let (bed, hsm) = faults::bed_with(settings).await;
    let (id, known) = (bed.issuer("issuing").id, bed.server("known.example").await.serial);
    let other = bed.server("other.example").await.serial;
    let good = bed.authority.answer_ocsp_serial(id, known).await;
    assert_eq!(good.kind, OcspAnswerKind::Good);
    let held = hsm.hold.lock();
    let mut waiting = Vec::new();
    for _ in 0..BUDGET {
        let (authority, request) = (bed.authority.clone(), nonced(&bed, known));
        waiting.push(tokio::spawn(async move {
            authority.answer_ocsp(id, &request).await.kind
        }));
    }
    wait_for(&bed, BUDGET).await;
    // Nothing is signed while these are answered: nobody waits for the token.
    let request = nonced(&bed, known);
    assert_eq!(
        bed.authority.answer_ocsp(id, &request).await.kind,
        OcspAnswerKind::TryLater
    );
    let first = bed.authority.answer_ocsp_serial(id, other).await;
    assert_eq!(first.kind, OcspAnswerKind::TryLater);
    let prepared = bed.authority.answer_ocsp_serial(id, known).await;
    assert_eq!(prepared.der, good.der);
    drop(held);
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), OcspAnswerKind::Good);
    }
    let again = bed.authority.answer_ocsp_serial(id, other).await;
    assert_eq!(again.kind, OcspAnswerKind::Good);
}

/// Waits until so many signatures are waited for.
async fn wait_for(bed: &Bed, count: usize) {
    let count = f64::from(u32::try_from(count).unwrap());
    let reached = async {
        while bed.metric("chancery_signer_waiting") < count - 0.5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), reached)
        .await
        .unwrap();
}

fn nonced(bed: &Bed, serial: pki::Serial) -> Vec<u8> {
    let issuer = bed.issuer("issuing").certificate.clone().unwrap();
    let id = CertId::for_issuer(
        HashAlgorithm::Sha1,
        issuer.subject().der(),
        issuer.public_key(),
        serial,
    );
    let request = Request::new(id).with_nonce(Nonce::new(&[7; 32]).unwrap());
    request.to_der().unwrap()
}

/// Which of these lists of objects has a signature in it; those signed ahead are in none.
fn rank(signature: &[u8], objects: &[Vec<Vec<u8>>; 3]) -> usize {
    let has = |object: &Vec<u8>| object.windows(signature.len()).any(|window| window == signature);
    let found = objects.iter().position(|objects| objects.iter().any(has));
    found.unwrap_or(objects.len())
}
