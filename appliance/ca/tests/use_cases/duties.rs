//! Two servers over one database make a key or a certificate once that is there for both.

use std::time::Duration;

use ca::{Authority, CreateRoot, Settings};
use jiff::SignedDuration;
use ocsp::CertStatus;
use pki::crl::RevocationReason;
use pki::{Certificate, KeyAlgorithm, KeyFingerprint, Serial};
use token::Keys as _;

use crate::bed::{BASE_URL, admin, root};
use crate::several::{Pair, issue, revoke};

/// Past the half of the life of a responder.
const DUE: SignedDuration = SignedDuration::from_hours(24 * 8);

impl Pair {
    fn keys(&self) -> usize {
        self.hsm.list().len()
    }

    /// Certificates of responders, those that were never recorded as such included.
    fn responder_certificates(&self) -> usize {
        let count = "SELECT count(*) FROM certificates WHERE profile = 'ocsp-signer'";
        self.database.run(count).parse().unwrap()
    }
}

/// By what a server answers for root and issuing CA.
fn responder_certificates(server: &Authority) -> Vec<Certificate> {
    let of = |name| {
        server
            .responder(&admin(), server.issuer(name).unwrap().id)
            .unwrap()
    };
    ["root", "issuing"]
        .map(|name| Certificate::from_der(&of(name).unwrap().certificate).unwrap())
        .to_vec()
}

fn responders(server: &Authority) -> Vec<Serial> {
    responder_certificates(server)
        .iter()
        .map(Certificate::serial)
        .collect()
}

fn responder_keys(server: &Authority) -> Vec<KeyFingerprint> {
    let certificates = responder_certificates(server);
    certificates
        .iter()
        .map(|one| one.public_key().fingerprint())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn responders_are_made_and_renewed_by_one_for_both() {
    let pair = Pair::ready().await;
    pair.database.run("DELETE FROM responders");
    let one = pair.third().await;
    let (other, _) = pair.another(Settings::new(BASE_URL)).await;
    for (round, new_keys) in [("made", 2), ("renewed", 0)] {
        let (keys, certificates) = (pair.keys(), pair.responder_certificates());
        let done = tokio::join!(one.renew_due_responders(), other.renew_due_responders());
        assert_eq!(done.0.unwrap() + done.1.unwrap(), 2, "{round}");
        assert_eq!(pair.keys() - keys, new_keys, "{round}");
        assert_eq!(pair.responder_certificates() - certificates, 2, "{round}");
        for server in [&one, &other] {
            server.catch_up().await.unwrap();
            assert_eq!(server.renew_due_responders().await.unwrap(), 0, "{round}");
        }
        assert_eq!(responders(&one), responders(&other), "{round}");
        pair.clock.advance(DUE);
    }
}

/// Its work is taken over when its time is over, and when it wakes up it records nothing.
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn a_responder_of_a_server_that_stopped_is_renewed_by_another() {
    let pair = Pair::ready().await;
    pair.clock.advance(DUE);
    let (keys, certificates) = (pair.keys(), pair.responder_certificates());
    let held = pair.hsm.hold.lock();
    let asleep = pair.one.clone();
    let asleep = tokio::spawn(async move { asleep.renew_due_responders().await });
    while !pair.one.metrics_text().contains("chancery_signer_waiting 1") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let nudge = pair.other.responder_nudge();
    assert_eq!(
        pair.other.renew_due_responders().await.unwrap(),
        1,
        "the sleeper has the other one"
    );
    let woken = tokio::time::timeout(Duration::from_secs(30), nudge.notified()).await;
    assert!(woken.is_ok(), "nobody looks again");
    // So it would be had it not been heard of for a while.
    pair.database
        .run("UPDATE leases SET until = 1 WHERE name LIKE 'responder:%'");
    assert_eq!(pair.other.renew_due_responders().await.unwrap(), 1);
    drop(held);
    let error = asleep.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "lease_lost", "{error}");
    pair.settle().await;
    assert_eq!(responders(&pair.one), responders(&pair.other));
    assert_eq!(pair.keys(), keys);
    assert_eq!(pair.responder_certificates() - certificates, 2);
    // What the sleeper had signed nobody was handed, and nobody could use it.
    assert_eq!(pair.one.recover().await.unwrap().orphans.len(), 1);
}

