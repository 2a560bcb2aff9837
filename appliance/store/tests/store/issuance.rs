//! What an issuance leaves: intents, certificates, revocations, CRLs, and the fences between them.

use std::sync::Arc;

use store::certificates::Status;
use store::intents::End;
use store::revocations::HOLD;
use store::{Error, Store, Tx, certificates, crls, intents, orders, revocations, statuses};
use tokio::sync::Barrier;
use uuid::Uuid;

use super::fixture::{ISSUER, OTHER_ISSUER, Place, certificate, crl, either, intent, revocation, serial};

/// Runs a job that must succeed.
async fn done<T: Send + 'static>(
    store: &Store,
    job: impl FnMut(&Tx<'_>) -> store::Result<T> + Send + 'static,
) -> T {
    store.write(job).await.unwrap()
}

#[tokio::test]
async fn a_serial_is_signed_once() {
    let place = Place::new();
    let store = place.with_issuers().await;
    done(&store, |tx| intents::insert(tx, &intent(1))).await;
    let again = store
        .write(|tx| intents::insert(tx, &intent(1)))
        .await
        .unwrap_err();
    assert!(
        matches!(&again, Error::Conflict { constraint } if constraint.contains("intents")),
        "{again:?}"
    );

    done(&store, |tx| {
        certificates::insert(tx, &certificate(1), &[])?;
        assert!(intents::remove(tx, ISSUER, &serial(1))?);
        assert!(!intents::remove(tx, ISSUER, &serial(1))?, "it was removed twice");
        Ok(())
    })
    .await;
    let used = Error::Conflict {
        constraint: "the issuer has used this serial before".to_owned(),
    };
    assert_eq!(
        store
            .write(|tx| intents::insert(tx, &intent(1)))
            .await
            .unwrap_err(),
        used
    );

    done(&store, |tx| revocations::put(tx, &revocation(2, 1))).await;
    assert_eq!(
        store
            .write(|tx| intents::insert(tx, &intent(2)))
            .await
            .unwrap_err(),
        used,
        "an orphan's serial"
    );

    let mut elsewhere = intent(1);
    elsewhere.issuer_id = OTHER_ISSUER;
    done(&store, move |tx| intents::insert(tx, &elsewhere)).await;
}

#[tokio::test]
async fn a_certificate_stands_once_under_its_serial() {
    let place = Place::new();
    let store = place.with_issuers().await;
    done(&store, |tx| certificates::insert(tx, &certificate(1), &[])).await;
    let mut second = certificate(2);
    second.serial = serial(1);
    let mut elsewhere = second.clone();
    let error = store
        .write(move |tx| certificates::insert(tx, &second, &[]))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    elsewhere.issuer_id = OTHER_ISSUER;
    done(&store, move |tx| certificates::insert(tx, &elsewhere, &[])).await;
    let found = store
        .read(|reader| certificates::with_serial(reader, &serial(1)))
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
    let of_one = store
        .read(|reader| certificates::of_issuer(reader, OTHER_ISSUER, &serial(1)))
        .await
        .unwrap();
    assert_eq!(of_one.unwrap().id, certificate(2).id);
}

#[tokio::test]
async fn nothing_is_recorded_under_an_unknown_issuer() {
    let place = Place::new();
    let store = place.open();
    let expected = |table: &str| Error::Conflict {
        constraint: either(
            "FOREIGN KEY constraint failed",
            &format!(
                "insert or update on table \"{table}\" violates foreign key constraint \"{table}_issuer_id_fkey\""
            ),
        ),
    };
    assert_eq!(
        store
            .write(|tx| intents::insert(tx, &intent(1)))
            .await
            .unwrap_err(),
        expected("intents")
    );
    let job = store.write(|tx| certificates::insert(tx, &certificate(1), &[]));
    let Err(Error::Conflict { constraint }) = job.await else {
        panic!("a certificate of nobody was recorded");
    };
    assert!(
        constraint.to_lowercase().contains("foreign key constraint"),
        "{constraint}"
    );
    assert_eq!(
        store
            .write(|tx| revocations::put(tx, &revocation(1, 1)))
            .await
            .unwrap_err(),
        expected("revocations")
    );
    assert_eq!(
        store.write(|tx| crls::insert(tx, &crl(1))).await.unwrap_err(),
        expected("published_crls")
    );
}

