//! A program on a store that a newer one has migrated: it works when all that was added leaves it what it uses.

use store::{Error, Store, audit, certificates, check, crls, intents, revocations, servers};

use super::fixture::{ISSUER, Place, certificate, crl, entry, intent, revocation};

/// What a newer program leaves: a column and a table more, and what its migration says of older programs.
fn migrate_beyond(place: &Place, least: Option<i64>) -> i64 {
    let (found, known) = Store::schema_versions(&place.config).unwrap();
    assert_eq!(found, known);
    run(
        place,
        &format!(
            "ALTER TABLE orders ADD COLUMN note TEXT; ALTER TABLE certificates ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';
            CREATE TABLE notes (id TEXT PRIMARY KEY);
            INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                VALUES ({}, 'expand_notes', '2030-01-01T00:00:00Z', '1')",
            known + 1
        ),
    );
    run(place, "DELETE FROM settings WHERE key = 'schema.least_program'");
    if let Some(least) = least {
        run(
            place,
            &format!("INSERT INTO settings (key, value) VALUES ('schema.least_program', '{least}')"),
        );
    }
    known
}

fn run(place: &Place, sql: &str) {
    match &place.server {
        None => place.raw().execute_batch(sql).unwrap(),
        Some(server) => drop(server.run(sql)),
    }
}

#[tokio::test]
async fn the_program_before_goes_on_where_a_migration_only_added() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let job = |number| {
        move |tx: &store::Tx<'_>| {
            intents::insert(tx, &intent(number))?;
            intents::fulfil(tx, ISSUER, &intent(number).serial)?;
            certificates::insert(tx, &certificate(number), &["dns:a.example".to_owned()])?;
            store::orders::insert(
                tx,
                &intent(number).order(intents::End::Issued(certificate(number).id)),
            )?;
            audit::append(tx, &entry(&number.to_string())).map(drop)
        }
    };
    store.write(job(1)).await.unwrap();
    drop(store);
    let known = migrate_beyond(&place, None);
    // As far as that program knows, what is newer may be anything.
    let refused = Error::NewerSchema {
        found: known + 1,
        known,
    };
    assert_eq!(Store::open(&place.config).unwrap_err(), refused);
    assert_eq!(Store::open_read_only(&place.config).unwrap_err(), refused);
    run(
        &place,
        &format!("INSERT INTO settings (key, value) VALUES ('schema.least_program', '{known}')"),
    );
    let store = place.open();
    store.write(job(2)).await.unwrap();
    let revoke = store.write(|tx| {
        revocations::put(tx, &revocation(2, 1))?;
        crls::take_number(tx, ISSUER, 0)?;
        crls::insert(tx, &crl(1))
    });
    revoke.await.unwrap();
    let read = store.read(|reader| {
        assert!(certificates::find(reader, certificate(1).id)?.is_some());
        assert!(revocations::find(reader, ISSUER, &certificate(2).serial)?.is_some());
        assert_eq!(intents::all(reader)?.len(), 0);
        assert_eq!(crls::newest(reader)?.len(), 1);
        audit::verify(reader)
    });
    assert!(matches!(
        read.await.unwrap(),
        audit::Verdict::Sound { entries: 2, .. }
    ));
    let found = store.read(check).await.unwrap();
    let problems: Vec<String> = found.into_iter().filter_map(|finding| finding.problem).collect();
    assert!(
        problems.iter().all(|problem| problem.contains("fsync is off")),
        "{problems:?}"
    );
    drop(store);
    let reading = Store::open_read_only(&place.config).unwrap();
    let found = reading.read(|reader| certificates::find(reader, certificate(2).id));
    assert!(found.await.unwrap().is_some());
    drop(reading);
    assert_eq!(Store::schema_versions(&place.config).unwrap(), (known + 1, known));
    assert_eq!(Store::pending_migrations(&place.config, known), []);
}

#[test]
fn a_program_that_is_shut_out_is_told() {
    let place = Place::new();
    drop(place.open());
    let (_, known) = Store::schema_versions(&place.config).unwrap();
    migrate_beyond(&place, Some(known + 1));
    let error = Store::open(&place.config).unwrap_err();
    assert_eq!(
        error,
        Error::NewerSchema {
            found: known + 1,
            known
        }
    );
    assert_eq!(
        Store::pending_migrations(&place.config, 0).len(),
        usize::try_from(known).unwrap()
    );
}

#[tokio::test]
async fn who_is_at_work_on_it_is_seen() {
    let place = Place::new();
    let store = place.open();
    let node = store.node();
    let seen =
        |config| std::thread::scope(|scope| scope.spawn(|| Store::servers(config)).join().unwrap().unwrap());
    if store.is_shared() {
        assert_eq!(seen(&place.config), []);
        let length = std::time::Duration::from_mins(1);
        let schema = store.known_schema();
        let tell = store.write(move |tx| {
            store::leases::take(tx, &format!("node:{node}"), node, length)?;
            servers::tell(tx, node, "1.2.3", schema)
        });
        tell.await.unwrap();
        let expected = servers::ServerSeen {
            node,
            program: Some("1.2.3".to_owned()),
            schema: Some(schema),
        };
        assert_eq!(seen(&place.config), [expected]);
    } else {
        assert_eq!(seen(&place.config).len(), 1);
        drop(store);
        assert_eq!(seen(&place.config), []);
    }
}
