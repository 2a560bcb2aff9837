//! A store without room: the change is refused, what was there stays, and it goes on once there is room.

use store::{Error, Store, audit, settings};

use crate::fixture::{Gate, Place, entry, find, put};

/// Room for the schema and a little more.
const FEW: u32 = 120;

#[tokio::test]
async fn a_full_store_refuses_and_keeps_what_it_has() {
    let mut place = Place::new();
    place.config.max_pages = Some(FEW);
    let store = place.open();
    let mut acknowledged = 0;
    let error = loop {
        let key = format!("k{acknowledged}");
        let job = store.write(move |tx| {
            settings::put(tx, &key, &"x".repeat(20_000))?;
            audit::append(tx, &entry(&key))
        });
        match job.await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the limit was not heeded");
    };
    assert_eq!(error, Error::Full);
    assert!(acknowledged > 0, "nothing fitted, so the test shows nothing");
    assert_eq!(find(&store, &format!("k{acknowledged}")).await, None);
    for key in 0..acknowledged {
        assert!(
            find(&store, &format!("k{key}")).await.is_some(),
            "k{key} was acknowledged"
        );
    }
    assert_log(&store, acknowledged).await;
    drop(store);

    place.config.max_pages = Some(10 * FEW);
    let store = place.open();
    put(&store, "more", &"x".repeat(20_000)).await.unwrap().unwrap();
    assert_log(&store, acknowledged).await;
}

#[tokio::test]
async fn one_who_shares_a_commit_with_a_job_that_does_not_fit_is_not_deceived() {
    let mut place = Place::new();
    place.config.max_pages = Some(FEW);
    let store = place.open();
    let gate = Gate::shut(&store).await;
    let small = [put(&store, "small1", "v"), put(&store, "small2", "v")];
    let huge = put(&store, "huge", &"x".repeat(4_000_000));
    gate.open_when_waiting(&store, 3).await;
    assert_eq!(huge.await.unwrap().unwrap_err(), Error::Full);
    assert_eq!(find(&store, "huge").await, None);
    for (key, job) in ["small1", "small2"].into_iter().zip(small) {
        let told = job.await.unwrap();
        assert_eq!(
            find(&store, key).await.is_some(),
            told.is_ok(),
            "{key} was told {told:?}"
        );
    }
    put(&store, "after", "v").await.unwrap().unwrap();
}

#[tokio::test]
async fn a_schema_that_does_not_fit_is_said_to_be_full() {
    let mut place = Place::new();
    place.config.max_pages = Some(8);
    assert_eq!(Store::open(&place.config).unwrap_err(), Error::Full);
    place.config.max_pages = None;
    put(&place.open(), "later", "v").await.unwrap().unwrap();
}

async fn assert_log(store: &Store, expected: i64) {
    match store.read(audit::verify).await.unwrap() {
        audit::Verdict::Sound { entries, .. } => assert_eq!(entries, expected),
        broken @ audit::Verdict::Broken { .. } => panic!("{broken:?}"),
    }
}
