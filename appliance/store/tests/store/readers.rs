//! Readers beside the writer: each with its own snapshot, none in the way, not too many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use store::settings;

use super::fixture::{Place, find, put};

#[tokio::test]
async fn a_reader_sees_one_state_while_others_write() {
    let place = Place::new();
    let store = place.open();
    put(&store, "k", "old").await.unwrap().unwrap();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let beside = store.clone();
    let reading = async move {
        let job = beside.read(move |reader| {
            let first = settings::find(reader, "k")?;
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok((first, settings::find(reader, "k")?))
        });
        job.await.unwrap()
    };
    let reading = tokio::spawn(reading);
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    put(&store, "k", "new").await.unwrap().unwrap();
    assert_eq!(
        find(&store, "k").await.as_deref(),
        Some("new"),
        "another reader is neither held up nor behind"
    );
    go_on.send(()).unwrap();
    let (first, second) = reading.await.unwrap();
    assert_eq!((first.as_deref(), second.as_deref()), (Some("old"), Some("old")));
}

#[tokio::test]
async fn no_more_read_at_once_than_allowed() {
    let mut place = Place::new();
    place.config.readers = 2;
    let store = place.open();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs: Vec<_> = (0..8)
        .map(|_| {
            let (store, now, most) = (store.clone(), Arc::clone(&now), Arc::clone(&most));
            let job = async move {
                let job = store.read(move |reader| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Something that takes a while.
                    let sql =
                        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
                        SELECT CAST(sum(i) AS BIGINT) FROM n";
                    let sum = reader.first(sql, &[], |row| row.int(0))?;
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(sum)
                });
                job.await
            };
            tokio::spawn(job)
        })
        .collect();
    for job in jobs {
        assert_eq!(job.await.unwrap().unwrap(), Some(20_000_100_000));
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let place = Place::new();
    let store = place.open();
    let sql = "INSERT INTO settings (key, value) VALUES ('k', 'v')";
    let error = store
        .read(move |reader| reader.all(sql, &[], |_| Ok(())))
        .await
        .unwrap_err();
    assert_eq!(error, store::Error::ReadOnly);
}

#[tokio::test]
async fn a_panicking_reader_harms_nobody() {
    let mut place = Place::new();
    place.config.readers = 1;
    let store = place.open();
    let job = store.read(|_| -> store::Result<()> { panic!("meant to be here") });
    assert_eq!(job.await.unwrap_err(), store::Error::Panicked);
    let next = tokio::time::timeout(Duration::from_secs(10), find(&store, "k"));
    assert_eq!(next.await.expect("the reader's turn was not given back"), None);
}
