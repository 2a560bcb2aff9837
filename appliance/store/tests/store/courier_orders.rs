//! Orders of couriers: put in once, moved on by one, and gone with their certificates.

use store::courier_keys::{self as keys, Retrieval};
use store::courier_orders::{self as orders, Inserted, Issue, Move, OrderRow, Status};
use store::{Error, Store, Tx, certificates, couriers, intents, retention};
use uuid::Uuid;

use super::couriers::with_couriers;
use super::fixture::{ISSUER, Place, certificate, intent};

pub(crate) fn order(number: u64, of: u128) -> OrderRow {
    OrderRow {
        id: Uuid::from_u128(u128::from(number)),
        courier_id: Uuid::from_u128(of),
        courier_name: "web01".to_owned(),
        idempotency_key: format!("key-{number}"),
        request_digest: vec![3; 32],
        kind: "issue".to_owned(),
        status: Status::Pending,
        key_mode: "platform".to_owned(),
        names: format!("[\"host{number}.example\",\"a.example\"]"),
        names_digest: vec![4; 32],
        key_fingerprint: None,
        label: Some("web".to_owned()),
        profile: "tls-server".to_owned(),
        request: "{\"validity_days\":90}".to_owned(),
        warnings: "[]".to_owned(),
        fault: None,
        certificate_id: None,
        fingerprint: None,
        replaces: None,
        created_at: 100 + i64::try_from(number).unwrap(),
        updated_at: 100 + i64::try_from(number).unwrap(),
        expires_at: 700,
        issued_at: None,
        delivered_at: None,
        installed_at: None,
        ack: None,
    }
}

pub(crate) fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

pub(crate) fn step(number: u64, from: Status, to: Status) -> Move {
    Move {
        id: id(number),
        from,
        to,
        at: 200,
        warnings: None,
        fault: None,
    }
}

/// What becomes true with a certificate: all of it in one transaction.
fn record(tx: &Tx<'_>, number: u64, at: i64) -> store::Result<()> {
    intents::fulfil(tx, ISSUER, &intent(number).serial)?;
    certificates::insert(tx, &certificate(number), &[])?;
    let issue = Issue {
        id: id(number),
        certificate_id: certificate(number).id,
        fingerprint: vec![u8::try_from(number).unwrap(); 32],
        key_fingerprint: vec![6; 32],
        at,
    };
    orders::issue(tx, &issue)
}

/// Orders that are issued at 1000 times their number.
pub(crate) async fn issued(store: &Store, rows: Vec<OrderRow>) {
    let numbers: Vec<u64> = rows
        .iter()
        .map(|row| u64::try_from(row.id.as_u128()).unwrap())
        .collect();
    let job = store.write(move |tx| {
        for (row, number) in rows.iter().zip(&numbers) {
            assert_eq!(orders::insert_or_find(tx, row)?, Inserted::New);
            orders::advance(tx, &step(*number, Status::Pending, Status::Signing))?;
            intents::insert(tx, &intent(*number))?;
            record(tx, *number, 1000 * i64::try_from(*number).unwrap())?;
        }
        Ok(())
    });
    job.await.unwrap();
}