#[tokio::test]
async fn orphans_are_what_is_left_of_intents() {
    let place = Place::new();
    let store = place.with_issuers().await;
    done(&store, |tx| {
        for (number, at) in [(1, 300), (2, 100), (3, 200)] {
            let mut intent = intent(number);
            intent.at = at;
            intents::insert(tx, &intent)?;
        }
        intents::remove(tx, ISSUER, &serial(3))
    })
    .await;
    let serials = |rows: Vec<intents::IntentRow>| rows.into_iter().map(|row| row.serial).collect::<Vec<_>>();
    assert_eq!(
        serials(store.read(intents::all).await.unwrap()),
        [serial(2), serial(1)]
    );
    assert_eq!(
        serials(store.read(|reader| intents::before(reader, 300)).await.unwrap()),
        [serial(2)]
    );
}

#[tokio::test]
async fn a_revocation_marks_the_certificate_and_a_hold_can_be_released() {
    let place = Place::new();
    let store = place.with_issuers().await;
    done(&store, |tx| certificates::insert(tx, &certificate(1), &[])).await;
    let found = |store: &Store| {
        let store = store.clone();
        async move {
            store
                .read(|reader| certificates::find(reader, certificate(1).id))
                .await
                .unwrap()
                .unwrap()
        }
    };
    assert_eq!(found(&store).await.status(9_000), Status::Valid);
    assert_eq!(found(&store).await.status(9_001), Status::Expired);

    done(&store, |tx| revocations::put(tx, &revocation(1, HOLD))).await;
    let held = found(&store).await;
    assert_eq!(
        (held.revoked_at, held.revocation_reason),
        (Some(2_000), Some(HOLD))
    );
    assert_eq!(held.status(9_001), Status::Revoked);

    assert!(done(&store, |tx| revocations::remove(tx, ISSUER, &serial(1))).await);
    assert_eq!(found(&store).await, certificate(1));
    assert_eq!(
        store
            .read(|reader| revocations::find(reader, ISSUER, &serial(1)))
            .await
            .unwrap(),
        None
    );
    assert!(
        !done(&store, |tx| revocations::remove(tx, ISSUER, &serial(1))).await,
        "nothing is left to release"
    );

    // From hold to a reason that lasts.
    done(&store, |tx| revocations::put(tx, &revocation(1, HOLD))).await;
    done(&store, |tx| revocations::put(tx, &revocation(1, 1))).await;
    assert!(
        !done(&store, |tx| revocations::remove(tx, ISSUER, &serial(1))).await,
        "only a hold is released"
    );
    assert_eq!(found(&store).await.revocation_reason, Some(1));
    let row = store
        .read(|reader| revocations::find(reader, ISSUER, &serial(1)))
        .await
        .unwrap();
    assert_eq!(row, Some(revocation(1, 1)));
}

#[tokio::test]
async fn a_reason_that_does_not_exist_is_refused() {
    let place = Place::new();
    let store = place.with_issuers().await;
    for reason in [-1, 7, 8, 11] {
        let error = store
            .write(move |tx| revocations::put(tx, &revocation(1, reason)))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{reason}: {error:?}");
    }
    for reason in [0, 1, 2, 3, 4, 5, 6, 9, 10] {
        done(&store, move |tx| revocations::put(tx, &revocation(1, reason))).await;
    }
}

