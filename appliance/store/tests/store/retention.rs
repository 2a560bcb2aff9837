//! What is removed for good: whole months of ended certificates with all that belongs to them, and orders in vain.

use std::ops::ControlFlow;

use store::certificates::{self, CertificateRow, Filter};
use store::retention::{self, Month};
use store::{Error, Store, check, intents, orders, revocations, statuses};
use uuid::Uuid;

use super::ON_SERVER;
use super::fixture::{ISSUER, Place, certificate, intent, revocation, serial};

const DAY: i64 = 86_400_000;
/// 1 September 2026.
const SEPTEMBER: i64 = 1_788_220_800_000;
const OCTOBER: i64 = SEPTEMBER + 30 * DAY;

/// Issues certificates that end at times; the first is revoked.
async fn issue(store: &Store, ends: &[i64]) {
    let rows: Vec<CertificateRow> = (1..)
        .zip(ends)
        .map(|(number, end)| CertificateRow {
            not_after: *end,
            ..certificate(number)
        })
        .collect();
    let job = store.write(move |tx| {
        for (number, row) in (1..).zip(&rows) {
            certificates::insert(tx, row, &["dns:a.example".to_owned()])?;
            orders::insert(tx, &intent(number).order(intents::End::Issued(row.id)))?;
        }
        let mut revoked = revocation(1, 1);
        revoked.not_after = rows[0].not_after;
        revocations::put(tx, &revoked)
    });
    job.await.unwrap();
}

async fn first_over(store: &Store, at: i64) -> Option<Month> {
    let read = store.read(move |reader| retention::first_month_over(reader, at));
    read.await.unwrap()
}

