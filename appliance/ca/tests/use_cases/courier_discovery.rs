//! Certificates that couriers found: noted, and decided about.

use ca::Role;
use ca::courier::{DiscoveryFilter, DiscoverySummary, FoundOnHost, FoundPage, ScanCounts, Triage};
use uuid::Uuid;

use crate::bed::{Bed, admin, principal};
use crate::courier_host::{Host, code, order, record};

/// A certificate with a key that nothing here would take.
const WEAK: &str = include_str!("../../../../protocols/pki/src/certificate/outline/weak.crt");

fn lying_at(path: &str) -> Vec<(String, bool, bool)> {
    vec![(path.to_owned(), false, true)]
}

#[tokio::test]
async fn what_a_courier_finds_is_listed_and_claimed_or_dismissed() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let placed = bed
        .authority
        .place_courier_order(&session, order(&["dns:a.example.com"]), None)
        .await
        .unwrap();
    let own = bed
        .authority
        .fetch_courier_certificate(&session, placed.id)
        .await
        .unwrap();
    let own = own.chain[0].clone();
    let weak = pki::pem::decode(WEAK.as_bytes()).unwrap().remove(0).der;
    let found = [own, weak, vec![0x30, 0x00]];
    let page = FoundPage {
        scan: Uuid::from_u128(1),
        certificates: found
            .into_iter()
            .map(|der| FoundOnHost {
                der,
                places: lying_at("/etc/ssl/a.pem"),
            })
            .collect(),
        finished: Some(ScanCounts::default()),
    };
    let refused = bed.authority.note_discovered(&session, page).await.unwrap();
    assert_eq!(refused, [(2, "is no certificate")]);
    let who = admin();
    let filter = DiscoveryFilter {
        limit: 9,
        ..DiscoveryFilter::default()
    };
    let all = bed.authority.discovered(&who, filter).await.unwrap();
    assert_eq!(all.len(), 2);
    let (own, weak) = if all[0].status == "claimed" {
        (&all[0], &all[1])
    } else {
        (&all[1], &all[0])
    };
    assert_eq!(own.names, ["dns:a.example.com"]);
    assert_eq!((weak.status.as_str(), weak.certificate), ("new", None));
    assert!(weak.fault.as_deref().unwrap().contains("weak"), "{weak:?}");
    assert_eq!(weak.key_algorithm, "rsa-1024");
    assert_eq!(
        (weak.place_count, weak.subject.as_str()),
        (1, "CN=old.example.com")
    );
    let triage = async |triage| bed.authority.triage_discovered(&who, weak.id, triage).await;
    let certificate = own.certificate.unwrap();
    let (claimed, at) = triage(Triage::Claim(ca::CertRef::Id(certificate))).await.unwrap();
    assert_eq!(
        (claimed.status.as_str(), claimed.certificate),
        ("claimed", Some(certificate))
    );
    assert_eq!(
        (at[0].courier_name.as_str(), at[0].is_key_exposed),
        ("web01", true)
    );
    let (dismissed, _) = triage(Triage::Dismiss).await.unwrap();
    assert_eq!(
        (dismissed.status.as_str(), dismissed.certificate),
        ("dismissed", None)
    );
    let summary = bed.authority.discovery_summary(&who).await.unwrap();
    let expected = DiscoverySummary {
        new: 0,
        claimed: 1,
        dismissed: 1,
        key_exposed: 2,
    };
    assert_eq!(summary, expected);
    assert_eq!(triage(Triage::Reopen).await.unwrap().0.status, "new");
    let unknown = ca::CertRef::Id(Uuid::from_u128(5));
    assert_eq!(code(triage(Triage::Claim(unknown)).await), "not_found");
    let scans = bed.authority.discovery_scans(&who, None, None, 9).await.unwrap();
    assert_eq!((scans.len(), scans[0].certificates), (1, 2));
    who_may_look_and_decide(&bed, &host, weak.id).await;
}

async fn who_may_look_and_decide(bed: &Bed, host: &Host, id: Uuid) {
    let who = admin();
    let operator = principal("o", Role::Operator);
    bed.authority.discovered_one(&operator, id).await.unwrap();
    let refused = bed
        .authority
        .triage_discovered(&operator, id, Triage::Dismiss)
        .await;
    assert_eq!(code(refused), "role_insufficient");
    let requester = principal("r", Role::Requester);
    assert_eq!(
        code(bed.authority.discovery_summary(&requester).await),
        "role_insufficient"
    );
    // Nothing is left of a courier that is removed but what was decided.
    let removed = bed.authority.delete_courier(&who, host.courier.id).await;
    removed.unwrap();
    bed.authority.watch_couriers().await.unwrap();
    let left = bed.authority.discovery_summary(&who).await.unwrap();
    assert_eq!((left.new, left.claimed, left.key_exposed), (0, 1, 0));
}