#[tokio::test]
async fn the_entries_of_a_crl_come_in_order() {
    let place = Place::new();
    let store = place.with_issuers().await;
    done(&store, |tx| {
        for number in [300, 2, 70_000, 9] {
            let mut row = revocation(number, 1);
            row.not_after = i64::try_from(number).unwrap();
            revocations::put(tx, &row)?;
        }
        let mut elsewhere = revocation(5, 1);
        elsewhere.issuer_id = OTHER_ISSUER;
        revocations::put(tx, &elsewhere)
    })
    .await;
    let (some, all) = store
        .read(|reader| {
            let some: Vec<_> = revocations::of_issuer(reader, ISSUER, 9)?
                .into_iter()
                .map(|row| row.serial)
                .collect();
            let mut all = Vec::new();
            revocations::for_each(reader, |row| {
                all.push((row.issuer_id, row.serial));
                Ok(())
            })?;
            Ok((some, all))
        })
        .await
        .unwrap();
    assert_eq!(some, [serial(9), serial(300), serial(70_000)]);
    assert_eq!(all.len(), 5);
    assert!(all.is_sorted());
}

#[tokio::test]
async fn crl_numbers_rise() {
    let place = Place::new();
    let store = place.with_issuers().await;
    done(&store, |tx| crls::insert(tx, &crl(5))).await;
    for offered in [0, 4, 5] {
        let error = store
            .write(move |tx| crls::insert(tx, &crl(offered)))
            .await
            .unwrap_err();
        assert_eq!(error, Error::CrlNumber { offered, last: 5 });
    }
    let mut elsewhere = crl(1);
    elsewhere.issuer_id = OTHER_ISSUER;
    done(&store, move |tx| crls::insert(tx, &elsewhere)).await;
    let mut delta = crl(1);
    delta.base = Some(0);
    done(&store, move |tx| crls::insert(tx, &delta)).await;
    let mut shard = crl(1);
    shard.shard = 1;
    done(&store, move |tx| crls::insert(tx, &shard)).await;
    let rise = Error::Conflict {
        constraint: "the number of a CRL must rise".to_owned(),
    };
    for behind in [
        "INSERT INTO published_crls SELECT issuer_id, shard, is_delta, 3, base, this_update, next_update, entries, changes,
            octets, digest, der FROM published_crls WHERE number = 5",
        "UPDATE crl_shards SET last_number = last_number - 1",
    ] {
        done(&store, |tx| crls::take_number(tx, ISSUER, 0)).await;
        let error = store.write(move |tx| tx.execute(behind, &[])).await.unwrap_err();
        assert_eq!(error, rise);
    }
}

