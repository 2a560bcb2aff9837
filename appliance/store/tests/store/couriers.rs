//! Couriers with their credentials and their presence, and what goes with them.

use store::courier_credentials::{self as credentials, CredentialRow};
use store::courier_presence::{self as presence, PresenceRow, Report, SignIn};
use store::courier_sessions::{self as sessions, SessionRow};
use store::couriers::{self, CourierRow, Filter};
use store::{Error, Store, audit};
use uuid::Uuid;

use super::fixture::{Place, entry};

pub(crate) fn courier(number: u128, name: &str) -> CourierRow {
    CourierRow {
        id: Uuid::from_u128(number),
        name: name.to_owned(),
        status: "active".to_owned(),
        record: "{\"allowed_names\":[\"*.example\"]}".to_owned(),
        revision: 1,
        created_at: 10,
        updated_at: 10,
        expires_at: Some(1_000),
    }
}

pub(crate) fn credential(number: u128, of: u128, client_id: Option<&str>) -> CredentialRow {
    CredentialRow {
        id: Uuid::from_u128(number),
        courier_id: Uuid::from_u128(of),
        method: client_id.map_or("spiffe", |_| "client_secret").to_owned(),
        binding: "{\"id\":\"spiffe://example/web\"}".to_owned(),
        client_id: client_id.map(str::to_owned),
        secret_hash: client_id.map(|_| "$argon2id$v=19$m=8$c2FsdA$aGFzaA".to_owned()),
        created_at: 20,
        expires_at: None,
        last_used_at: None,
    }
}

pub(crate) fn session(number: u8, of: u128, method: &str) -> SessionRow {
    SessionRow {
        token_hash: vec![number; 32],
        courier_id: Uuid::from_u128(of),
        method: method.to_owned(),
        credential_id: Some(Uuid::from_u128(u128::from(number))),
        thumbprint: number.is_multiple_of(2).then(|| vec![9; 32]),
        is_key_own: number.is_multiple_of(2),
        source: "192.0.2.0/24".to_owned(),
        created_at: 30,
        expires_at: 100 + i64::from(number),
    }
}

pub(crate) async fn with_couriers(store: &Store, all: &[(u128, &str)]) {
    let rows: Vec<CourierRow> = all.iter().map(|(number, name)| courier(*number, name)).collect();
    let job = store.write(move |tx| rows.iter().try_for_each(|row| couriers::insert(tx, row)));
    job.await.unwrap();
}

#[tokio::test]
async fn a_courier_is_changed_by_whoever_has_seen_its_last_revision() {
    let place = Place::new();
    let store = place.open();
    let row = courier(1, "web01");
    let job = store.write(move |tx| {
        couriers::insert(tx, &row)?;
        audit::append(tx, &entry("web01"))
    });
    assert_eq!(job.await.unwrap(), 1);
    let taken = store.write(|tx| couriers::insert(tx, &courier(2, "web01"))).await;
    assert!(matches!(taken, Err(Error::Conflict { .. })), "{taken:?}");

    let mut changed = courier(1, "web01.example");
    changed.status = "disabled".to_owned();
    changed.expires_at = None;
    changed.updated_at = 11;
    let row = changed.clone();
    let update = move |tx: &store::Tx<'_>| couriers::update(tx, &row);
    assert_eq!(store.write(update.clone()).await.unwrap(), 2);
    // The second one has not seen what the first one did; its entry in the log is undone with it.
    let late = store
        .write(move |tx| {
            audit::append(tx, &entry("late"))?;
            update(tx)
        })
        .await;
    assert!(matches!(late, Err(Error::Absent { .. })), "{late:?}");
    changed.revision = 2;
    let read = store.read(|reader| {
        let named = couriers::named(reader, "web01.example")?;
        let log = audit::last(reader)?;
        Ok((
            couriers::find(reader, Uuid::from_u128(1))?,
            named,
            couriers::named(reader, "web01")?,
            log,
        ))
    });
    let (found, named, none, log) = read.await.unwrap();
    assert_eq!(
        (found.as_ref(), named.as_ref(), none),
        (Some(&changed), Some(&changed), None)
    );
    assert_eq!(log, 1);
    let wrong = store.write(move |tx| {
        let mut row = courier(3, "c");
        row.status = "sleepy".to_owned();
        couriers::insert(tx, &row)
    });
    assert!(matches!(wrong.await, Err(Error::Conflict { .. })));
}

