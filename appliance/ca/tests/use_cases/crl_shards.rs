//! CRLs in shards: every certificate is on the list whose address it carries, and on no other.

use ca::{CertRef, CreateIssuing, CrlPlan, RevokeRequest};
use pki::crl::{Crl, RevocationReason};
use pki::{KeyAlgorithm, Serial};

use crate::bed::{Bed, admin, certificate, issuing};

const SHARDS: u32 = 3;

async fn sharded(bed: &Bed) {
    let request = CreateIssuing {
        crl: CrlPlan {
            shards: SHARDS,
            deltas: false,
        },
        ..issuing("cut", "root", KeyAlgorithm::P256)
    };
    bed.authority.create_issuing(&admin(), request).await.unwrap();
}

/// Serial and address of the CRL of certificates that are revoked.
async fn revoked(bed: &Bed, count: usize) -> Vec<(Serial, String)> {
    let mut made = Vec::new();
    for number in 0..count {
        let request = ca::IssueRequest {
            issuer: Some("cut".to_owned()),
            ..crate::bed::server_request(&format!("host-{number}.example"))
        };
        let issued = bed.authority.issue(&admin(), request).await.unwrap();
        let url = certificate(&issued).crl_urls().first().unwrap().clone();
        let request = RevokeRequest {
            certificate: CertRef::Id(issued.id),
            reason: RevocationReason::Superseded,
            invalidity_date: None,
        };
        bed.authority.revoke(&admin(), request).await.unwrap();
        made.push((issued.serial, url));
    }
    made
}

fn list(bed: &Bed, shard: u32) -> Crl {
    let crl = bed.authority.crl_of_shard(bed.issuer("cut").id, Some(shard));
    Crl::parse(&crl.unwrap().der().unwrap()).unwrap()
}

#[tokio::test]
async fn a_certificate_is_on_the_list_it_points_at_and_on_no_other() {
    let bed = Bed::ready().await;
    sharded(&bed).await;
    let made = revoked(&bed, 24).await;
    assert!(bed.authority.publish_due_crls().await.unwrap() > 1);
    let bed = bed.restarted().await;
    assert_eq!(
        bed.authority.publish_due_crls().await.unwrap(),
        0,
        "every shard is up to date"
    );
    bed.authority.publish_crl(&admin(), "cut").await.unwrap();
    let base = bed.issuer("cut").crl_url.clone();
    let mut listed = 0;
    for shard in 0..SHARDS {
        let crl = list(&bed, shard);
        let url = format!("{base}/{shard}");
        assert_eq!(crl.distribution_point().unwrap().urls, std::slice::from_ref(&url));
        for (serial, address) in &made {
            assert_eq!(crl.find(*serial).is_some(), *address == url, "{serial} on {url}");
        }
        assert!(
            crl.entries().count() > 0,
            "24 serials leave no shard empty but by the rarest chance"
        );
        listed += crl.entries().count();
    }
    assert_eq!(listed, made.len());
}

#[tokio::test]
async fn a_shard_is_named_exactly_when_there_are_several() {
    let bed = Bed::ready().await;
    sharded(&bed).await;
    let (whole, cut) = (bed.issuer("issuing").id, bed.issuer("cut").id);
    let found = |id, shard| bed.authority.crl_of_shard(id, shard).is_some();
    assert!(found(whole, None) && !found(whole, Some(1)));
    assert!(found(cut, Some(0)) && found(cut, Some(2)) && !found(cut, Some(3)) && !found(cut, None));
    // A list of everything has no distribution point (RFC 5280 §5.2.5), and its address is as it was.
    let crl = Crl::parse(&bed.authority.current_crl(whole).unwrap().der().unwrap()).unwrap();
    assert_eq!(crl.distribution_point(), None);
}

#[tokio::test]
async fn a_rollover_keeps_the_number_of_shards_and_senseless_ones_are_refused() {
    let bed = Bed::ready().await;
    sharded(&bed).await;
    let request = ca::Rollover {
        issuer: "cut".to_owned(),
        ..ca::Rollover::default()
    };
    let new = bed.authority.rollover(&admin(), request).await.unwrap();
    assert_eq!(new.crl.shards, SHARDS);
    for shards in [0, 1025] {
        let request = CreateIssuing {
            crl: CrlPlan {
                shards,
                deltas: false,
            },
            ..issuing("other", "root", KeyAlgorithm::P256)
        };
        let refused = bed.authority.create_issuing(&admin(), request).await.unwrap_err();
        assert_eq!(refused.code(), "crl_shards_invalid");
    }
}
