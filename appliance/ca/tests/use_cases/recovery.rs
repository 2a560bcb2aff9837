//! What a crash leaves behind. The crash of a whole process is in `tests/crash.rs`.

use ca::{CertRef, OcspAnswerKind};
use pki::Serial;
use store::intents::IntentRow;
use uuid::Uuid;

use crate::bed::{Bed, admin};

/// Writes what a process leaves that dies after its intent.
async fn die_after_intent(path: &std::path::Path, issuer_id: Uuid, serial: Serial) -> Uuid {
    let store = store_bed::open(path);
    let order_id = Uuid::now_v7();
    let intent = IntentRow {
        issuer_id,
        serial: serial.as_bytes().to_vec(),
        order_id,
        tbs_hash: vec![0; 32],
        not_after: i64::MAX,
        at: 1,
        requester: "anna".into(),
        profile: "tls-server".into(),
        subject: String::new(),
        names: "dns:host.example".into(),
        node: Uuid::nil(),
    };
    let write = store.write(move |tx| store::intents::insert(tx, &intent));
    write.await.unwrap();
    order_id
}

#[tokio::test]
async fn an_intent_without_certificate_is_revoked_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let clock = ca::Clock::fixed(crate::bed::START.parse().unwrap());
    let ring = std::sync::Arc::new(token::KeyRing::in_memory());
    let authority = crate::bed::open(&path, &ring, &clock).await;
    let root = authority
        .create_root(&admin(), crate::bed::root("root", pki::KeyAlgorithm::P256))
        .await
        .unwrap();
    drop(authority);
    let serial = Serial::from_random([8; 16]);
    let order_id = die_after_intent(&path, root.id, serial).await;
    let authority = crate::bed::open(&path, &ring, &clock).await;
    let orphans = &authority.recovered().orphans;
    assert_eq!(orphans.len(), 1);
    assert_eq!(
        (orphans[0].serial, orphans[0].issuer_id, orphans[0].order_id),
        (serial, root.id, order_id)
    );
    assert_eq!(
        authority.answer_ocsp_serial(root.id, serial).await.kind,
        OcspAnswerKind::Revoked
    );
    authority.publish_due_crls().await.unwrap();
    let crl = pki::Crl::parse(&authority.current_crl(root.id).unwrap().der().unwrap()).unwrap();
    assert!(crl.find(serial).is_some());
    let told = authority.explain(&admin(), order_id).await.unwrap();
    assert_eq!(
        (told.state.as_str(), told.code.as_deref()),
        ("failed", Some("orphaned"))
    );
    let log = authority.audit_tail(&admin(), 0, 1000).await.unwrap();
    assert!(
        log.iter()
            .any(|entry| entry.action == "certificate.orphan" && entry.object == serial.to_string())
    );
    assert!(authority.metrics_text().contains("chancery_orphans_total 1"));
    drop(authority);
    let authority = crate::bed::open(&path, &ring, &clock).await;
    assert!(
        authority.recovered().orphans.is_empty(),
        "an orphan is reported once"
    );
    assert_eq!(
        authority.answer_ocsp_serial(root.id, serial).await.kind,
        OcspAnswerKind::Revoked
    );
}

#[tokio::test]
async fn the_sweep_leaves_alone_what_is_being_worked_on() {
    let bed = Bed::ready().await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let authority = bed.authority.clone();
            tokio::spawn(async move {
                let request = crate::bed::server_request(&format!("h{number}.example"));
                authority.issue(&admin(), request).await
            })
        })
        .collect();
    for _ in 0..20 {
        assert!(bed.authority.recover().await.unwrap().orphans.is_empty());
        tokio::task::yield_now().await;
    }
    for task in tasks {
        let issued = task.await.unwrap().unwrap();
        bed.authority
            .certificate(&admin(), CertRef::Id(issued.id))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_orphan() {
    let bed = Bed::ready().await;
    for number in 0..20 {
        let request = crate::bed::server_request(&format!("h{number}.example"));
        let caller = admin();
        let issue = bed.authority.issue(&caller, request);
        // Given up before it can have ended.
        let _ = tokio::time::timeout(std::time::Duration::from_micros(300), issue).await;
    }
    // What was begun ends by itself.
    bed.authority.drain().await;
    let bed = bed.restarted().await;
    assert!(bed.authority.recovered().orphans.is_empty());
}