#[tokio::test]
async fn couriers_are_listed_page_by_page() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(1, "web01"), (2, "db01"), (3, "web02"), (4, "web03")]).await;
    let mut disabled = courier(4, "web03");
    disabled.status = "disabled".to_owned();
    store
        .write(move |tx| couriers::update(tx, &disabled))
        .await
        .unwrap();
    let names = async |filter: Filter| -> Vec<String> {
        let list = store
            .read(move |reader| couriers::list(reader, &filter))
            .await
            .unwrap();
        list.into_iter().map(|row| row.name).collect()
    };
    let page = |after| Filter {
        after,
        limit: 3,
        ..Filter::default()
    };
    assert_eq!(names(page(None)).await, ["web01", "db01", "web02"]);
    assert_eq!(names(page(Some(Uuid::from_u128(3)))).await, ["web03"]);
    let web = Filter {
        status: Some("active".to_owned()),
        name: Some("web".to_owned()),
        after: Some(Uuid::from_u128(1)),
        limit: 9,
    };
    assert_eq!(names(web).await, ["web02"]);
}

#[tokio::test]
async fn a_client_id_finds_one_credential() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(1, "a"), (2, "b")]).await;
    let (own, other, bound) = (
        credential(1, 1, Some("cour_a")),
        credential(2, 1, Some("cour_b")),
        credential(3, 1, None),
    );
    let rows = [own.clone(), other.clone(), bound.clone()];
    let job = store.write(move |tx| rows.iter().try_for_each(|row| credentials::insert(tx, row)));
    job.await.unwrap();
    for refused in [
        credential(4, 2, Some("cour_a")),
        credential(5, 7, None),
        CredentialRow {
            secret_hash: None,
            ..credential(6, 2, Some("cour_c"))
        },
    ] {
        let job = store.write(move |tx| credentials::insert(tx, &refused)).await;
        assert!(matches!(job, Err(Error::Conflict { .. })), "{job:?}");
    }
    let read = store.read(|reader| {
        let all = credentials::of_courier(reader, Uuid::from_u128(1))?;
        Ok((
            all,
            credentials::of_client(reader, "cour_b")?,
            credentials::of_client(reader, "cour_z")?,
        ))
    });
    assert_eq!(
        read.await.unwrap(),
        (vec![own, other.clone(), bound], Some(other.clone()), None)
    );
    assert!(!format!("{other:?}").contains("argon2"), "{other:?}");

    let of = Uuid::from_u128(2);
    for (at, expected) in [(50, 50), (40, 50), (60, 60)] {
        store
            .write(move |tx| credentials::touch(tx, of, at))
            .await
            .unwrap();
        let found = store
            .read(move |reader| credentials::find(reader, of))
            .await
            .unwrap();
        assert_eq!(found.unwrap().last_used_at, Some(expected));
    }
    store
        .write(move |tx| credentials::update(tx, of, "{}", Some(70)))
        .await
        .unwrap();
    let found = store
        .read(move |reader| credentials::find(reader, of))
        .await
        .unwrap();
    let expected = CredentialRow {
        binding: "{}".to_owned(),
        expires_at: Some(70),
        last_used_at: Some(60),
        ..other
    };
    assert_eq!(found, Some(expected));
    assert!(store.write(move |tx| credentials::remove(tx, of)).await.unwrap());
    assert!(!store.write(move |tx| credentials::remove(tx, of)).await.unwrap());
    let gone = store
        .write(move |tx| credentials::update(tx, of, "{}", None))
        .await;
    assert!(matches!(gone, Err(Error::Absent { .. })), "{gone:?}");
}

