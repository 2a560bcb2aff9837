//! What counts over all servers that share a store, and what of couriers is carried to another store.

use std::collections::BTreeSet;

use store::courier_keys::{self, Retrieval};
use store::dump::{self, Piece, TableSum};
use store::{
    Error, Restore, Store, copy, courier_credentials, courier_orders, courier_presence, courier_sessions,
    domains, once, policies, restore, tallies,
};
use store_bed::Postgres;
use uuid::Uuid;

use super::ON_SERVER;
use super::courier_orders::order;
use super::couriers::{credential, session, with_couriers};
use super::fixture::{Place, config};

/// Two that write to the same store: two servers where there can be two.
fn two(place: &Place) -> [Store; 2] {
    let first = place.open();
    let second = if ON_SERVER {
        place.open_another()
    } else {
        first.clone()
    };
    [first, second]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_once_is_used_by_one() {
    let place = Place::new();
    let stores = two(&place);
    let mut jobs = Vec::new();
    for number in 0..60_u8 {
        let store = stores[usize::from(number % 2)].clone();
        // Each of 20 digests is wanted three times.
        let digest = [number / 3; 32];
        let job = async move {
            (
                digest[0],
                store
                    .write(move |tx| once::use_once(tx, "dpop", &digest, 1000))
                    .await,
            )
        };
        jobs.push(tokio::spawn(job));
    }
    let mut won = Vec::new();
    for job in jobs {
        let (digest, is_first) = job.await.unwrap();
        won.extend(is_first.unwrap().then_some(digest));
    }
    won.sort_unstable();
    assert_eq!(won, (0..20).collect::<Vec<u8>>());
    // Another purpose is another thing, and what failed was not used.
    let failed = stores[0].write(|tx| {
        assert!(once::use_once(tx, "challenge", &[1; 32], 1000)?);
        Err::<(), _>(Error::LeaseLost)
    });
    assert_eq!(failed.await, Err(Error::LeaseLost));
    let other = stores[1].write(|tx| once::use_once(tx, "challenge", &[1; 32], 1000));
    assert!(other.await.unwrap());
    let seen = stores[0].read(|reader| {
        Ok((
            once::is_used(reader, "challenge", &[1; 32])?,
            once::is_used(reader, "challenge", &[2; 32])?,
        ))
    });
    assert_eq!(seen.await, Ok((true, false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_servers_count_together() {
    let place = Place::new();
    let stores = two(&place);
    let jobs = (0..60_usize).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move {
            store
                .write(|tx| tallies::count(tx, "sign-in 192.0.2.1", 1000, 5_432))
                .await
        })
    });
    let mut seen = BTreeSet::new();
    for job in jobs.collect::<Vec<_>>() {
        seen.insert(job.await.unwrap().unwrap());
    }
    assert_eq!(seen, (1..=60).collect(), "nobody is counted twice or left out");
    let counted = async |key: &'static str, window, now| {
        stores[1]
            .read(move |reader| tallies::counted(reader, key, window, now))
            .await
            .unwrap()
    };
    assert_eq!(counted("sign-in 192.0.2.1", 1000, 5_999).await, 60);
    assert_eq!(
        counted("sign-in 192.0.2.1", 1000, 6_000).await,
        0,
        "the next window"
    );
    assert_eq!(
        counted("sign-in 192.0.2.1", 100, 5_432).await,
        0,
        "a window of another length"
    );
    assert_eq!(counted("sign-in 192.0.2.2", 1000, 5_432).await, 0);
    for window in [0, -5] {
        let job = stores[0]
            .write(move |tx| tallies::count(tx, "k", window, 1))
            .await;
        assert!(matches!(job, Err(Error::Internal(_))), "{job:?}");
    }
    let edge = stores[0]
        .write(|tx| tallies::count(tx, "k", 1000, i64::MAX))
        .await;
    assert!(matches!(edge, Err(Error::Internal(_))), "{edge:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_to_one_of_two_that_ask() {
    let place = Place::new();
    let stores = two(&place);
    let job = stores[0].write(|tx| {
        courier_orders::insert_or_find(tx, &order(1, 7))?;
        courier_keys::insert(tx, order(1, 7).id, &[8; 40], 500)
    });
    job.await.unwrap();
    let jobs = (0..20_usize).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move {
            store
                .write(|tx| courier_keys::take(tx, order(1, 7).id, 300))
                .await
        })
    });
    let mut given = 0;
    for job in jobs.collect::<Vec<_>>() {
        match job.await.unwrap().unwrap() {
            Retrieval::Ciphertext(_) => given += 1,
            other => assert_eq!(other, Retrieval::Before(300)),
        }
    }
    assert_eq!(given, 1);
}

