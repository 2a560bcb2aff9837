//! Certificates that were found: noted once, forgotten when a complete scan does not find them, and what operators say of them.

use store::discovery::{self, CLAIMED, Counts, DISMISSED, DiscoveredRow, Filter, Found, NEW, ScanFilter};
use store::{Error, Store, couriers};
use uuid::Uuid;

use super::couriers::with_couriers;
use super::fixture::{Place, certificate};

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn found(number: u8, paths: &[&str]) -> Found {
    let row = DiscoveredRow {
        id: uuid(u128::from(number)),
        fingerprint: vec![number; 32],
        der: vec![number; 8],
        subject: format!("CN=host{number}"),
        issuer: "CN=Somebody".to_owned(),
        serial: vec![number],
        not_before: 0,
        not_after: 1000 * i64::from(number),
        names: "[]".to_owned(),
        key_algorithm: "ec-p256".to_owned(),
        fault: (number == 9).then(|| "weak".to_owned()),
        status: NEW.to_owned(),
        certificate_id: None,
        first_seen: 0,
        last_seen: 0,
    };
    let places = paths.iter().map(|path| {
        (
            (*path).to_owned(),
            path.contains("managed"),
            path.contains("open"),
        )
    });
    (row, places.collect())
}

/// A page of scan `scan` of a courier with room for six places.
async fn page(
    store: &Store,
    courier: u128,
    scan: u128,
    page: Vec<Found>,
    is_last: bool,
    at: i64,
) -> Vec<usize> {
    let job = store.write(move |tx| {
        let own = uuid(1000 * courier + scan);
        let full = discovery::note_page(tx, own, uuid(courier), uuid(scan), &page, 6, at)?;
        if is_last {
            let counts = Counts {
                files: 3,
                unreadable: 2,
                skipped: 1,
            };
            discovery::finish(tx, uuid(courier), uuid(scan), &counts, at)?;
        }
        Ok(full)
    });
    job.await.unwrap()
}

async fn listed(store: &Store, filter: Filter) -> Vec<u128> {
    let filter = Filter { limit: 9, ..filter };
    let read = store.read(move |reader| discovery::list(reader, &filter));
    let rows = read.await.unwrap();
    rows.iter().map(|row| row.id.as_u128()).collect()
}

async fn paths(store: &Store, number: u128) -> Vec<String> {
    let read = store.read(move |reader| discovery::places(reader, uuid(number), 9));
    let places = read.await.unwrap();
    places
        .iter()
        .map(|place| format!("{}:{}", place.courier_name, place.path))
        .collect()
}