#[tokio::test]
async fn a_number_is_taken_once_and_of_two_who_publish_the_later_one_stays() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let both_have_taken = Arc::new(Barrier::new(2));
    let publishers: Vec<_> = (0..2_u8)
        .map(|who| {
            let (store, both_have_taken) = (store.clone(), Arc::clone(&both_have_taken));
            tokio::spawn(async move {
                let number = done(&store, |tx| crls::take_number(tx, ISSUER, 3)).await;
                both_have_taken.wait().await;
                let mut row = crl(number);
                (row.shard, row.digest) = (3, vec![who]);
                (number, store.write(move |tx| crls::insert(tx, &row)).await)
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for publisher in publishers {
        outcomes.push(publisher.await.unwrap());
    }
    let mut numbers: Vec<u64> = outcomes.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    for (number, outcome) in outcomes {
        let overtaken = Error::CrlNumber { offered: 1, last: 2 };
        assert!(outcome == Ok(()) || (number, outcome) == (1, Err(overtaken)));
    }
    let newest = store.read(crls::newest).await.unwrap();
    assert_eq!(newest.iter().map(|row| row.number).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn changes_are_counted_with_what_changes() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let state =
        |store: Store| async move { store.read(|reader| crls::state(reader, ISSUER, 2)).await.unwrap() };
    let note = |tx: &Tx<'_>| {
        let change = crls::NewChange {
            issuer_id: ISSUER,
            shard: 2,
            serial: &serial(1),
            released_at: None,
            not_after: 9_000,
        };
        crls::note_change(tx, &change, true)
    };
    assert_eq!(state(store.clone()).await, crls::ShardState::default());
    done(&store, note).await;
    let undone = store.write(move |tx| {
        note(tx)?;
        Err::<(), _>(Error::Internal("no".to_owned()))
    });
    undone.await.unwrap_err();
    assert_eq!(done(&store, |tx| crls::take_number(tx, ISSUER, 2)).await, 1);
    done(&store, note).await;
    let expected = crls::ShardState {
        last_number: 1,
        changes: 2,
        base: 0,
        base_made_at: 0,
    };
    assert_eq!(state(store.clone()).await, expected);
    let kept = store.read(crls::changes).await.unwrap();
    assert_eq!(
        kept.iter().map(|row| (row.shard, row.change)).collect::<Vec<_>>(),
        [(2, 2)]
    );
}

#[tokio::test]
async fn old_crls_go_and_the_newest_stays() {
    let place = Place::new();
    let store = place.with_issuers().await;
    for number in 1..=25 {
        done(&store, move |tx| crls::insert(tx, &crl(number))).await;
    }
    let mut elsewhere = crl(7);
    elsewhere.issuer_id = OTHER_ISSUER;
    let expected = [crl(25), elsewhere.clone()];
    done(&store, move |tx| crls::insert(tx, &elsewhere)).await;
    let (mut newest, kept) = store
        .read(|reader| {
            let kept = reader.all(
                "SELECT number FROM published_crls ORDER BY number DESC",
                &[],
                |row| row.int(0),
            )?;
            Ok((crls::newest(reader)?, kept))
        })
        .await
        .unwrap();
    newest.sort_by_key(|row| row.issuer_id);
    assert_eq!(newest, expected);
    assert_eq!(kept, (16..=25).rev().chain([7]).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_stream_of_statuses_holds_every_serial_once() {
    let place = Place::new();
    let store = place.with_issuers().await;
    done(&store, |tx| {
        for number in 1..=4 {
            certificates::insert(tx, &certificate(number), &[])?;
        }
        revocations::put(tx, &revocation(2, 4))?;
        let mut orphan = revocation(9, 1);
        orphan.is_orphan = true;
        revocations::put(tx, &orphan)
    })
    .await;
    let found = store.read(|reader| {
        let mut found = Vec::new();
        statuses::for_each(reader, |status| {
            assert_eq!((status.issuer_id, status.not_after), (ISSUER, 9_000));
            found.push((status.serial.to_vec(), status.revoked));
            Ok(())
        })?;
        Ok(found)
    });
    let expected = [
        (serial(1), None),
        (serial(2), Some((2_000, 4))),
        (serial(3), None),
        (serial(4), None),
        (serial(9), Some((2_000, 1))),
    ];
    assert_eq!(found.await.unwrap(), expected);
}

#[tokio::test]
async fn an_order_is_recorded_with_its_end() {
    let place = Place::new();
    let store = place.open();
    let intent = intent(1);
    let issued = intent.order(End::Issued(Uuid::from_u128(77)));
    let failed = orders::OrderRow {
        id: Uuid::from_u128(2),
        ..intent.order(End::Failed {
            code: "signer_unavailable",
            message: "the token is gone",
        })
    };
    let refused = orders::OrderRow {
        id: Uuid::from_u128(3),
        issuer_id: None,
        state: "refused".to_owned(),
        code: Some("key_too_weak".to_owned()),
        details: Some("{\"bits\":1024}".to_owned()),
        ..failed.clone()
    };
    let all = [issued, failed, refused];
    let recorded = all.clone();
    done(&store, move |tx| {
        recorded.iter().try_for_each(|order| orders::insert(tx, order))
    })
    .await;
    for order in &all {
        let id = order.id;
        let found = store.read(move |reader| orders::find(reader, id)).await.unwrap();
        assert_eq!(found.as_ref(), Some(order));
    }
    let told = |order: &orders::OrderRow| (order.state.clone(), order.certificate_id, order.code.clone());
    assert_eq!(
        told(&all[0]),
        ("issued".to_owned(), Some(Uuid::from_u128(77)), None)
    );
    assert_eq!(
        told(&all[1]),
        ("failed".to_owned(), None, Some("signer_unavailable".to_owned()))
    );
    let again = all[1].clone();
    let error = store
        .write(move |tx| orders::insert(tx, &again))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    let absent = Uuid::from_u128(4);
    assert_eq!(
        store
            .read(move |reader| orders::find(reader, absent))
            .await
            .unwrap(),
        None
    );
}
