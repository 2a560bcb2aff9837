//! Alarms: raised once, cleared when they are over, and what there is to raise them about.

use store::alarms::{self, AlarmRow, BRIDGE_DISCONNECTED, Filter, ISSUED_NOT_INSTALLED, SILENT_COURIER};
use store::courier_presence::{self as presence, SignIn};
use store::{Store, bridges, courier_orders as orders, couriers};
use uuid::Uuid;

use super::courier_orders::{id, issued, order};
use super::couriers::{courier, with_couriers};
use super::fixture::Place;

fn alarm(number: u64, kind: &str, subject: u128, courier: u128) -> AlarmRow {
    AlarmRow {
        id: id(number),
        kind: kind.to_owned(),
        subject: Uuid::from_u128(subject),
        courier_id: Some(Uuid::from_u128(courier)),
        message: "look at this".to_owned(),
        raised_at: 50,
        cleared_at: None,
    }
}

async fn raise(store: &Store, alarm: AlarmRow) -> bool {
    let job = store.write(move |tx| alarms::raise(tx, &alarm));
    job.await.unwrap()
}

async fn clear(store: &Store, number: u64, at: i64) -> bool {
    let job = store.write(move |tx| alarms::clear(tx, id(number), at));
    job.await.unwrap()
}

async fn listed(store: &Store, filter: Filter) -> Vec<u128> {
    let filter = Filter { limit: 9, ..filter };
    let read = store.read(move |reader| alarms::list(reader, &filter));
    read.await
        .unwrap()
        .into_iter()
        .map(|row| row.id.as_u128())
        .collect()
}

#[tokio::test]
async fn an_alarm_is_raised_once_until_it_is_over() {
    let place = Place::new();
    let store = place.open();
    assert!(raise(&store, alarm(1, SILENT_COURIER, 7, 7)).await);
    assert!(
        !raise(&store, alarm(2, SILENT_COURIER, 7, 7)).await,
        "it is raised"
    );
    assert!(raise(&store, alarm(3, ISSUED_NOT_INSTALLED, 7, 7)).await);
    assert!(raise(&store, alarm(4, SILENT_COURIER, 8, 8)).await);
    assert!(clear(&store, 1, 60).await && !clear(&store, 1, 61).await && !clear(&store, 9, 61).await);
    assert!(
        raise(&store, alarm(5, SILENT_COURIER, 7, 7)).await,
        "it is so again"
    );
    assert_eq!(listed(&store, Filter::default()).await, [1, 3, 4, 5]);
    let open = Filter {
        is_open: Some(true),
        ..Filter::default()
    };
    assert_eq!(listed(&store, open.clone()).await, [3, 4, 5]);
    let silent = Filter {
        kind: Some(SILENT_COURIER.to_owned()),
        courier_id: Some(Uuid::from_u128(7)),
        ..open
    };
    assert_eq!(listed(&store, silent.clone()).await, [5]);
    let over = Filter {
        is_open: Some(false),
        ..silent
    };
    assert_eq!(listed(&store, over).await, [1]);
    let after = Filter {
        after: Some(id(3)),
        ..Filter::default()
    };
    assert_eq!(listed(&store, after).await, [4, 5]);
    let read = store.read(|reader| {
        Ok((
            alarms::count_open(reader, SILENT_COURIER)?,
            alarms::count_open(reader, "another")?,
        ))
    });
    assert_eq!(read.await.unwrap(), (2, 0));
    let trim = async |before| {
        let job = store.write(move |tx| alarms::trim(tx, before, 9));
        job.await.unwrap()
    };
    assert_eq!((trim(60).await, trim(61).await), (0, 1));
    assert_eq!(listed(&store, Filter::default()).await, [3, 4, 5]);
}

/// Orders whose certificates were issued by a time, and alarms about orders that are over.
async fn orders_at(store: &Store, before: i64, now: i64) -> (Vec<u128>, Vec<u128>) {
    let read = store.read(move |reader| {
        let due = alarms::unacknowledged(reader, before, now, 9)?;
        let over = alarms::acknowledged_meanwhile(reader, before, now, 9)?;
        let due = due.into_iter().map(|order| order.order_id.as_u128());
        Ok((
            due.collect(),
            over.into_iter().map(|row| row.subject.as_u128()).collect(),
        ))
    });
    read.await.unwrap()
}