#[tokio::test]
async fn what_is_found_is_noted_once_and_forgotten_when_a_complete_scan_does_not_find_it() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(7, "web01"), (8, "web02")]).await;
    let first = || vec![found(1, &["/a", "/open"]), found(2, &["/managed"])];
    for _ in 0..2 {
        assert!(page(&store, 7, 1, first(), false, 10).await.is_empty());
    }
    assert!(
        page(&store, 7, 1, vec![found(9, &["/c"])], true, 11)
            .await
            .is_empty()
    );
    // Another host has one of them under another identifier of its own.
    let (mut row, places) = found(1, &["/z"]);
    row.id = uuid(77);
    assert!(page(&store, 8, 1, vec![(row, places)], true, 12).await.is_empty());
    assert_eq!(listed(&store, Filter::default()).await, [1, 2, 9]);
    assert_eq!(paths(&store, 1).await, ["web01:/a", "web01:/open", "web02:/z"]);
    let of = |courier| Filter {
        courier_id: Some(uuid(courier)),
        ..Filter::default()
    };
    assert_eq!(listed(&store, of(8)).await, [1]);
    let exposed = Filter {
        is_key_exposed: true,
        ..Filter::default()
    };
    assert_eq!(listed(&store, exposed).await, [1]);
    let ending = Filter {
        expires_before: Some(2001),
        after: Some(uuid(1)),
        ..Filter::default()
    };
    assert_eq!(listed(&store, ending).await, [2]);
    // A scan that breaks off loses nothing; a complete one forgets, but not what an operator decided about.
    page(&store, 7, 2, vec![found(1, &["/a"])], false, 20).await;
    assert_eq!(paths(&store, 1).await.len(), 3);
    let job = store.write(|tx| discovery::set_status(tx, uuid(9), DISMISSED, None));
    job.await.unwrap();
    page(&store, 7, 3, vec![found(1, &["/a"])], true, 30).await;
    assert_eq!(paths(&store, 1).await, ["web01:/a", "web02:/z"]);
    assert_eq!(listed(&store, Filter::default()).await, [1, 9]);
    let read = store.read(|reader| {
        let row = discovery::find(reader, uuid(1))?.unwrap();
        let counts = [NEW, CLAIMED, DISMISSED].map(|status| discovery::count(reader, status));
        let counts = counts.into_iter().collect::<store::Result<Vec<_>>>()?;
        let scans = discovery::scans(
            reader,
            &ScanFilter {
                courier_id: Some(uuid(7)),
                after: None,
                limit: 9,
            },
        )?;
        Ok((row, counts, discovery::count_exposed(reader)?, scans))
    });
    let (row, counts, exposed, scans) = read.await.unwrap();
    assert_eq!((row.first_seen, row.last_seen), (10, 30));
    assert_eq!((counts, exposed), (vec![1, 0, 1], 0));
    let told: Vec<_> = scans
        .iter()
        .map(|scan| {
            (
                scan.begun_at,
                scan.finished_at,
                scan.certificates,
                scan.counts.is_some(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (10, Some(11), 3, true),
            (20, None, 1, false),
            (30, Some(30), 1, true)
        ]
    );
}

#[tokio::test]
async fn a_host_has_as_many_places_as_it_may_and_a_removed_courier_has_none() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(7, "web01")]).await;
    let many = vec![
        found(1, &["/1", "/2", "/3", "/4"]),
        found(2, &["/5", "/6", "/7"]),
        found(3, &["/8", "/9"]),
    ];
    assert_eq!(page(&store, 7, 1, many, true, 10).await, [1]);
    assert_eq!(listed(&store, Filter::default()).await, [1, 3]);
    let job = store.write(|tx| {
        discovery::set_status(tx, uuid(3), CLAIMED, Some(uuid(50)))?;
        couriers::delete(tx, uuid(7))?;
        discovery::trim(tx, 9)
    });
    assert_eq!(job.await.unwrap(), 1);
    assert_eq!(listed(&store, Filter::default()).await, [3]);
    let claimed = Filter {
        status: Some(CLAIMED.to_owned()),
        ..Filter::default()
    };
    assert_eq!(listed(&store, claimed).await, [3]);
    let job = store.write(|tx| discovery::set_status(tx, uuid(99), DISMISSED, None));
    assert!(matches!(job.await, Err(Error::Absent { .. })));
}

#[tokio::test]
async fn what_was_issued_here_is_claimed_by_that() {
    let place = Place::new();
    let store = place.with_issuers().await;
    with_couriers(&store, &[(7, "web01")]).await;
    let issued = certificate(1);
    let (mut row, places) = found(1, &["/a"]);
    (row.serial, row.der) = (issued.serial.clone(), issued.der.clone());
    // The same serial with other octets is another one.
    let (mut other, others) = found(2, &["/b"]);
    other.serial.clone_from(&issued.serial);
    let id = issued.id;
    let job = store.write(move |tx| store::certificates::insert(tx, &issued, &[]));
    job.await.unwrap();
    page(&store, 7, 1, vec![(row, places), (other, others)], true, 10).await;
    let read = store.read(|reader| {
        let rows = [uuid(1), uuid(2)].map(|id| discovery::find(reader, id));
        rows.into_iter().collect::<store::Result<Vec<_>>>()
    });
    let rows = read.await.unwrap().into_iter().flatten();
    let told: Vec<_> = rows.map(|row| (row.status, row.certificate_id)).collect();
    assert_eq!(told, [(CLAIMED.to_owned(), Some(id)), (NEW.to_owned(), None)]);
}
