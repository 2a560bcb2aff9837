//! Waiting jobs share a commit, and yet each stands or falls alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store::{Error, Store, settings};

use super::fixture::{Gate, Place, either, find, put};

#[tokio::test]
async fn waiting_jobs_share_one_commit() {
    let place = Place::new();
    let store = place.open();
    let before = store.counters();
    let gate = Gate::shut(&store).await;
    let jobs: Vec<_> = (0..200).map(|job| put(&store, &format!("k{job}"), "v")).collect();
    gate.open_when_waiting(&store, 200).await;
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    let after = store.counters();
    assert_eq!(
        after.commits - before.commits,
        2,
        "one for the gate, one for all that waited"
    );
    assert_eq!(
        (after.jobs, after.undone, after.failures, after.waiting),
        (201, 0, 0, 0)
    );
    assert_eq!(after.largest, 200);
    assert_eq!(find(&store, "k199").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn a_batch_is_bounded() {
    let place = Place::new();
    let store = place.open();
    let gate = Gate::shut(&store).await;
    let jobs: Vec<_> = (0..600).map(|job| put(&store, &format!("k{job}"), "v")).collect();
    gate.open_when_waiting(&store, 600).await;
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    let after = store.counters();
    assert_eq!((after.commits, after.largest), (1 + 3, 256));
}

#[tokio::test]
async fn a_failing_job_undoes_only_itself() {
    let place = Place::new();
    let store = place.open();
    let gate = Gate::shut(&store).await;
    let first = put(&store, "first", "v");
    let failing = spawn(&store, |tx| {
        settings::put(tx, "half", "v")?;
        tx.execute("INSERT INTO settings (key, value) VALUES ('half', 'again')", &[])
            .map(|_| ())
    });
    let absent = spawn(&store, |tx| {
        settings::put(tx, "half", "v")?;
        Err(Error::Absent {
            what: "something".to_owned(),
        })
    });
    let last = put(&store, "last", "v");
    gate.open_when_waiting(&store, 4).await;

    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    let error = failing.await.unwrap().unwrap_err();
    assert_eq!(
        error,
        Error::Conflict {
            constraint: either(
                "UNIQUE constraint failed: settings.key",
                "duplicate key value violates unique constraint \"settings_pkey\""
            )
        }
    );
    assert_eq!(
        absent.await.unwrap().unwrap_err(),
        Error::Absent {
            what: "something".to_owned()
        }
    );
    let after = store.counters();
    assert_eq!((after.commits, after.jobs, after.undone), (2, 3, 2));
    assert_eq!(find(&store, "first").await.as_deref(), Some("v"));
    assert_eq!(find(&store, "half").await, None);
    assert_eq!(find(&store, "last").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn the_others_begin_again_only_when_something_is_undone() {
    for (writes, runs) in [(false, 1), (true, 2)] {
        let place = Place::new();
        let store = place.open();
        let gate = Gate::shut(&store).await;
        let (count, counted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let innocent = spawn(&store, {
            let count = Arc::clone(&count);
            move |tx| {
                count.fetch_add(1, Ordering::SeqCst);
                tx.execute("INSERT INTO settings (key, value) VALUES ('once', 'v')", &[])
                    .map(|_| ())
            }
        });
        let failing = spawn(&store, {
            let counted = Arc::clone(&counted);
            move |tx| {
                counted.fetch_add(1, Ordering::SeqCst);
                if writes {
                    settings::put(tx, "half", "v")?;
                }
                Err(Error::Closed)
            }
        });
        gate.open_when_waiting(&store, 2).await;
        innocent.await.unwrap().unwrap();
        assert_eq!(failing.await.unwrap().unwrap_err(), Error::Closed);
        assert_eq!(count.load(Ordering::SeqCst), runs);
        assert_eq!(counted.load(Ordering::SeqCst), runs);
        assert_eq!(find(&store, "once").await.as_deref(), Some("v"));
        assert_eq!(find(&store, "half").await, None);
    }
}

#[tokio::test]
async fn a_panicking_job_undoes_only_itself() {
    let place = Place::new();
    let store = place.open();
    let gate = Gate::shut(&store).await;
    let first = put(&store, "first", "v");
    let panicking = spawn(&store, |tx| {
        settings::put(tx, "half", "v")?;
        panic!("meant to be here");
    });
    let last = put(&store, "last", "v");
    gate.open_when_waiting(&store, 3).await;

    assert_eq!(panicking.await.unwrap().unwrap_err(), Error::Panicked);
    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(find(&store, "half").await, None);
    put(&store, "later", "v").await.unwrap().unwrap();
    assert_eq!(find(&store, "later").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn when_the_commit_fails_nobody_is_told_otherwise() {
    let place = Place::new();
    let store = place.open();
    let gate = Gate::shut(&store).await;
    let innocent = put(&store, "innocent", "v");
    // A violation that is looked for no sooner than at the commit.
    let culprit = spawn(&store, |tx| {
        let own = [
            "CREATE TABLE late (id BIGINT PRIMARY KEY, of BIGINT REFERENCES late (id) DEFERRABLE INITIALLY DEFERRED)",
            "INSERT INTO late VALUES (1, 2)",
        ];
        own.iter().try_for_each(|sql| tx.execute(sql, &[]).map(|_| ()))
    });
    gate.open_when_waiting(&store, 2).await;

    let expected = Error::Conflict {
        constraint: either(
            "FOREIGN KEY constraint failed",
            "insert or update on table \"late\" violates foreign key constraint \"late_of_fkey\"",
        ),
    };
    assert_eq!(innocent.await.unwrap().unwrap_err(), expected);
    assert_eq!(culprit.await.unwrap().unwrap_err(), expected);
    let after = store.counters();
    assert_eq!(
        (after.commits, after.failures),
        (1, 1),
        "the gate's, and the failed one"
    );
    assert_eq!(find(&store, "innocent").await, None);
    put(&store, "later", "v").await.unwrap().unwrap();
    assert_eq!(find(&store, "later").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn a_queued_job_is_done_although_its_caller_left() {
    let place = Place::new();
    let store = place.open();
    let gate = Gate::shut(&store).await;
    let left = put(&store, "left", "v");
    let queued = async {
        while store.counters().waiting < 1 {
            tokio::task::yield_now().await;
        }
    };
    queued.await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    gate.open_when_waiting(&store, 1).await;
    put(&store, "next", "v").await.unwrap().unwrap();
    assert_eq!(find(&store, "left").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn closing_finishes_what_was_accepted() {
    let place = Place::new();
    let store = place.open();
    let jobs: Vec<_> = (0..50).map(|job| put(&store, &format!("k{job}"), "v")).collect();
    drop(store);
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    // The last clone went with the last task; the lock is free again and the log folded into the file.
    let mut again = Store::open(&place.config);
    while let Err(Error::InUse { .. }) = again {
        tokio::task::yield_now().await;
        again = Store::open(&place.config);
    }
    assert_eq!(find(&again.unwrap(), "k49").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn the_last_clone_may_go_inside_a_job() {
    let place = Place::new();
    let store = place.open();
    let gate = Gate::shut(&store).await;
    let mut clone = Some(store.clone());
    let job = spawn(&store, move |tx| {
        settings::put(tx, "k", "v")?;
        drop(clone.take());
        Ok(())
    });
    gate.open_when_waiting(&store, 1).await;
    job.await.unwrap().unwrap();
    assert_eq!(find(&store, "k").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn who_waits_for_company_is_not_left_waiting() {
    let place = Place::new();
    let store = place.open();
    let others: Vec<_> = (0..100).map(|_| store.at_work().unwrap()).collect();
    let own = store.at_work().unwrap();
    let patient = store.write_at_work(&own, |tx| settings::put(tx, "patient", "v"));
    patient.await.unwrap();
    assert_eq!(find(&store, "patient").await.as_deref(), Some("v"));
    drop(others);
}

fn spawn<F>(store: &Store, job: F) -> tokio::task::JoinHandle<store::Result<()>>
where
    F: FnMut(&store::Tx<'_>) -> store::Result<()> + Send + 'static,
{
    let store = store.clone();
    tokio::spawn(async move { store.write(job).await })
}
