//! Delta CRLs: base and delta together say what the full list of the same number says (RFC 5280 §5.2.4).

use std::collections::BTreeMap;

use ca::{CertRef, CreateIssuing, CrlPlan, RevokeRequest};
use jiff::SignedDuration;
use pki::crl::{Crl, RevocationReason};
use pki::{KeyAlgorithm, Serial};

use crate::bed::{Bed, admin, issuing, server_request};

async fn bed() -> Bed {
    let bed = Bed::ready().await;
    let request = CreateIssuing {
        crl: CrlPlan {
            shards: 1,
            deltas: true,
        },
        ..issuing("delta", "root", KeyAlgorithm::P256)
    };
    bed.authority.create_issuing(&admin(), request).await.unwrap();
    bed
}

async fn certificate(bed: &Bed) -> Serial {
    let request = ca::IssueRequest {
        issuer: Some("delta".to_owned()),
        ..server_request("host.example")
    };
    bed.authority.issue(&admin(), request).await.unwrap().serial
}

async fn revoke(bed: &Bed, serial: Serial, reason: RevocationReason) {
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
}

fn full(bed: &Bed) -> Crl {
    let crl = bed.authority.crl_of_shard(bed.issuer("delta").id, None).unwrap();
    Crl::parse(&crl.der().unwrap()).unwrap()
}

fn delta(bed: &Bed) -> Option<Crl> {
    let crl = bed.authority.delta_of_shard(bed.issuer("delta").id, None)?;
    Some(Crl::parse(&crl.der().unwrap()).unwrap())
}

fn reasons(crl: &Crl) -> BTreeMap<Serial, Option<RevocationReason>> {
    crl.entries()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.serial, entry.reason))
        .collect()
}

/// What a relying party makes of a base and a delta.
fn combined(base: &Crl, delta: &Crl) -> BTreeMap<Serial, Option<RevocationReason>> {
    let mut all = reasons(base);
    for (serial, reason) in reasons(delta) {
        if reason == Some(RevocationReason::RemoveFromCrl) {
            all.remove(&serial);
        } else {
            all.insert(serial, reason);
        }
    }
    all
}

#[tokio::test]
async fn base_and_delta_say_what_the_full_list_says() {
    use RevocationReason::{CertificateHold, KeyCompromise, RemoveFromCrl, Superseded};
    let mut bed = bed().await;
    assert!(delta(&bed).is_none(), "the first full list is the base");
    let before = certificate(&bed).await;
    revoke(&bed, before, CertificateHold).await;
    bed.advance(SignedDuration::from_hours(24));
    bed.authority.publish_due_crls().await.unwrap();
    let base = full(&bed);
    assert_eq!(reasons(&base).len(), 1);
    let (one, two) = (certificate(&bed).await, certificate(&bed).await);
    for (serial, reason) in [
        (one, CertificateHold),
        (two, Superseded),
        (before, RemoveFromCrl),
        (one, RemoveFromCrl),
        (two, KeyCompromise),
        (one, CertificateHold),
    ] {
        revoke(&bed, serial, reason).await;
        bed.authority.publish_due_crls().await.unwrap();
        let (full, delta) = (full(&bed), delta(&bed).unwrap());
        assert_eq!(delta.number(), full.number(), "made at the same time");
        assert_eq!(delta.delta_base(), base.number());
        assert_eq!(combined(&base, &delta), reasons(&full), "{reason}");
        bed = bed.restarted().await;
    }
    // The next scheduled list is the next base, and the delta starts anew.
    bed.advance(SignedDuration::from_hours(24));
    bed.authority.publish_due_crls().await.unwrap();
    let base = full(&bed);
    assert_eq!(combined(&base, &delta(&bed).unwrap()), reasons(&base));
    revoke(&bed, one, RemoveFromCrl).await;
    bed.authority.publish_due_crls().await.unwrap();
    let delta = delta(&bed).unwrap();
    assert_eq!(delta.delta_base(), base.number());
    assert_eq!(reasons(&delta), BTreeMap::from([(one, Some(RemoveFromCrl))]));
}
