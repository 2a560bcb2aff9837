//! Sessions of couriers: who ends them, and that those that have ended go.

use store::Error;
use store::courier_sessions as sessions;
use uuid::Uuid;

use super::couriers::{session, with_couriers};
use super::fixture::Place;

#[tokio::test]
async fn sessions_end_one_by_one_and_all_at_once() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(1, "a"), (2, "b")]).await;
    let rows = [
        session(1, 1, "spiffe"),
        session(2, 1, "client_secret"),
        session(3, 1, "spiffe"),
        session(4, 2, "client_secret"),
        session(5, 2, "spiffe"),
        session(6, 2, "spiffe"),
    ];
    let job = store.write(move |tx| rows.iter().try_for_each(|row| sessions::insert(tx, row)));
    job.await.unwrap();
    let nobodys = store
        .write(|tx| sessions::insert(tx, &session(9, 9, "spiffe")))
        .await;
    assert!(matches!(nobodys, Err(Error::Conflict { .. })), "{nobodys:?}");
    let twice = store
        .write(|tx| sessions::insert(tx, &session(1, 2, "spiffe")))
        .await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    let read = store.read(|reader| {
        let found = sessions::find(reader, &[2; 32])?;
        let count = sessions::count_of_courier(reader, Uuid::from_u128(1), 101)?;
        Ok((found, sessions::find(reader, &[9; 32])?, count))
    });
    assert_eq!(
        read.await.unwrap(),
        (Some(session(2, 1, "client_secret")), None, 2)
    );

    let ended = store.write(|tx| {
        let one = sessions::remove(tx, &[1; 32])?;
        let again = sessions::remove(tx, &[1; 32])?;
        let method = sessions::remove_of_method(tx, "client_secret")?;
        let credential = sessions::remove_of_credential(tx, Uuid::from_u128(2), Uuid::from_u128(5))?;
        let others = sessions::remove_of_credential(tx, Uuid::from_u128(1), Uuid::from_u128(6))?;
        Ok((one, again, method, credential, others))
    });
    assert_eq!(ended.await.unwrap(), (true, false, 2, 1, 0));
    assert_eq!(
        store
            .write(|tx| sessions::remove_of_courier(tx, Uuid::from_u128(1)))
            .await
            .unwrap(),
        1
    );
    let left = store.read(|reader| sessions::find(reader, &[6; 32]));
    assert_eq!(left.await.unwrap(), Some(session(6, 2, "spiffe")));
}

#[tokio::test]
async fn sessions_whose_time_is_over_go_in_pieces() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(1, "a")]).await;
    let job =
        store.write(|tx| (1..=5).try_for_each(|number| sessions::insert(tx, &session(number, 1, "spiffe"))));
    job.await.unwrap();
    for expected in [2, 1, 0] {
        assert_eq!(
            store.write(|tx| sessions::trim(tx, 104, 2)).await.unwrap(),
            expected
        );
    }
    let left = store.read(|reader| sessions::count_of_courier(reader, Uuid::from_u128(1), 0));
    assert_eq!(left.await.unwrap(), 2);
}
