//! What several servers need of one store: leases with a fence, and word of each other's changes.

use std::time::{Duration, Instant};

use store::changes::{self, Change, Onward};
use store::leases::{self, Lease};
use store::{
    Credentials, Error, PostgresConfig, Store, StoreConfig, Tx, audit, certificates, crls, issuers, profiles,
    responders, revocations, tokens,
};
use uuid::Uuid;

use super::ON_SERVER;
use super::fixture::{Gate, ISSUER, Place, certificate, crl, entry, revocation, serial};

const ONE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const LONG: Duration = Duration::from_mins(1);

async fn take(store: &Store, node: Uuid, length: Duration) -> Option<Lease> {
    store
        .write(move |tx| leases::take(tx, "duty", node, length))
        .await
        .unwrap()
}

async fn require(store: &Store, lease: &Lease) -> store::Result<()> {
    let lease = lease.clone();
    store.write(move |tx| leases::require(tx, &lease)).await
}

#[tokio::test]
async fn one_has_a_lease_until_it_ends_or_is_given_back() {
    let place = Place::new();
    let store = place.open();
    let lease = take(&store, ONE, LONG).await.unwrap();
    assert_eq!(take(&store, OTHER, LONG).await, None);
    require(&store, &lease).await.unwrap();
    let holder = store
        .read(|reader| leases::holder(reader, "duty"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((holder.node, holder.token, holder.is_alive), (ONE, 1, true));
    let given_back = lease.clone();
    store
        .write(move |tx| leases::release(tx, &given_back))
        .await
        .unwrap();
    let holder = store
        .read(|reader| leases::holder(reader, "duty"))
        .await
        .unwrap()
        .unwrap();
    assert!(!holder.is_alive);
    let next = take(&store, OTHER, LONG).await.unwrap();
    assert!(next.token > lease.token, "{next:?}");
    assert_eq!(take(&store, ONE, LONG).await, None);
}

#[tokio::test]
async fn who_has_lost_a_lease_can_do_nothing_with_it() {
    let place = Place::new();
    let store = place.open();
    let lost = take(&store, ONE, Duration::from_millis(50)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    // Its time is over, but nobody else has it: nothing can go wrong yet.
    require(&store, &lost).await.unwrap();
    let taken_over = take(&store, OTHER, LONG).await.unwrap();
    assert_eq!(require(&store, &lost).await.unwrap_err(), Error::LeaseLost);
    let again = lost.clone();
    let renewed = store.write(move |tx| leases::renew(tx, &again, LONG)).await;
    assert_eq!(renewed.unwrap_err(), Error::LeaseLost);
    let again = lost.clone();
    store.write(move |tx| leases::release(tx, &again)).await.unwrap();
    require(&store, &taken_over).await.unwrap();
    // The change that needs it is undone with it.
    let job = store.write(move |tx| {
        store::settings::put(tx, "harm", "done")?;
        leases::require(tx, &lost)
    });
    assert!(job.await.is_err());
    assert_eq!(super::fixture::find(&store, "harm").await, None);
}

#[tokio::test]
async fn a_lease_is_prolonged_and_taken_anew_by_its_holder() {
    let place = Place::new();
    let store = place.open();
    let lease = take(&store, ONE, Duration::from_millis(100)).await.unwrap();
    let prolonged = lease.clone();
    store
        .write(move |tx| leases::renew(tx, &prolonged, LONG))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(take(&store, OTHER, LONG).await, None);
    // Its holder may take it anew; what it was doing before is fenced off, too.
    let anew = take(&store, ONE, LONG).await.unwrap();
    assert!(anew.token > lease.token);
    assert_eq!(require(&store, &lease).await.unwrap_err(), Error::LeaseLost);
}

#[tokio::test]
async fn every_change_is_told_with_its_audit_entry() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let before = store.read(changes::last).await.unwrap();
    let job = store.write(|tx| {
        certificates::insert(tx, &certificate(1), &[])?;
        audit::append(tx, &entry("1"))
    });
    let issued_by = job.await.unwrap();
    let revoked_by = store.write(revoke).await.unwrap();
    store.write(change_the_rest).await.unwrap();
    let rows = store
        .read(move |reader| changes::after(reader, before, 10))
        .await
        .unwrap();
    if !ON_SERVER {
        assert_eq!((before, rows), (0, Vec::new()), "nobody is there to be told");
        return;
    }
    assert!(rows.iter().all(|row| row.node == store.node()));
    assert_eq!(
        rows.iter().map(|row| row.seq - before).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let told = rows.iter().flat_map(|row| &row.told);
    let told: Vec<_> = told.map(|told| (told.change.clone(), told.audit)).collect();
    let (issuer, hex) = (ISSUER, format!("{}01", "40".repeat(8) + &"00".repeat(7)));
    let expected = [
        (
            Change::Issued {
                issuer,
                serial: hex.clone(),
            },
            issued_by,
        ),
        (
            Change::Revocation {
                issuer,
                serial: hex,
                number: 1,
            },
            revoked_by,
        ),
        (Change::Crl { issuer, shard: 0 }, 0),
        (Change::Issuer { issuer }, 0),
        (Change::Profiles, 0),
        (Change::Responder { issuer }, 0),
        (Change::ApiTokens, 0),
    ];
    assert_eq!(told, expected);
}

fn revoke(tx: &Tx<'_>) -> store::Result<i64> {
    revocations::put(tx, &revocation(1, 1))?;
    let change = crls::NewChange {
        issuer_id: ISSUER,
        shard: 0,
        serial: &serial(1),
        released_at: None,
        not_after: 9_000,
    };
    crls::note_change(tx, &change, false)?;
    audit::append(tx, &entry("2"))
}

fn change_the_rest(tx: &Tx<'_>) -> store::Result<()> {
    crls::insert(tx, &crl(1))?;
    issuers::set_state(tx, ISSUER, "retired")?;
    profiles::put(tx, "p", "{}", 1)?;
    let responder = responders::ResponderRow {
        certificate_id: ONE,
        issuer_id: ISSUER,
        key_fingerprint: super::fixture::key().fingerprint,
        certificate: vec![1],
        not_before: 1,
        not_after: 2,
    };
    responders::insert(tx, &responder, 0)?;
    tokens::revoke(tx, "none", 1).map(drop)
}

#[tokio::test]
async fn what_was_undone_is_not_told() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let before = store.read(changes::last).await.unwrap();
    let gate = Gate::shut(&store).await;
    let write = |number: u64, fails: bool| {
        let store = store.clone();
        tokio::spawn(async move {
            let job = store.write(move |tx| {
                certificates::insert(tx, &certificate(number), &[])?;
                audit::append(tx, &entry(&number.to_string()))?;
                if fails { Err(Error::Closed) } else { Ok(()) }
            });
            job.await
        })
    };
    let jobs = [write(1, false), write(2, true), write(3, false)];
    gate.open_when_waiting(&store, 3).await;
    let outcomes = futures(jobs).await;
    assert_eq!(outcomes, [true, false, true]);
    let rows = store
        .read(move |reader| changes::after(reader, before, 10))
        .await
        .unwrap();
    let told: Vec<_> = rows
        .iter()
        .flat_map(|row| &row.told)
        .map(|told| told.audit)
        .collect();
    let expected: &[i64] = if ON_SERVER { &[1, 2] } else { &[] };
    assert_eq!(told, expected);
    assert_eq!(rows.len(), usize::from(ON_SERVER), "one row for one transaction");
}

async fn futures(jobs: [tokio::task::JoinHandle<store::Result<()>>; 3]) -> Vec<bool> {
    let mut outcomes = Vec::new();
    for job in jobs {
        outcomes.push(job.await.unwrap().is_ok());
    }
    outcomes
}

#[tokio::test]
async fn old_rows_go_and_the_count_goes_on() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let put = || store.write(|tx| profiles::put(tx, "p", "{}", 1));
    for _ in 0..3 {
        put().await.unwrap();
    }
    let last = store.read(changes::last).await.unwrap();
    let gone = store.write(|tx| changes::trim(tx, i64::MAX)).await.unwrap();
    put().await.unwrap();
    let rows = store.read(|reader| changes::after(reader, 0, 10)).await.unwrap();
    let expected: &[i64] = if ON_SERVER { &[last, last + 1] } else { &[] };
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), expected);
    assert_eq!(gone, usize::try_from(last).unwrap().saturating_sub(1));
}