/// Whoever revokes a responder distrusts its key, also when another server is renewing it at that moment.
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn the_key_of_a_responder_that_is_revoked_meanwhile_is_certified_no_more() {
    let pair = Pair::ready().await;
    let serial = issue(&pair.one, "host.example").await.serial;
    pair.settle().await;
    let before = responder_keys(&pair.one);
    pair.clock.advance(DUE);
    let held = pair.hsm.hold.lock();
    let asleep = pair.one.clone();
    let asleep = tokio::spawn(async move { asleep.renew_due_responders().await });
    while !pair.one.metrics_text().contains("chancery_signer_waiting 1") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for current in responder_certificates(&pair.other) {
        revoke(&pair.other, current.serial(), RevocationReason::KeyCompromise).await;
    }
    drop(held);
    assert!(asleep.await.unwrap().is_err());
    for _ in 0..2 {
        pair.settle().await;
        for server in [&pair.one, &pair.other] {
            server.renew_due_responders().await.unwrap();
        }
    }
    assert_eq!(responders(&pair.one), responders(&pair.other));
    let after = responder_keys(&pair.one);
    assert!(
        before.iter().all(|key| !after.contains(key)),
        "{before:?} {after:?}"
    );
    assert_eq!(pair.ask(&pair.one, serial).await, CertStatus::Good);
}

/// Whoever revokes a responder makes the next one; when that server comes to its end before, another one does, in a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_responder_has_a_successor_soon_whoever_makes_it() {
    let pair = Pair::ready().await;
    let nudge = pair.other.responder_nudge();
    let keys = pair.keys();
    let current = responder_certificates(&pair.one)[1].serial();
    revoke(&pair.one, current, RevocationReason::KeyCompromise).await;
    pair.settle().await;
    let woken = tokio::time::timeout(Duration::from_secs(30), nudge.notified()).await;
    assert!(woken.is_ok(), "nobody looks after it");
    assert_eq!(pair.other.renew_due_responders().await.unwrap(), 0, "it is there");
    assert_eq!(responders(&pair.one), responders(&pair.other));
    assert_eq!(pair.keys() - keys, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_is_made_by_one_of_two_that_are_told_to() {
    let pair = Pair::ready().await;
    let keys = pair.keys();
    let wanted = || CreateRoot {
        token: "hsm".to_owned(),
        ..root("twice", KeyAlgorithm::P256)
    };
    let (by, of) = (admin(), admin());
    let made = tokio::join!(
        pair.one.create_root(&by, wanted()),
        pair.other.create_root(&of, wanted())
    );
    let refused: Vec<_> = [&made.0, &made.1]
        .into_iter()
        .filter_map(|made| made.as_ref().err())
        .map(ca::Error::code)
        .collect();
    assert_eq!(refused, ["issuer_made_elsewhere"]);
    assert_eq!(pair.keys() - keys, 2, "its own and that of its responder");
    pair.settle().await;
    let known = [&pair.one, &pair.other].map(|server| server.issuer("twice").unwrap().id);
    assert_eq!(known[0], known[1]);

    // A generation that the other has not heard of yet.
    let keys = pair.keys();
    let rolled = || ca::Rollover {
        issuer: "twice".to_owned(),
        ..ca::Rollover::default()
    };
    pair.one.rollover(&admin(), rolled()).await.unwrap();
    let error = pair.other.rollover(&admin(), rolled()).await.unwrap_err();
    assert_eq!(error.code(), "issuer_made_elsewhere", "{error}");
    assert_eq!(pair.keys() - keys, 2);
    pair.settle().await;
    pair.other.rollover(&admin(), rolled()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_audit_log_is_made_once() {
    let pair = Pair::ready().await;
    let keys = pair.keys();
    let made = tokio::join!(pair.one.make_audit_log(None), pair.other.make_audit_log(None));
    let made = [made.0.unwrap(), made.1.unwrap()];
    assert!(made.iter().any(Option::is_some));
    assert_eq!(pair.keys() - keys, 1);
    let known = [&pair.one, &pair.other].map(|server| server.make_audit_log(None));
    let [one, other] = known;
    assert_eq!(one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
    assert_eq!(pair.keys() - keys, 1);
}
