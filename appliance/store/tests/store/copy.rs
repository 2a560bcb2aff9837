//! A store is carried into the other kind of database and back, whole or not at all.

use std::time::Duration;

use store::{Error, Progress, Stage, Store, audit, certificates, copy, leases, orders, revocations};
use store_bed::Postgres;
use uuid::Uuid;

use super::ON_SERVER;
use super::fixture::{Place, certificate, config, entry, intent, revocation};

/// A store with so many certificates and what belongs to them.
async fn filled(place: &Place, certificates: u64) -> Store {
    let store = place.with_issuers().await;
    let job = store.write(move |tx| {
        for number in 0..certificates {
            let mut row = certificate(number);
            row.subject = format!("CN=Zoë {number}");
            row.replaces = (number % 3 == 0).then_some(Uuid::from_u128(7));
            certificates::insert(
                tx,
                &row,
                &[format!("dns:{number}.example"), "dns:ALL.example".to_owned()],
            )?;
            orders::insert(tx, &intent(number).order(store::intents::End::Issued(row.id)))?;
            audit::append(tx, &entry(&number.to_string()))?;
        }
        revocations::put(tx, &revocation(1, 4))?;
        store::settings::put(tx, "clock", "12345")
    });
    job.await.unwrap();
    store
}

/// An empty target of the other kind, in a folder of its own.
fn other(folder: &tempfile::TempDir, server: &Postgres) -> store::StoreConfig {
    let path = folder.path().display();
    if ON_SERVER {
        config(&format!("{path}/target.db"))
    } else {
        config(&format!("{path}|{}", server.url()))
    }
}

#[tokio::test]
async fn everything_arrives_and_the_copy_is_a_store() {
    let place = Place::new();
    let (folder, server) = (tempfile::tempdir().unwrap(), Postgres::start());
    let source = filled(&place, 4321).await;
    let target = Store::open(&other(&folder, &server)).unwrap();
    let mut told: Vec<Progress> = Vec::new();
    let copied = copy(&source, &target, |progress| told.push(progress))
        .await
        .unwrap();
    assert_eq!(copied.resumed, 0);
    let of_certificates = |stage: Stage| {
        let rows = told
            .iter()
            .filter(|one| one.table == "certificates" && one.stage == stage);
        rows.map(|one| (one.rows, one.of)).collect::<Vec<_>>()
    };
    assert_eq!(
        of_certificates(Stage::Copying),
        [(0, 4321), (2000, 4321), (4000, 4321), (4321, 4321)]
    );
    assert_eq!(of_certificates(Stage::Comparing), [(0, 4321), (4321, 4321)]);
    drop(target);

    let target = Store::open_whole(&other(&folder, &server)).await.unwrap();
    let (ours, theirs) = (
        source.read(audit::verify).await.unwrap(),
        target.read(audit::verify).await.unwrap(),
    );
    assert_eq!(ours, theirs);
    assert!(matches!(theirs, audit::Verdict::Sound { entries: 4321, .. }));
    let filter = certificates::Filter {
        name_exact: Some("all.example".to_owned()),
        limit: 5000,
        ..certificates::Filter::default()
    };
    let wanted = filter.clone();
    let ours = source
        .read(move |reader| certificates::list(reader, &wanted))
        .await
        .unwrap();
    let theirs = target
        .read(move |reader| certificates::list(reader, &filter))
        .await
        .unwrap();
    assert!(ours == theirs && ours.len() == 4321);
    // And goes on from there.
    let seq = target
        .write(|tx| audit::append(tx, &entry("next")))
        .await
        .unwrap();
    assert_eq!(seq, 4322);
    let error = copy(&source, &target, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("holds a store already"), "{error}");
}

#[tokio::test]
async fn what_broke_off_goes_on_and_is_no_store_until_then() {
    let place = Place::new();
    let (folder, server) = (tempfile::tempdir().unwrap(), Postgres::start());
    let source = filled(&place, 4321).await;
    let target = Store::open(&other(&folder, &server)).unwrap();
    // Whoever runs it goes away in the middle of the certificates.
    let (reached, has_reached) = tokio::sync::oneshot::channel();
    let mut reached = Some(reached);
    let running = {
        let (source, target) = (source.clone(), target.clone());
        tokio::spawn(async move {
            let told = |progress: Progress| {
                if (progress.table, progress.rows) == ("certificates", 2000) {
                    reached.take().unwrap().send(()).unwrap();
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            };
            copy(&source, &target, told).await
        })
    };
    has_reached.await.unwrap();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    drop(target);
    let error = Store::open_whole(&other(&folder, &server))
        .await
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("chancery store copy"), "{error}");

    let target = Store::open(&other(&folder, &server)).unwrap();
    let copied = copy(&source, &target, |_| ()).await.unwrap();
    assert!(copied.resumed > 4321 + 2000, "{copied:?}");
    drop(target);
    drop(Store::open_whole(&other(&folder, &server)).await.unwrap());
}