#[tokio::test]
async fn another_server_is_woken_also_after_the_database_was_away() {
    if !ON_SERVER {
        return assert!(!Place::new().open().is_shared());
    }
    let mut place = Place::new();
    let (teller, listener) = (place.open(), place.open_another());
    let wake = listener.listen().unwrap();
    // It wakes once when it has begun to listen.
    tokio::time::timeout(Duration::from_secs(5), wake.notified())
        .await
        .unwrap();
    let tell = || teller.write(|tx| profiles::put(tx, "p", "{}", 1));
    let since = Instant::now();
    tell().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), wake.notified())
        .await
        .unwrap();
    assert!(
        since.elapsed() < Duration::from_millis(500),
        "{:?}",
        since.elapsed()
    );

    let server = place.server.as_mut().unwrap();
    server.kill();
    server.start_again();
    tokio::time::timeout(Duration::from_secs(5), wake.notified())
        .await
        .unwrap();
    while tell().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::timeout(Duration::from_secs(5), wake.notified())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_mark_shows_whether_the_history_is_the_same() {
    if !ON_SERVER {
        return assert_eq!(
            Place::new().open().read(changes::mark).await.unwrap(),
            changes::Mark::default()
        );
    }
    let place = Place::new();
    let store = place.open();
    let put = || store.write(|tx| profiles::put(tx, "p", "{}", 1));
    let onward = |mark: changes::Mark| {
        let store = store.clone();
        async move {
            let read = store.read_following(move |reader| changes::onward(reader, &mark, 10));
            read.await.unwrap()
        }
    };
    let rows = |found: Onward| match found {
        Onward::Rows(rows, mark) => (rows.iter().map(|row| row.seq).collect::<Vec<_>>(), mark),
        other => panic!("{other:?}"),
    };
    let begin = store.read(changes::mark).await.unwrap();
    assert_eq!(rows(onward(begin).await), (Vec::new(), begin));
    for _ in 0..3 {
        put().await.unwrap();
    }
    let (seen, last) = rows(onward(begin).await);
    assert_eq!((seen, last.seq), (vec![1, 2, 3], 3));
    assert_eq!(rows(onward(last).await), (Vec::new(), last));

    // Who knows the row before those that are left misses nothing; who knows less does.
    let read = store.read(move |reader| changes::onward(reader, &begin, 1));
    let (_, two) = rows(read.await.unwrap());
    let server = place.server.as_ref().unwrap();
    server.run("DELETE FROM changes WHERE seq < 3");
    assert_eq!(onward(begin).await, Onward::Gap);
    assert_eq!(rows(onward(two).await).0, [3]);

    // What was known last is gone, or is another row: a standby took over that had not heard of it.
    server.run("UPDATE changes SET at = at - 1 WHERE seq = 3");
    assert_eq!(onward(last).await, Onward::Rewritten);
    server.run("DELETE FROM changes");
    assert_eq!(onward(last).await, Onward::Rewritten);
}

