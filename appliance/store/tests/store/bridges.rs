//! Instances of bridges, their certificates, and tokens that are good once.

use store::bridges::{self, BridgeCertificateRow, BridgeReportRow, BridgeRow, BridgeTokenRow};
use store::{Error, Store};
use uuid::Uuid;

use super::fixture::Place;

fn bridge(number: u128) -> BridgeRow {
    BridgeRow {
        id: Uuid::from_u128(number),
        bridge: "dmz".to_owned(),
        issuer: None,
        status: "active".to_owned(),
        version: Some("1.0".to_owned()),
        created_at: 10,
        updated_at: 10,
        seen_at: None,
        is_pending: false,
    }
}

fn certificate(number: u8, of: u128, not_after: i64) -> BridgeCertificateRow {
    BridgeCertificateRow {
        fingerprint: vec![number; 32],
        bridge_id: Uuid::from_u128(of),
        certificate_id: Uuid::from_u128(u128::from(number)),
        not_after,
    }
}

async fn of(store: &Store, print: u8) -> Option<BridgeRow> {
    let read = store.read(move |reader| bridges::find_by_certificate(reader, &[print; 32]));
    read.await.unwrap()
}

#[tokio::test]
async fn an_instance_is_known_by_each_of_its_certificates_until_it_ends() {
    let place = Place::new();
    let store = place.open();
    let filled = store.write(|tx| {
        bridges::insert(tx, &bridge(1))?;
        bridges::insert(tx, &bridge(2))?;
        bridges::certify(tx, &certificate(1, 1, 100), 20)?;
        bridges::certify(tx, &certificate(2, 1, 200), 50)?;
        bridges::certify(tx, &certificate(3, 2, 200), 50)
    });
    filled.await.unwrap();
    assert_eq!(of(&store, 1).await.unwrap().id, Uuid::from_u128(1));
    assert_eq!(of(&store, 2).await.unwrap().updated_at, 50);
    assert_eq!(of(&store, 9).await, None);
    let next = store.write(|tx| {
        bridges::set_version(tx, Uuid::from_u128(1), Some("2.0"), 150)?;
        bridges::touch(tx, Uuid::from_u128(1), 170)?;
        bridges::touch(tx, Uuid::from_u128(1), 160)?;
        bridges::certify(tx, &certificate(4, 1, 300), 150)
    });
    next.await.unwrap();
    assert_eq!(of(&store, 1).await, None, "its time is over");
    let now = of(&store, 4).await.unwrap();
    assert_eq!((now.version.as_deref(), now.seen_at), (Some("2.0"), Some(170)));
    let all = store.read(|reader| bridges::certificates(reader, Uuid::from_u128(1)));
    let ends: Vec<i64> = all.await.unwrap().iter().map(|one| one.not_after).collect();
    assert_eq!(ends, [300, 200]);

    store
        .write(|tx| bridges::retire(tx, Uuid::from_u128(1), 180))
        .await
        .unwrap();
    assert_eq!((of(&store, 2).await, of(&store, 4).await), (None, None));
    let again = store
        .write(|tx| bridges::retire(tx, Uuid::from_u128(1), 190))
        .await;
    assert!(matches!(again, Err(Error::Absent { .. })), "{again:?}");
    let late = store
        .write(|tx| bridges::certify(tx, &certificate(5, 1, 400), 190))
        .await;
    assert!(matches!(late, Err(Error::Absent { .. })), "{late:?}");
    let page = store.read(|reader| bridges::list(reader, Some(Uuid::from_u128(1)), 5));
    assert_eq!(page.await.unwrap().len(), 1);
    let first = store.read(|reader| bridges::find(reader, Uuid::from_u128(1)));
    assert_eq!(first.await.unwrap().unwrap().status, "retired");
}

#[tokio::test]
async fn an_instance_waits_until_it_is_approved() {
    let place = Place::new();
    let store = place.open();
    let waiting = BridgeRow {
        is_pending: true,
        ..bridge(1)
    };
    let kept = waiting.clone();
    let filled = store.write(move |tx| {
        bridges::insert(tx, &kept)?;
        bridges::insert(tx, &bridge(2))?;
        bridges::certify(tx, &certificate(1, 1, 100), 10)
    });
    filled.await.unwrap();
    assert_eq!(of(&store, 1).await, Some(waiting.clone()));
    let page = store.read(|reader| bridges::list(reader, None, 5)).await.unwrap();
    assert_eq!(page, [waiting, bridge(2)]);
    let approve = async |id| {
        let job = store.write(move |tx| bridges::approve(tx, Uuid::from_u128(id)));
        job.await.unwrap()
    };
    assert!(!approve(2).await && approve(1).await && !approve(1).await);
    assert_eq!(of(&store, 1).await, Some(bridge(1)));
}

#[tokio::test]
async fn the_last_report_of_an_instance_is_kept() {
    let place = Place::new();
    let store = place.open();
    store.write(|tx| bridges::insert(tx, &bridge(1))).await.unwrap();
    let report = |number: i64| BridgeReportRow {
        report: format!("{{\"connections\":{number}}}"),
        reported_at: number,
    };
    let kept = async |id| {
        let read = store.read(move |reader| bridges::report(reader, Uuid::from_u128(id)));
        read.await.unwrap()
    };
    assert_eq!(kept(1).await, None);
    for number in [7, 8] {
        let said = report(number);
        let job = store.write(move |tx| bridges::set_report(tx, Uuid::from_u128(1), &said));
        job.await.unwrap();
        assert_eq!(kept(1).await, Some(report(number)));
    }
    assert_eq!(kept(2).await, None);
}

#[tokio::test]
async fn a_token_is_used_once_and_in_its_time() {
    let place = Place::new();
    let store = place.open();
    let token = |number: u8| BridgeTokenRow {
        token_hash: vec![number; 32],
        bridge: "dmz".to_owned(),
        issuer: Some("issuing".to_owned()),
        created_at: 1,
        expires_at: 100,
        needs_approval: number == 1,
    };
    let rows = [token(1), token(2), token(3)];
    let filled = store.write(move |tx| rows.iter().try_for_each(|row| bridges::insert_token(tx, row)));
    filled.await.unwrap();
    let found = store
        .read(|reader| bridges::find_token(reader, &[1; 32]))
        .await
        .unwrap();
    assert_eq!(found, Some(token(1)));
    store
        .write(|tx| bridges::use_token(tx, &[1; 32], 99))
        .await
        .unwrap();
    for (print, now) in [(1, 99), (2, 100), (9, 1)] {
        let refused = store
            .write(move |tx| bridges::use_token(tx, &[print; 32], now))
            .await;
        assert!(
            matches!(refused, Err(Error::Absent { .. })),
            "{print}: {refused:?}"
        );
    }
    assert_eq!(
        store.write(|tx| bridges::trim_tokens(tx, 100, 9)).await.unwrap(),
        0
    );
    assert_eq!(
        store.write(|tx| bridges::trim_tokens(tx, 101, 1)).await.unwrap(),
        1
    );
    assert_eq!(
        store.write(|tx| bridges::trim_tokens(tx, 101, 9)).await.unwrap(),
        1
    );
}