/// Removes a month as its owner does; how many parts that took.
async fn remove(store: &Store, month: Month) -> (u64, u32) {
    let read = store.read(move |reader| {
        let mut found = Vec::new();
        retention::for_each_of(reader, month, |row| {
            found.push((row.id, row.order_id));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    });
    let found = read.await.unwrap();
    let job = store.write(move |tx| {
        found
            .iter()
            .try_for_each(|(id, order)| retention::remove_belongings(tx, *id, *order))
    });
    job.await.unwrap();
    let (mut certificates, mut parts) = (0, 0);
    loop {
        let part = store
            .write(move |tx| retention::remove_certificates(tx, month, 2))
            .await
            .unwrap();
        (certificates, parts) = (certificates + part.certificates, parts + 1);
        if part.is_all {
            return (certificates, parts);
        }
    }
}

async fn serials(store: &Store) -> Vec<Vec<u8>> {
    let read = store.read(|reader| {
        let mut found = Vec::new();
        statuses::for_each(reader, |status| {
            found.push(status.serial.to_vec());
            Ok(())
        })?;
        Ok(found)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn a_month_goes_as_a_whole_and_nothing_else() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let ends = [
        SEPTEMBER,
        SEPTEMBER + 1,
        SEPTEMBER + 7 * DAY,
        OCTOBER - 1,
        OCTOBER,
        OCTOBER + DAY,
    ];
    issue(&store, &ends).await;
    assert_eq!(first_over(&store, OCTOBER - 1).await, None);
    let month = first_over(&store, OCTOBER).await.unwrap();
    assert_eq!(month.to_string(), "2026-09");
    let counted = store
        .read(move |reader| retention::count(reader, month))
        .await
        .unwrap();
    assert_eq!(counted, (4, 1));

    let (certificates, parts) = remove(&store, month).await;
    assert_eq!((certificates, parts), (4, if ON_SERVER { 1 } else { 3 }));
    assert_eq!(serials(&store).await, [serial(5), serial(6)]);
    assert_eq!(first_over(&store, OCTOBER).await, None);
    let left = store.read(|reader| {
        let filter = Filter {
            name_exact: Some("a.example".to_owned()),
            limit: 9,
            ..Filter::default()
        };
        let revoked = revocations::find(reader, ISSUER, &serial(1))?;
        let orders: Vec<bool> = (1..=6)
            .map(|number| Ok(orders::find(reader, Uuid::from_u128(number))?.is_some()))
            .collect::<Result<_, Error>>()?;
        Ok((certificates::list(reader, &filter)?.len(), revoked, orders))
    });
    let (found, revoked, orders) = left.await.unwrap();
    assert_eq!((found, revoked), (2, None));
    assert_eq!(orders, [false, false, false, false, true, true]);
    let problems = store.read(check).await.unwrap();
    let problems = problems.into_iter().filter_map(|finding| finding.problem);
    let problems: Vec<_> = problems.filter(|text| !text.contains("fsync")).collect();
    assert!(problems.is_empty(), "{problems:?}");
    // What ended in it may come again, from a copy or another CA.
    issue_again(&store, SEPTEMBER).await;
    assert_eq!(first_over(&store, OCTOBER).await, Some(month));
}

async fn issue_again(store: &Store, end: i64) {
    let row = CertificateRow {
        not_after: end,
        ..certificate(77)
    };
    let job = store.write(move |tx| certificates::insert(tx, &row, &[]));
    job.await.unwrap();
}

#[tokio::test]
async fn a_serial_is_used_once_over_all_months() {
    let place = Place::new();
    let store = place.with_issuers().await;
    issue(&store, &[SEPTEMBER, OCTOBER]).await;
    let again = CertificateRow {
        id: Uuid::from_u128(99),
        not_after: OCTOBER + 90 * DAY,
        ..certificate(1)
    };
    let job = store.write(move |tx| certificates::insert(tx, &again, &[]));
    assert!(matches!(job.await, Err(Error::Conflict { .. })));
}

#[tokio::test]
async fn ends_that_no_calendar_has_are_kept_all_the_same() {
    let place = Place::new();
    let store = place.with_issuers().await;
    issue(&store, &[i64::MAX, -1, i64::MIN, 253_402_300_799_000]).await;
    assert_eq!(serials(&store).await.len(), 4);
}

#[tokio::test]
async fn orders_in_vain_go_and_issued_ones_stay() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let job = store.write(|tx| {
        for number in 1..=4 {
            let mut order = intent(number).order(intents::End::Issued(Uuid::from_u128(1)));
            order.at = i64::try_from(number).unwrap();
            if number != 2 {
                order.state = if number == 1 { "refused" } else { "failed" }.to_owned();
                order.certificate_id = None;
            }
            orders::insert(tx, &order)?;
        }
        Ok(())
    });
    job.await.unwrap();
    let ids = |numbers: &[u128]| {
        numbers
            .iter()
            .map(|number| Uuid::from_u128(*number))
            .collect::<Vec<_>>()
    };
    let old = store
        .read(|reader| retention::orders_in_vain(reader, 4, 9))
        .await
        .unwrap();
    assert_eq!(old, ids(&[1, 3]));
    let job = store.write(move |tx| retention::remove_orders(tx, &old));
    job.await.unwrap();
    let left = store.read(|reader| {
        (1..=4)
            .map(|number| Ok(orders::find(reader, Uuid::from_u128(number))?.is_some()))
            .collect::<Result<Vec<_>, Error>>()
    });
    assert_eq!(left.await.unwrap(), [false, true, false, true]);
}

#[tokio::test]
async fn the_store_tells_how_large_it_is() {
    let place = Place::new();
    let store = place.with_issuers().await;
    issue(&store, &[SEPTEMBER, OCTOBER]).await;
    let (size, tables) = store
        .read(|reader| Ok((store::stats::size(reader)?, store::stats::tables(reader)?)))
        .await
        .unwrap();
    assert!(size.octets > 100_000, "{size:?}");
    let rows = |name: &str| tables.iter().find(|table| table.name == name).unwrap();
    assert_eq!(
        (rows("certificates").rows, rows("certificate_names").rows),
        (2, 4)
    );
    assert_eq!(rows("issuers").rows, 2);
    // The months count to their table.
    let octets = rows("certificates").octets;
    assert_eq!(octets.is_some(), ON_SERVER);
    assert!(
        octets.is_none_or(|octets| octets > 100_000 && octets < size.octets),
        "{octets:?}"
    );
}