async fn find(store: &Store, number: u64) -> Option<OrderRow> {
    store
        .read(move |reader| orders::find(reader, id(number)))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_request_counts_once_for_its_courier() {
    let place = Place::new();
    let store = place.open();
    let put = async |row: OrderRow| {
        store
            .write(move |tx| orders::insert_or_find(tx, &row))
            .await
            .unwrap()
    };
    assert_eq!(put(order(1, 7)).await, Inserted::New);
    let mut again = order(2, 7);
    again.idempotency_key = "key-1".to_owned();
    again.request_digest = vec![9; 32];
    assert_eq!(put(again.clone()).await, Inserted::Before(Box::new(order(1, 7))));
    assert_eq!(find(&store, 2).await, None);
    again.courier_id = Uuid::from_u128(8);
    assert_eq!(
        put(again).await,
        Inserted::New,
        "another courier may call its own so"
    );
    assert_eq!(find(&store, 1).await, Some(order(1, 7)));
}

#[tokio::test]
async fn of_two_that_move_an_order_one_is_refused() {
    let place = Place::new();
    let store = place.open();
    store
        .write(|tx| orders::insert_or_find(tx, &order(1, 7)).map(drop))
        .await
        .unwrap();
    let mut checked = step(1, Status::Pending, Status::Checking);
    checked.warnings = Some("[{\"rule\":\"r\"}]".to_owned());
    let other = checked.clone();
    store
        .write(move |tx| orders::advance(tx, &checked))
        .await
        .unwrap();
    let late = store.write(move |tx| {
        store::settings::put(tx, "late", "yes")?;
        orders::advance(tx, &other)
    });
    let late = late.await;
    assert!(matches!(late, Err(Error::Absent { .. })), "{late:?}");
    assert_eq!(super::fixture::find(&store, "late").await, None);
    let mut rejected = step(1, Status::Checking, Status::Rejected);
    rejected.fault = Some("{\"code\":\"POLICY_DENIED\"}".to_owned());
    store
        .write(move |tx| orders::advance(tx, &rejected))
        .await
        .unwrap();
    let expected = OrderRow {
        status: Status::Rejected,
        warnings: "[{\"rule\":\"r\"}]".to_owned(),
        fault: Some("{\"code\":\"POLICY_DENIED\"}".to_owned()),
        updated_at: 200,
        ..order(1, 7)
    };
    assert_eq!(find(&store, 1).await, Some(expected));
    // No order has got a certificate without one.
    store
        .write(|tx| orders::insert_or_find(tx, &order(2, 7)).map(drop))
        .await
        .unwrap();
    let job = store.write(|tx| orders::advance(tx, &step(2, Status::Pending, Status::Issued)));
    assert!(matches!(job.await, Err(Error::Conflict { .. })));
}

#[tokio::test]
async fn a_certificate_and_its_order_are_recorded_together_or_not_at_all() {
    let place = Place::new();
    let store = place.with_issuers().await;
    issued(&store, vec![order(1, 7)]).await;
    let found = find(&store, 1).await.unwrap();
    let expected = OrderRow {
        status: Status::Issued,
        certificate_id: Some(certificate(1).id),
        fingerprint: Some(vec![1; 32]),
        key_fingerprint: Some(vec![6; 32]),
        updated_at: 1000,
        issued_at: Some(1000),
        ..order(1, 7)
    };
    assert_eq!(found, expected);
    // The courier has cancelled while it was signed.
    let job = store.write(|tx| {
        orders::insert_or_find(tx, &order(2, 7))?;
        orders::advance(tx, &step(2, Status::Pending, Status::Cancelled))?;
        intents::insert(tx, &intent(2))
    });
    job.await.unwrap();
    let refused = store.write(|tx| record(tx, 2, 5)).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let read = store.read(|reader| {
        let certificate = certificates::find(reader, certificate(2).id)?;
        Ok((certificate, intents::all(reader)?.len()))
    });
    assert_eq!(read.await.unwrap(), (None, 1), "the intent is left as an orphan");
    assert_eq!(find(&store, 2).await.unwrap().status, Status::Cancelled);
}

#[tokio::test]
async fn an_order_is_delivered_and_installed_once() {
    let place = Place::new();
    let store = place.with_issuers().await;
    issued(&store, vec![order(1, 7), order(2, 7)]).await;
    let deliver = async |at| {
        store
            .write(move |tx| orders::deliver(tx, id(1), at))
            .await
            .unwrap()
    };
    assert!(deliver(1500).await && !deliver(1501).await);
    let ack = async |number, at| {
        store
            .write(move |tx| orders::acknowledge(tx, id(number), "{}", at))
            .await
            .unwrap()
    };
    assert!(ack(1, 1600).await && !ack(1, 1601).await && ack(2, 2600).await);
    assert!(!ack(3, 1).await, "there is none");
    let one = find(&store, 1).await.unwrap();
    assert_eq!(
        (one.status, one.delivered_at, one.installed_at),
        (Status::Installed, Some(1500), Some(1600))
    );
    let two = find(&store, 2).await.unwrap();
    assert_eq!(
        (two.delivered_at, two.installed_at, two.ack.as_deref()),
        (Some(2600), Some(2600), Some("{}"))
    );
}

#[tokio::test]
async fn a_key_is_given_out_once() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        for number in 1..=3 {
            orders::insert_or_find(tx, &order(number, 7))?;
            keys::insert(tx, id(number), &[8; 40], 500 + i64::try_from(number).unwrap())?;
        }
        Ok(())
    });
    job.await.unwrap();
    let orphan = store.write(|tx| keys::insert(tx, id(9), &[8; 40], 500)).await;
    assert!(matches!(orphan, Err(Error::Conflict { .. })), "{orphan:?}");
    let looked = store.read(|reader| keys::look(reader, id(1), 300)).await.unwrap();
    assert_eq!(looked, Retrieval::Ciphertext(vec![8; 40]));
    let take = async |number, now| {
        store
            .write(move |tx| keys::take(tx, id(number), now))
            .await
            .unwrap()
    };
    assert_eq!(take(1, 300).await, Retrieval::Ciphertext(vec![8; 40]));
    assert_eq!(take(1, 301).await, Retrieval::Before(300));
    assert_eq!(take(2, 502).await, Retrieval::Expired);
    assert_eq!(take(9, 1).await, Retrieval::Unknown);
    assert_eq!(store.write(|tx| keys::purge(tx, 503, 9)).await.unwrap(), 1);
    assert_eq!(take(2, 300).await, Retrieval::Expired, "the ciphertext is gone");
    assert_eq!(take(3, 300).await, Retrieval::Ciphertext(vec![8; 40]));
    assert_eq!(take(1, 900).await, Retrieval::Before(300));
}