#[tokio::test]
async fn certificates_that_are_in_use_nowhere_are_found() {
    let place = Place::new();
    let store = place.with_issuers().await;
    with_couriers(&store, &[(7, "web01")]).await;
    let other_names = |number| {
        let mut row = order(number, 7);
        row.names_digest = vec![u8::try_from(number).unwrap(); 32];
        row
    };
    // Issued at 1000, 2000, 3000 and 4000; the last is of a courier that is gone.
    issued(
        &store,
        vec![other_names(1), other_names(2), other_names(3), order(4, 99)],
    )
    .await;
    assert_eq!(orders_at(&store, 999, 5000).await, (vec![], vec![]));
    assert_eq!(orders_at(&store, 4000, 5000).await, (vec![1, 2, 3], vec![]));
    assert_eq!(
        orders_at(&store, 4000, 9_000).await,
        (vec![], vec![]),
        "they have ended"
    );
    assert!(raise(&store, alarm(11, ISSUED_NOT_INSTALLED, 1, 7)).await);
    assert!(raise(&store, alarm(12, ISSUED_NOT_INSTALLED, 2, 7)).await);
    assert_eq!(orders_at(&store, 4000, 5000).await, (vec![3], vec![]));
    let job = store.write(|tx| {
        orders::acknowledge(tx, id(1), "{}", 5000)?;
        orders::acknowledge(tx, id(3), "{}", 5000)
    });
    job.await.unwrap();
    assert_eq!(orders_at(&store, 4000, 5000).await, (vec![], vec![1]));
    // A successor with the same names that is in use.
    let mut next = other_names(5);
    next.names_digest = vec![2; 32];
    issued(&store, vec![next]).await;
    assert_eq!(orders_at(&store, 4000, 5000).await, (vec![], vec![1]));
    let job = store.write(|tx| orders::acknowledge(tx, id(5), "{}", 5500));
    job.await.unwrap();
    assert_eq!(orders_at(&store, 4000, 5000).await, (vec![], vec![1, 2]));
}

#[tokio::test]
async fn couriers_that_are_not_heard_of_are_found() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(1, "web01"), (2, "web02"), (3, "never"), (4, "off")]).await;
    let sign_in = async |number, at| {
        let job = store.write(move |tx| {
            let sign_in = SignIn {
                method: "spiffe",
                client_version: None,
                hostname: None,
            };
            presence::sign_in(tx, Uuid::from_u128(number), &sign_in, at)
        });
        job.await.unwrap();
    };
    for (number, at) in [(1, 100), (2, 200), (4, 100)] {
        sign_in(number, at).await;
    }
    let mut off = courier(4, "off");
    off.status = "disabled".to_owned();
    let job = store.write(move |tx| couriers::update(tx, &off));
    job.await.unwrap();
    let at = async |before, now| {
        let read = store.read(move |reader| {
            let silent = alarms::silent(reader, before, now, 9)?;
            let over = alarms::seen_meanwhile(reader, before, now, 9)?;
            let silent = silent.into_iter().map(|one| (one.name, one.seen_at));
            Ok((
                silent.collect::<Vec<_>>(),
                over.into_iter()
                    .map(|row| row.subject.as_u128())
                    .collect::<Vec<_>>(),
            ))
        });
        read.await.unwrap()
    };
    assert_eq!(at(99, 300).await, (vec![], vec![]));
    let (one, two) = (("web01".to_owned(), 100), ("web02".to_owned(), 200));
    assert_eq!(at(200, 300).await, (vec![one, two.clone()], vec![]));
    assert!(raise(&store, alarm(1, SILENT_COURIER, 1, 1)).await);
    assert_eq!(at(200, 300).await, (vec![two.clone()], vec![]));
    sign_in(1, 250).await;
    assert_eq!(at(200, 300).await, (vec![two], vec![1]));
    // Their records end at 1000.
    assert_eq!(at(2000, 1000).await, (vec![], vec![1]));
}

#[tokio::test]
async fn an_instance_of_a_bridge_is_missed_when_it_reported_before() {
    let place = Place::new();
    let store = place.open();
    let bridge = |number: u128| bridges::BridgeRow {
        id: Uuid::from_u128(number),
        bridge: format!("dmz-{number}"),
        issuer: None,
        status: "active".to_owned(),
        version: None,
        created_at: 10,
        updated_at: 10,
        seen_at: Some(20),
        is_pending: false,
    };
    let filled = store.write(move |tx| {
        for number in 1..=3 {
            bridges::insert(tx, &bridge(number))?;
        }
        // The third never reported, as one of an older version.
        for number in 1..=2 {
            let report = bridges::BridgeReportRow {
                report: "{}".to_owned(),
                reported_at: 20,
            };
            bridges::set_report(tx, Uuid::from_u128(number), &report)?;
        }
        bridges::touch(tx, Uuid::from_u128(2), 40)
    });
    filled.await.unwrap();
    let missed = async |before| {
        let read = store.read(move |reader| alarms::disconnected(reader, before, 100, 9));
        let missed = read.await.unwrap();
        missed.into_iter().map(|one| one.bridge).collect::<Vec<_>>()
    };
    assert_eq!(missed(19).await, [""; 0]);
    assert_eq!(missed(20).await, ["dmz-1"]);
    assert_eq!(missed(40).await, ["dmz-1", "dmz-2"]);
    assert!(raise(&store, alarm(1, BRIDGE_DISCONNECTED, 1, 1)).await);
    assert_eq!(missed(40).await, ["dmz-2"], "it is raised");
    let over = async |before| {
        let read = store.read(move |reader| alarms::connected_meanwhile(reader, before, 100, 9));
        read.await.unwrap().len()
    };
    assert_eq!(over(30).await, 0);
    store
        .write(|tx| bridges::touch(tx, Uuid::from_u128(1), 50))
        .await
        .unwrap();
    assert_eq!(over(40).await, 1);
}