#[tokio::test]
async fn what_a_courier_says_of_itself_is_known() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(1, "a"), (2, "b"), (3, "c")]).await;
    let id = Uuid::from_u128;
    let in_by = |method: &'static str, hostname| SignIn {
        method,
        client_version: Some("1.2.3"),
        hostname,
    };
    let job = store.write(move |tx| {
        presence::sign_in(tx, id(1), &in_by("certificate", Some("web01")), 10)?;
        presence::sign_in(tx, id(1), &in_by("spiffe", None), 20)?;
        presence::sign_in(tx, id(2), &in_by("spiffe", None), 15)?;
        let report = Report {
            body: "{\"runs\":3}",
            next_run_at: Some(99),
            failures: 2,
        };
        presence::report(tx, id(1), &report, 30)?;
        presence::report(tx, id(3), &report, 31)?;
        presence::touch(tx, id(1), 40)?;
        presence::touch(tx, id(1), 35)
    });
    job.await.unwrap();
    let expected = PresenceRow {
        courier_id: id(1),
        seen_at: 40,
        signed_in_at: Some(20),
        method: Some("spiffe".to_owned()),
        client_version: Some("1.2.3".to_owned()),
        hostname: Some("web01".to_owned()),
        report: Some("{\"runs\":3}".to_owned()),
        next_run_at: Some(99),
        failures: 2,
    };
    let read = store.read(move |reader| {
        let by = |method, after| presence::signed_in_by(reader, method, after, 9);
        let by_spiffe = by("spiffe", None)?
            .into_iter()
            .map(|row| row.courier_id)
            .collect::<Vec<_>>();
        let rest = by("spiffe", Some(id(1)))?.len();
        Ok((
            presence::find(reader, id(1))?,
            by_spiffe,
            rest,
            by("certificate", None)?,
        ))
    });
    assert_eq!(
        read.await.unwrap(),
        (Some(expected), vec![id(1), id(2)], 1, vec![])
    );
    let nobody = store
        .write(move |tx| presence::sign_in(tx, id(9), &in_by("spiffe", None), 1))
        .await;
    assert!(matches!(nobody, Err(Error::Conflict { .. })), "{nobody:?}");
}

#[tokio::test]
async fn what_belongs_to_a_courier_goes_with_it() {
    let place = Place::new();
    let store = place.open();
    with_couriers(&store, &[(1, "a"), (2, "b")]).await;
    let job = store.write(|tx| {
        for of in [1, 2] {
            credentials::insert(tx, &credential(of, of, None))?;
            let number = u8::try_from(of).unwrap();
            sessions::insert(tx, &session(number, of, "spiffe"))?;
            let sign_in = SignIn {
                method: "spiffe",
                client_version: None,
                hostname: None,
            };
            presence::sign_in(tx, Uuid::from_u128(of), &sign_in, 1)?;
        }
        Ok(())
    });
    job.await.unwrap();
    assert!(
        store
            .write(|tx| couriers::delete(tx, Uuid::from_u128(1)))
            .await
            .unwrap()
    );
    assert!(
        !store
            .write(|tx| couriers::delete(tx, Uuid::from_u128(1)))
            .await
            .unwrap()
    );
    let read = store.read(|reader| {
        let left = |number: u8| {
            let of = Uuid::from_u128(u128::from(number));
            let credentials = credentials::of_courier(reader, of)?.len();
            let has_session = sessions::find(reader, &[number; 32])?.is_some();
            store::Result::Ok((credentials, has_session, presence::find(reader, of)?.is_some()))
        };
        Ok((left(1)?, left(2)?))
    });
    assert_eq!(read.await.unwrap(), ((0, false, false), (1, true, true)));
}

#[tokio::test]
async fn a_method_is_on_until_it_is_switched_off() {
    let place = Place::new();
    let store = place.open();
    let is_off = async |method: &'static str| {
        store
            .read(move |reader| couriers::is_method_off(reader, method))
            .await
            .unwrap()
    };
    assert!(!is_off("client_secret").await);
    store
        .write(|tx| couriers::switch_method(tx, "client_secret", true))
        .await
        .unwrap();
    assert!(is_off("client_secret").await && !is_off("certificate").await);
    store
        .write(|tx| couriers::switch_method(tx, "client_secret", false))
        .await
        .unwrap();
    assert!(!is_off("client_secret").await);
}
