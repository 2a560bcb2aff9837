//! The check of a store finds what is not as it must be, and says so about nothing else.

use store::tables::{Kind, PASSING, TABLES};
use store::{Store, audit, certificates, check, intents, orders, revocations};

use super::ON_SERVER;
use super::fixture::{ISSUER, Place, certificate, entry, intent, revocation};

/// One certificate that is good and one that is revoked, with all that belongs to them.
async fn filled(place: &Place) -> Store {
    let store = place.with_issuers().await;
    let job = store.write(|tx| {
        for number in [1, 2] {
            certificates::insert(tx, &certificate(number), &["dns:a.example".to_owned()])?;
            let row = certificate(number);
            orders::insert(tx, &intent(number).order(intents::End::Issued(row.id)))?;
            audit::append(tx, &entry(&number.to_string()))?;
        }
        store::crls::take_number(tx, ISSUER, 0)?;
        store::crls::insert(tx, &super::fixture::crl(1))?;
        revocations::put(tx, &revocation(2, 1))
    });
    job.await.unwrap();
    store
}

/// What is wrong, without what a database for tests does on purpose.
async fn problems(store: &Store) -> Vec<String> {
    let found = store.read(check).await.unwrap();
    assert!(found.len() > 8, "{found:?}");
    let problems = found.into_iter().filter_map(|finding| finding.problem);
    problems
        .filter(|problem| !problem.contains("fsync is off"))
        .collect()
}

#[tokio::test]
async fn a_whole_store_has_no_problem() {
    let place = Place::new();
    assert!(problems(&place.open()).await.is_empty(), "an empty one");
    let place = Place::new();
    let found = problems(&filled(&place).await).await;
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn every_kind_of_damage_is_found() {
    let cases = [
        (
            "UPDATE certificates SET revoked_at = NULL, revocation_reason = NULL WHERE revoked_at IS NOT NULL",
            "1 revocations without their mark",
        ),
        (
            "DELETE FROM revocations",
            "1 certificates marked without a revocation",
        ),
        (
            "INSERT INTO intents SELECT issuer_id, serial, id, serial, 1, 1, '', '', '', '', id FROM certificates WHERE revoked_at IS NULL",
            "1 intents beside their certificates",
        ),
        (
            "UPDATE orders SET certificate_id = NULL WHERE certificate_id IS NOT NULL",
            "2 orders without the certificate",
        ),
        (
            "UPDATE crl_shards SET shard = 7",
            "1 CRLs with a number that was not taken",
        ),
        (
            "UPDATE settings SET value = '1 00' WHERE key = 'audit.head'",
            "the head of the log was changed",
        ),
        (
            "INSERT INTO settings (key, value) VALUES ('copy.unfinished', '1')",
            "a copy into it broke off",
        ),
    ];
    // SQLite sees to this itself.
    let on_server = [(
        "UPDATE certificate_names SET certificate_id = (SELECT id FROM issuers LIMIT 1) WHERE name = 'cn=host1.example'",
        "1 names without their certificate",
    )];
    let on_server = on_server.into_iter().filter(|_| ON_SERVER);
    for (damage, problem) in cases.into_iter().chain(on_server) {
        let place = Place::new();
        let store = filled(&place).await;
        place.tamper(damage);
        let found = problems(&store).await;
        assert!(
            found.len() == 1 && found[0].contains(problem),
            "{damage}: {found:?}"
        );
    }
}

/// The lists of a CA whose key is elsewhere are imported with the numbers that they have there.
#[tokio::test]
async fn numbers_of_imported_lists_are_not_taken_here() {
    let place = Place::new();
    let store = filled(&place).await;
    place.tamper("UPDATE issuers SET settings = '{\"offline\":{\"is_elsewhere\":true}}'");
    place.tamper("DELETE FROM crl_shards");
    let found = problems(&store).await;
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn a_database_that_may_lose_commits_is_told() {
    let place = Place::new();
    let found = place.open().read(check).await.unwrap();
    let said = found.iter().any(|finding| {
        finding
            .problem
            .as_deref()
            .is_some_and(|problem| problem.contains("fsync is off: set it to on"))
    });
    assert_eq!(said, ON_SERVER, "the servers of tests run without");
}

/// What is copied is all there is: tables and columns are those of the schema.
#[tokio::test]
async fn every_table_and_column_is_known() {
    let place = Place::new();
    let store = place.open();
    let tables = if ON_SERVER {
        // The tables of months are parts of another one.
        "SELECT CAST(relname AS TEXT) FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace)
            AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
    };
    let found = store
        .read(move |reader| reader.all(tables, &[], |row| row.text(0)))
        .await
        .unwrap();
    let mut known: Vec<_> = TABLES
        .iter()
        .map(|table| table.name)
        .chain(["refinery_schema_history"])
        .chain(PASSING.iter().copied())
        .collect();
    known.sort_unstable();
    assert_eq!(found, known);
    for table in TABLES {
        let columns = if ON_SERVER {
            "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns
                WHERE table_schema = 'public' AND table_name = ?1"
        } else {
            "SELECT name, type FROM pragma_table_info(?1)"
        };
        let read = store.read(move |reader| {
            reader.all(columns, &[table.name.into()], |row| {
                Ok((row.text(0)?, row.text(1)?))
            })
        });
        let mut found = read.await.unwrap();
        found.sort();
        let name = |kind: Kind| match (ON_SERVER, kind) {
            (true, Kind::Int) => "bigint",
            (true, Kind::Text) => "text",
            (true, Kind::Blob) => "bytea",
            (true, Kind::Id) => "uuid",
            (false, Kind::Int) => "INTEGER",
            (false, Kind::Text) => "TEXT",
            (false, Kind::Blob | Kind::Id) => "BLOB",
        };
        let known = table
            .columns
            .iter()
            .map(|(column, kind)| ((*column).to_owned(), name(*kind).to_owned()));
        let mut known: Vec<_> = known.collect();
        known.sort();
        assert_eq!(found, known, "{}", table.name);
    }
}
