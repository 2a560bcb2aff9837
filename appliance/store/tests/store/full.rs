//! A store without room: the change is refused, what was there stays, and it goes on once there is room.
#![allow(
    clippy::print_stdout,
    reason = "the process with the limit reports to the one that started it"
)]

use std::process::Command;

use store::{Error, Store, StoreConfig, audit, settings};

use super::fixture::{Gate, Place, entry, find, put};

/// Tells the test of the failing disk that it is the process with the limit: the path of the store.
const ROLE: &str = "STORE_TEST_FAILING_DISK";
/// Room for the schema and a little more.
const FEW: u32 = 120;

/// The system refuses to let a file grow, so that writing the log fails at the commit and not at a statement.
#[tokio::test]
async fn a_disk_that_fails_at_the_commit_deceives_nobody() {
    if let Ok(path) = std::env::var(ROLE) {
        return write_until_the_disk_fails(&path).await;
    }
    let place = Place::new();
    let limited = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "on_sqlite::full::a_disk_that_fails_at_the_commit_deceives_nobody",
            "--nocapture",
        ])
        .env(ROLE, place.address())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let acknowledged: i64 = told
        .lines()
        .find_map(|line| line.strip_prefix("acknowledged "))
        .unwrap()
        .parse()
        .unwrap();
    assert!(acknowledged > 10, "only {acknowledged} rows fitted");
    let store = place.open();
    for key in 0..acknowledged {
        assert!(
            find(&store, &format!("k{key}")).await.is_some(),
            "k{key} was acknowledged"
        );
    }
    assert_eq!(find(&store, &format!("k{acknowledged}")).await, None);
    assert_log(&store, acknowledged).await;
    put(&store, "more", "v").await.unwrap().unwrap();
}

async fn write_until_the_disk_fails(path: &str) {
    let store = Store::open(&StoreConfig::new(path)).unwrap();
    let (acknowledged, error) = fill(&store).await;
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    assert_eq!(store.counters().failures, 1);
    assert!(find(&store, "k0").await.is_some(), "reading goes on");
    println!("\nacknowledged {acknowledged}");
}

#[tokio::test]
async fn a_full_store_refuses_and_keeps_what_it_has() {
    let mut place = Place::new();
    place.config.max_pages = Some(FEW);
    let store = place.open();
    let (acknowledged, error) = fill(&store).await;
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

/// Writes until that fails: how many were acknowledged, and what was told then.
async fn fill(store: &Store) -> (i64, Error) {
    for number in 0..1_000 {
        let key = format!("k{number}");
        let job = store.write(move |tx| {
            settings::put(tx, &key, &"x".repeat(20_000))?;
            audit::append(tx, &entry(&key))
        });
        if let Err(error) = job.await {
            return (number, error);
        }
    }
    panic!("the limit was not heeded");
}

async fn assert_log(store: &Store, expected: i64) {
    match store.read(audit::verify).await.unwrap() {
        audit::Verdict::Sound { entries, .. } => assert_eq!(entries, expected),
        broken @ audit::Verdict::Broken { .. } => panic!("{broken:?}"),
    }
}