#[tokio::test]
async fn a_copy_of_a_source_that_has_changed_is_not_continued() {
    let place = Place::new();
    let (folder, server) = (tempfile::tempdir().unwrap(), Postgres::start());
    let source = filled(&place, 10).await;
    let target = Store::open(&other(&folder, &server)).unwrap();
    let mark = target.write(|tx| store::settings::put(tx, "copy.unfinished", "10 of something else"));
    mark.await.unwrap();
    let error = copy(&source, &target, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("has changed since"), "{error}");
}

#[tokio::test]
async fn a_difference_is_found() {
    let place = Place::new();
    let (folder, server) = (tempfile::tempdir().unwrap(), Postgres::start());
    let source = filled(&place, 10).await;
    let target = Store::open(&other(&folder, &server)).unwrap();
    // Somebody puts a row into the target after the others have arrived.
    let disturb = target.clone();
    let mut is_done = false;
    let (tell, told) = std::sync::mpsc::channel();
    let (tell_done, done) = std::sync::mpsc::channel();
    let disturbing = tokio::task::spawn_blocking(move || {
        told.recv().unwrap();
        let write = disturb.write(|tx| {
            tx.execute(
                "INSERT INTO profiles (name, version, body, updated_at) VALUES ('x', 1, '{}', 1)",
                &[],
            )
        });
        tokio::runtime::Handle::current().block_on(write).unwrap();
        tell_done.send(()).unwrap();
    });
    let outcome = copy(&source, &target, |progress| {
        if progress.table == "audit" && !is_done {
            is_done = true;
            tell.send(()).unwrap();
            done.recv().unwrap();
        }
    });
    let error = outcome.await.unwrap_err();
    disturbing.await.unwrap();
    assert_eq!(
        error,
        Error::Corrupt("the copy of profiles differs from its source".to_owned())
    );
}

/// A server that lives would change the source, or serve from half a target.
#[tokio::test]
async fn a_copy_wants_all_servers_stopped() {
    let place = Place::new();
    let (folder, server) = (tempfile::tempdir().unwrap(), Postgres::start());
    let source = filled(&place, 3).await;
    let target = Store::open(&other(&folder, &server)).unwrap();
    for (store, which) in [(&source, "the source"), (&target, "the target")] {
        let name = format!("{}{}", leases::NODES, Uuid::from_u128(9));
        let live = |length: Duration| {
            let name = name.clone();
            store.write(move |tx| leases::take(tx, &name, Uuid::from_u128(9), length))
        };
        live(Duration::from_mins(1)).await.unwrap();
        let error = copy(&source, &target, |_| ()).await.unwrap_err();
        assert!(
            error.to_string().contains(&format!("at work on {which}: stop")),
            "{error}"
        );
        store
            .write(move |tx| leases::release_of(tx, &name, Uuid::from_u128(9)))
            .await
            .unwrap();
    }
    copy(&source, &target, |_| ()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_meanwhile_is_not_copied() {
    let place = Place::new();
    let (folder, server) = (tempfile::tempdir().unwrap(), Postgres::start());
    let source = filled(&place, 3).await;
    let target = Store::open(&other(&folder, &server)).unwrap();
    let late = source.clone();
    let told = |progress: Progress| {
        // What is compared is compared.
        if (progress.stage, progress.table) == (Stage::Comparing, "audit") && progress.rows == progress.of {
            let change = late.write(|tx| audit::append(tx, &entry("late")));
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(change)).unwrap();
        }
    };
    let error = copy(&source, &target, told).await.unwrap_err();
    assert!(
        error.to_string().contains("changed while it was copied"),
        "{error}"
    );
    drop(target);
    let error = Store::open_whole(&other(&folder, &server)).await.unwrap_err();
    assert!(error.to_string().contains("a copy into it broke off"), "{error}");
}