#[tokio::test]
async fn nobody_comes_for_an_order() {
    let place = Place::new();
    let store = place.with_issuers().await;
    issued(&store, vec![order(1, 7), order(2, 7)]).await;
    let job = store.write(|tx| {
        orders::deliver(tx, id(2), 2100)?;
        keys::insert(tx, id(1), &[8; 40], 90_000)?;
        let mut late = order(3, 7);
        late.expires_at = 701;
        orders::insert_or_find(tx, &late)?;
        orders::insert_or_find(tx, &order(4, 7))?;
        orders::insert_or_find(tx, &order(5, 7))?;
        orders::advance(tx, &step(5, Status::Pending, Status::Signing))
    });
    job.await.unwrap();
    let expire = async |number, now| {
        let job = store.write(move |tx| orders::expire(tx, id(number), now));
        job.await.unwrap()
    };
    let due = async |now, most| {
        let read = store.read(move |reader| orders::due_to_expire(reader, now, most));
        let due = read.await.unwrap().into_iter();
        due.map(|id| id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(due(699, 9).await, Vec::<u128>::new());
    assert_eq!((due(700, 1).await, due(700, 9).await), (vec![1], vec![1, 4]));
    assert!(!expire(1, 699).await && expire(1, 700).await && !expire(1, 700).await);
    assert!(expire(4, 700).await);
    assert_eq!((due(700, 9).await, due(701, 9).await), (vec![], vec![3]));
    assert!(!expire(2, 700).await && !expire(3, 700).await && !expire(5, 700).await);
    let mut statuses = Vec::new();
    for number in 1..=5 {
        statuses.push(find(&store, number).await.unwrap().status);
    }
    let expected = [
        Status::Expired,
        Status::Delivered,
        Status::Pending,
        Status::Expired,
        Status::Signing,
    ];
    assert_eq!(statuses, expected);
    let key = store.read(|reader| keys::look(reader, id(1), 1)).await.unwrap();
    assert_eq!(key, Retrieval::Expired);

    let left = store.read(|reader| {
        let left = |before| orders::left_in(reader, Status::Signing, before, 9);
        Ok((left(200)?.len(), left(201)?.len()))
    });
    assert_eq!(left.await.unwrap(), (0, 1));
    let uninstalled = store.read(|reader| {
        let numbers = |since, before| {
            let found = orders::uninstalled(reader, since, before, 9)?;
            store::Result::Ok(found.into_iter().map(|row| row.id.as_u128()).collect::<Vec<_>>())
        };
        Ok((numbers(0, 2001)?, numbers(0, 2000)?, numbers(2001, 9000)?))
    });
    assert_eq!(uninstalled.await.unwrap(), (vec![2], vec![], vec![]));
}

#[tokio::test]
async fn an_order_goes_with_its_certificate_or_when_it_was_in_vain() {
    let place = Place::new();
    let store = place.with_issuers().await;
    with_couriers(&store, &[(7, "web01")]).await;
    issued(&store, vec![order(1, 7), order(2, 7)]).await;
    let job = store.write(|tx| {
        keys::insert(tx, id(1), &[8; 40], 500)?;
        for number in 3..=6 {
            orders::insert_or_find(tx, &order(number, 7))?;
        }
        for number in 3..=5 {
            orders::advance(tx, &step(number, Status::Pending, Status::Failed))?;
        }
        couriers::delete(tx, Uuid::from_u128(7))
    });
    assert!(job.await.unwrap());
    assert_eq!(
        find(&store, 1).await.unwrap().courier_name,
        "web01",
        "it outlives its courier"
    );
    store
        .write(|tx| retention::remove_belongings(tx, certificate(1).id, id(77)))
        .await
        .unwrap();
    assert_eq!(find(&store, 1).await, None);
    let key = store.read(|reader| keys::look(reader, id(1), 1)).await.unwrap();
    assert_eq!(key, Retrieval::Unknown);
    for (before, expected) in [(200, 0), (201, 2), (201, 1), (201, 0)] {
        let removed = store.write(move |tx| orders::remove_in_vain(tx, before, 2)).await;
        assert_eq!(removed.unwrap(), expected);
    }
    assert!(find(&store, 2).await.is_some() && find(&store, 6).await.is_some());
}

#[test]
fn a_status_is_read_as_it_is_written() {
    for status in Status::ALL {
        assert_eq!(Status::from_text(status.as_str()), Some(status));
    }
    assert_eq!(Status::from_text("sleeping"), None);
    let ended = Status::ALL.into_iter().filter(|status| status.is_terminal());
    assert_eq!(
        ended.map(Status::as_str).collect::<Vec<_>>(),
        ["installed", "rejected", "failed", "cancelled", "expired"]
    );
}