#[tokio::test]
async fn what_cannot_be_read_in_a_row_keeps_nothing_else_from_being_heard() {
    if !ON_SERVER {
        return assert!(!Place::new().open().is_shared());
    }
    let place = Place::new();
    let store = place.open();
    let server = place.server.as_ref().unwrap();
    let begin = store.read(changes::mark).await.unwrap();
    let profiles = r#"{"change":{"kind":"profiles"},"audit":3}"#;
    for (seq, body) in [
        (1, "nonsense".to_owned()),
        (
            2,
            format!(r#"[{{"change":{{"kind":"issued","issuer":7}},"audit":2}},{profiles}]"#),
        ),
        (
            3,
            r#"[{"change":{"kind":"of another time"},"audit":4}]"#.to_owned(),
        ),
        (4, format!("[{profiles}]")),
    ] {
        server.run(&format!(
            "INSERT INTO changes (seq, node, at, body) VALUES ({seq}, '{ONE}', 1, '{body}')"
        ));
    }
    let found = store
        .read(move |reader| changes::onward(reader, &begin, 10))
        .await
        .unwrap();
    let Onward::Rows(rows, _) = found else {
        panic!("{found:?}")
    };
    let told: Vec<Vec<Change>> = rows
        .into_iter()
        .map(|row| row.told.into_iter().map(|told| told.change).collect())
        .collect();
    let expected = [
        vec![Change::Unknown],
        vec![Change::Unknown, Change::Profiles],
        vec![Change::Unknown],
        vec![Change::Profiles],
    ];
    assert_eq!(told, expected);
}

/// Two servers that go by one name would settle each other's work.
#[tokio::test]
async fn two_servers_with_one_identity_are_refused() {
    let mut place = Place::new();
    let store = place.open();
    let error = Store::open(&place.config).unwrap_err();
    if !ON_SERVER {
        return assert!(matches!(error, Error::InUse { .. }), "{error}");
    }
    assert_eq!(error, Error::NodeInUse { node: store.node() });
    assert!(error.to_string().contains("remove the file `node`"), "{error}");
    // Others may come, and readers; and whoever comes after it.
    drop(place.open_another());
    Store::open_read_only(&place.config).unwrap();
    drop(store);
    let store = place.open();
    // It holds its name anew when the database was away, and finds out when somebody else has it by then.
    place.server.as_mut().unwrap().kill();
    place.server.as_mut().unwrap().start_again();
    let since = Instant::now();
    while !matches!(Store::open(&place.config), Err(Error::NodeInUse { .. })) {
        assert!(since.elapsed() < Duration::from_secs(20), "its name is free");
    }
    assert!(!store.is_node_taken());
}

/// Whoever follows waits for nobody who reads.
#[tokio::test(flavor = "multi_thread")]
async fn who_follows_has_a_connection_of_its_own() {
    let mut place = Place::new();
    place.config.readers = 1;
    let store = place.open();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let reader = store.clone();
    let reading = tokio::spawn(async move {
        let read = reader.read(move |_| {
            begun.send(()).unwrap();
            // Until it is told to, or its teller is gone.
            Ok(ended.recv().is_err())
        });
        read.await
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    let followed = tokio::time::timeout(Duration::from_secs(5), store.read_following(changes::mark));
    followed.await.expect("it waits for a reader").unwrap();
    drop(end);
    assert!(reading.await.unwrap().unwrap());
}

/// An answer has its limit, but what looks at everything takes as long as it takes.
#[tokio::test]
async fn long_reads_have_no_limit() {
    let mut place = Place::new();
    if !ON_SERVER {
        return place.open().read_long(|_| Ok(())).await.unwrap();
    }
    let url = place.server.as_ref().unwrap().url();
    let server = PostgresConfig::new(&url, &Credentials::default()).unwrap();
    let server = server.with_patience(Duration::from_millis(200));
    place.config = StoreConfig::on_server(server, place.folder.path());
    let store = place.open();
    let slow = |reader: &store::Reader<'_>| {
        let slept = reader.first("SELECT CAST(pg_sleep(1) AS TEXT)", &[], |_| Ok(()))?;
        assert!(slept.is_some());
        Ok(())
    };
    let error = store.read(slow).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error}");
    store.read_long(slow).await.unwrap();
    tokio::task::spawn_blocking(move || store.read_here(slow))
        .await
        .unwrap()
        .unwrap();
}
