//! Orders of couriers are found again: page by page, by their certificate, by what they are for.

use store::courier_orders::{self as orders, Filter, OrderRow, Status};
use uuid::Uuid;

use super::courier_orders::{id, issued, order, step};
use super::fixture::Place;

#[tokio::test]
async fn orders_are_listed_page_by_page() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        for number in 1..=6 {
            orders::insert_or_find(tx, &order(number, u128::from(number % 2)))?;
        }
        orders::advance(tx, &step(5, Status::Pending, Status::Cancelled))
    });
    job.await.unwrap();
    let numbers = async |filter: Filter| -> Vec<u128> {
        let list = store
            .read(move |reader| orders::list(reader, &filter))
            .await
            .unwrap();
        list.into_iter().map(|row| row.id.as_u128()).collect()
    };
    let all = || Filter {
        limit: 9,
        ..Filter::default()
    };
    let odd = || Filter {
        courier_id: Some(Uuid::from_u128(1)),
        ..all()
    };
    assert_eq!(numbers(Filter { limit: 4, ..all() }).await, [1, 2, 3, 4]);
    assert_eq!(
        numbers(Filter {
            after: Some(id(4)),
            ..all()
        })
        .await,
        [5, 6]
    );
    assert_eq!(numbers(odd()).await, [1, 3, 5]);
    assert_eq!(
        numbers(Filter {
            status: Some(Status::Pending),
            ..odd()
        })
        .await,
        [1, 3]
    );
    assert_eq!(
        numbers(Filter {
            status: Some(Status::Cancelled),
            ..all()
        })
        .await,
        [5]
    );
    assert_eq!(
        numbers(Filter {
            since: Some(103),
            ..odd()
        })
        .await,
        [3, 5]
    );
    let named = |name: &str| Filter {
        name: Some(name.to_owned()),
        ..all()
    };
    assert_eq!(numbers(named("host3.example")).await, [3]);
    assert_eq!(numbers(named("a.example")).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        numbers(named("example")).await,
        Vec::<u128>::new(),
        "a part of a name"
    );
}

#[tokio::test]
async fn certificates_of_a_courier_are_found_by_what_is_known_of_them() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let mut renewal = order(2, 7);
    renewal.kind = "renew".to_owned();
    renewal.replaces = Some(vec![1; 32]);
    issued(&store, vec![order(1, 7), renewal, order(3, 8)]).await;
    // One that came to nothing replaces nothing.
    let mut vain = order(4, 7);
    vain.replaces = Some(vec![2; 32]);
    store
        .write(move |tx| orders::insert_or_find(tx, &vain).map(drop))
        .await
        .unwrap();
    let read = store.read(|reader| {
        let own = Uuid::from_u128(7);
        let number = |found: Option<OrderRow>| found.map(|row| row.id.as_u128());
        Ok([
            number(orders::with_fingerprint(reader, own, &[1; 32])?),
            number(orders::with_fingerprint(reader, own, &[3; 32])?),
            number(orders::successor(reader, own, &[1; 32])?),
            number(orders::successor(reader, own, &[2; 32])?),
            number(orders::latest_with_label(reader, own, "web")?),
            number(orders::latest_with_label(reader, own, "mail")?),
        ])
    });
    assert_eq!(read.await.unwrap(), [Some(1), None, Some(2), None, Some(2), None]);
    let counted = store.read(|reader| {
        let own = Uuid::from_u128(7);
        let since = orders::count_issued_since(reader, own, 2000)?;
        Ok((
            orders::count_issued_since(reader, own, 0)?,
            since,
            orders::count_under_way(reader, own)?,
        ))
    });
    assert_eq!(counted.await.unwrap(), (2, 1, 1));
}

#[tokio::test]
async fn the_same_names_and_key_are_found_again() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        for (number, key) in [(1, Some(5)), (2, None), (3, Some(5)), (4, Some(5))] {
            let mut row = order(number, 7);
            row.key_fingerprint = key.map(|octet| vec![octet; 32]);
            orders::insert_or_find(tx, &row)?;
        }
        orders::advance(tx, &step(4, Status::Pending, Status::Rejected))
    });
    job.await.unwrap();
    let read = store.read(|reader| {
        let under = |profile: &str, of, names: u8, key: Option<&[u8]>, since| {
            let found = orders::duplicate(reader, Uuid::from_u128(of), &[names; 32], key, profile, since)?;
            store::Result::Ok(found.map(|row| row.id.as_u128()))
        };
        let profile = order(1, 7).profile;
        let find = |of, names, key: Option<&[u8]>, since| under(&profile, of, names, key, since);
        let key: &[u8] = &[5; 32];
        Ok([
            find(7, 4, Some(key), 0)?,
            find(7, 4, None, 0)?,
            find(7, 4, Some(key), 104)?,
            find(7, 5, Some(key), 0)?,
            find(8, 4, Some(key), 0)?,
            find(7, 4, Some(&[6; 32]), 0)?,
            under("another", 7, 4, Some(key), 0)?,
        ])
    });
    assert_eq!(
        read.await.unwrap(),
        [Some(3), Some(2), None, None, None, None, None]
    );
}

#[tokio::test]
async fn an_order_that_failed_gives_its_key_to_the_next() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        let keyed = OrderRow {
            key_fingerprint: Some(vec![7; 32]),
            ..order(1, 7)
        };
        orders::insert_or_find(tx, &keyed)?;
        let before = orders::give_key_up(tx, id(1))?;
        orders::advance(tx, &step(1, Status::Pending, Status::Failed))?;
        Ok((before, orders::give_key_up(tx, id(1))?))
    });
    assert_eq!(job.await, Ok((false, true)), "only of one that failed");
    let next = OrderRow {
        idempotency_key: "key-1".to_owned(),
        ..order(2, 7)
    };
    let put = store.write(move |tx| orders::insert_or_find(tx, &next));
    assert_eq!(put.await, Ok(orders::Inserted::New));
    let found = store.read(|reader| {
        let named = orders::with_idempotency_key(reader, Uuid::from_u128(7), "key-1")?;
        let of = |courier| orders::has_ordered_with(reader, Uuid::from_u128(courier), &[7; 32]);
        Ok((named.map(|row| row.id), of(7)?, of(8)?))
    });
    assert_eq!(found.await, Ok((Some(id(2)), true, false)));
}