#[tokio::test]
async fn what_has_expired_is_forgotten_in_pieces() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        for number in 1..=5_u8 {
            once::use_once(tx, "dpop", &[number; 32], 100 + i64::from(number))?;
            tallies::count(tx, &format!("k{number}"), 10, 10 * i64::from(number))?;
        }
        Ok(())
    });
    job.await.unwrap();
    for expected in [2, 1, 0] {
        assert_eq!(store.write(|tx| once::trim(tx, 104, 2)).await.unwrap(), expected);
        assert_eq!(
            store.write(|tx| tallies::trim(tx, 50, 2)).await.unwrap(),
            expected
        );
    }
    let left = store.write(|tx| {
        let is_forgotten = once::use_once(tx, "dpop", &[3; 32], 999)?;
        let is_new = once::use_once(tx, "dpop", &[4; 32], 999)?;
        let counts = [
            tallies::counted(tx, "k3", 10, 30)?,
            tallies::counted(tx, "k4", 10, 40)?,
        ];
        Ok((is_forgotten, is_new, counts))
    });
    assert_eq!(left.await.unwrap(), (true, false, [0, 1]));
}

/// Something in each table of couriers.
async fn filled(place: &Place) -> Store {
    let store = place.with_issuers().await;
    with_couriers(&store, &[(1, "a"), (2, "b")]).await;
    let job = store.write(|tx| {
        courier_credentials::insert(tx, &credential(1, 1, Some("cour_a")))?;
        courier_credentials::insert(tx, &credential(2, 2, None))?;
        courier_sessions::insert(tx, &session(1, 1, "spiffe"))?;
        let sign_in = courier_presence::SignIn {
            method: "spiffe",
            client_version: None,
            hostname: Some("web01"),
        };
        courier_presence::sign_in(tx, Uuid::from_u128(1), &sign_in, 5)?;
        for number in 1..=3 {
            courier_orders::insert_or_find(tx, &order(number, 1))?;
        }
        courier_keys::insert(tx, order(1, 1).id, &[8; 40], 500)?;
        once::use_once(tx, "dpop", &[1; 32], 999)?;
        tallies::count(tx, "k", 1000, 1)?;
        let domain = domains::DomainRow {
            apex: "example".to_owned(),
            is_enabled: false,
            record: "{}".to_owned(),
            created_at: 1,
            updated_at: 2,
        };
        domains::insert(tx, &domain)?;
        policies::insert(tx, "baseline", "{}", true, 3).map(drop)
    });
    job.await.unwrap();
    store
}

/// What is carried over is there, what is not is gone, and the numbers of policies go on.
async fn assert_carried(store: &Store) {
    let read = store.read(|reader| {
        assert_eq!(
            courier_credentials::of_client(reader, "cour_a")?,
            Some(credential(1, 1, Some("cour_a")))
        );
        assert_eq!(courier_orders::find(reader, order(3, 1).id)?, Some(order(3, 1)));
        let seen = courier_presence::find(reader, Uuid::from_u128(1))?;
        assert_eq!(seen.unwrap().hostname.as_deref(), Some("web01"));
        assert!(!domains::find(reader, "example")?.unwrap().is_enabled);
        assert_eq!(policies::find(reader, 1)?.unwrap().name, "baseline");
        assert_eq!(courier_sessions::find(reader, &[1; 32])?, None);
        assert_eq!(courier_keys::look(reader, order(1, 1).id, 1)?, Retrieval::Unknown);
        assert_eq!(tallies::counted(reader, "k", 1000, 1)?, 0);
        Ok(())
    });
    read.await.unwrap();
    let write = store.write(|tx| {
        let is_first = once::use_once(tx, "dpop", &[1; 32], 999)?;
        Ok((is_first, policies::insert(tx, "next", "{}", true, 4)?))
    });
    assert_eq!(write.await.unwrap(), (false, 2));
}

#[tokio::test]
async fn couriers_come_back_with_a_backup() {
    let (place, target) = (Place::new(), Place::new());
    let source = filled(&place).await;
    let dumped = source.read(|reader| {
        let mut pieces: Vec<Piece> = Vec::new();
        let sums: Vec<TableSum> = dump::dump(reader, |piece| {
            pieces.push(piece);
            Ok(())
        })?;
        Ok((pieces, sums))
    });
    let (pieces, sums) = dumped.await.unwrap();
    let left_out = |name: &str| pieces.iter().all(|piece| piece.table != name);
    assert!(left_out("courier_sessions") && left_out("courier_keys") && left_out("tallies"));
    let mut restore = Restore::begin(target.open(), "one").await.unwrap();
    for piece in &pieces {
        assert_eq!(
            restore.take(piece.table, &piece.octets).await.unwrap(),
            piece.rows
        );
    }
    restore.compare(&sums, |_| ()).await.unwrap();
    restore.settle(|_| Ok(())).await.unwrap();
    restore::complete(restore.store()).await.unwrap();
    assert_carried(restore.store()).await;
}

#[tokio::test]
async fn couriers_move_into_the_other_kind_of_database() {
    let place = Place::new();
    let (folder, server) = (tempfile::tempdir().unwrap(), Postgres::start());
    let path = folder.path().display();
    let other = if ON_SERVER {
        config(&format!("{path}/target.db"))
    } else {
        config(&format!("{path}|{}", server.url()))
    };
    let (source, target) = (filled(&place).await, Store::open(&other).unwrap());
    copy(&source, &target, |_| ()).await.unwrap();
    assert_carried(&target).await;
}
