//! The smaller nouns: what is put in comes out, and what must not happen does not.

use std::collections::HashSet;

use store::tokens::TokenRow;
use store::{Error, certificates, issuers, keys, profiles, responders, revocations, settings, tokens};
use uuid::Uuid;

use super::fixture::{ISSUER, OTHER_ISSUER, Place, certificate, issuer, key, revocation, serial};

#[tokio::test]
async fn keys_are_known_by_their_fingerprint() {
    let place = Place::new();
    let store = place.open();
    let mut renamed = key();
    renamed.label = "another".to_owned();
    store
        .write(move |tx| keys::insert(tx, &key()).and_then(|()| keys::insert(tx, &renamed)))
        .await
        .unwrap();
    let (all, one, none) = store
        .read(|reader| {
            let one = keys::find(reader, &key().fingerprint)?;
            Ok((keys::all(reader)?, one, keys::find(reader, &[0; 32])?))
        })
        .await
        .unwrap();
    assert_eq!(
        (all, one, none),
        (vec![key()], Some(key()), None),
        "the first stays as it is"
    );
}

#[tokio::test]
async fn a_subordinate_is_pending_until_its_certificate_comes() {
    let place = Place::new();
    let store = place.open();
    let mut pending = issuer(ISSUER, "sub");
    pending.state = "pending".to_owned();
    pending.certificate = None;
    pending.csr = Some(vec![0x30, 1]);
    let row = pending.clone();
    store
        .write(move |tx| keys::insert(tx, &key()).and_then(|()| issuers::insert(tx, &row)))
        .await
        .unwrap();
    let job = store.write(|tx| issuers::set_state(tx, ISSUER, "active"));
    assert!(
        matches!(job.await.unwrap_err(), Error::Conflict { .. }),
        "active without a certificate"
    );
    store
        .write(|tx| issuers::activate(tx, ISSUER, "CN=Sub", &[0x30, 2], &[0x30, 3]))
        .await
        .unwrap();
    let error = store
        .write(|tx| issuers::activate(tx, ISSUER, "CN=Sub", &[0x30, 4], &[]))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::Absent {
            what: format!("pending issuer {ISSUER}")
        }
    );

    store
        .write(|tx| issuers::set_links(tx, ISSUER, &[9]))
        .await
        .unwrap();
    store
        .write(|tx| issuers::set_settings(tx, ISSUER, "{\"a\":1}"))
        .await
        .unwrap();
    let mut expected = pending;
    expected.state = "active".to_owned();
    expected.subject = "CN=Sub".to_owned();
    expected.certificate = Some(vec![0x30, 2]);
    expected.chain = vec![0x30, 3];
    expected.links = vec![9];
    expected.settings = "{\"a\":1}".to_owned();
    assert_eq!(
        store.read(|reader| issuers::find(reader, ISSUER)).await.unwrap(),
        Some(expected)
    );
    assert_eq!(
        store
            .read(|reader| issuers::find(reader, OTHER_ISSUER))
            .await
            .unwrap(),
        None
    );
    let error = store
        .write(|tx| issuers::set_state(tx, OTHER_ISSUER, "retired"))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::Absent {
            what: format!("issuer {OTHER_ISSUER}")
        }
    );
}

#[tokio::test]
async fn a_name_has_one_active_generation() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let mut next = issuer(Uuid::from_u128(2), "issuing");
    next.generation = 2;
    let row = next.clone();
    let error = store
        .write(move |tx| issuers::insert(tx, &row))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    let roll_over = store.write(move |tx| {
        issuers::set_state(tx, ISSUER, "retired")?;
        issuers::insert(tx, &next)
    });
    roll_over.await.unwrap();
    let states: Vec<_> = store.read(issuers::all).await.unwrap();
    let states: Vec<_> = states
        .iter()
        .map(|row| (row.name.as_str(), row.generation, row.state.as_str()))
        .collect();
    assert_eq!(
        states,
        [
            ("issuing", 1, "retired"),
            ("other", 1, "active"),
            ("issuing", 2, "active")
        ]
    );
}

#[tokio::test]
async fn profiles_count_their_versions() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(
        store
            .write(|tx| profiles::put(tx, "device", "{}", 1))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        store
            .write(|tx| profiles::put(tx, "device", "{\"a\":1}", 2))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        store
            .write(|tx| profiles::put(tx, "an-earlier-one", "{}", 3))
            .await
            .unwrap(),
        1
    );
    let device = store
        .read(|reader| profiles::find(reader, "device"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (device.version, device.body.as_str(), device.updated_at),
        (2, "{\"a\":1}", 2)
    );
    let names: Vec<_> = store
        .read(profiles::all)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.name)
        .collect();
    assert_eq!(names, ["an-earlier-one", "device"]);
    assert!(store.write(|tx| profiles::delete(tx, "device")).await.unwrap());
    assert!(!store.write(|tx| profiles::delete(tx, "device")).await.unwrap());
    assert_eq!(
        store
            .read(|reader| profiles::find(reader, "device"))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn responders_overlap_and_go_when_they_have_ended() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let row = |number: u128, not_after| responders::ResponderRow {
        certificate_id: Uuid::from_u128(number),
        issuer_id: ISSUER,
        key_fingerprint: key().fingerprint,
        certificate: vec![0x30],
        not_before: 0,
        not_after,
    };
    for (number, not_after, now) in [(1, 100, 10), (2, 200, 90), (3, 300, 150)] {
        store
            .write(move |tx| responders::insert(tx, &row(number, not_after), now))
            .await
            .unwrap();
    }
    assert_eq!(
        store.read(responders::all).await.unwrap(),
        [row(2, 200), row(3, 300)]
    );
}

#[tokio::test]
async fn the_key_of_a_responder_counts_as_revoked_while_one_of_its_certificates_is() {
    let place = Place::new();
    let store = place.with_issuers().await;
    for number in [1, 2] {
        let of = certificate(number);
        let row = responders::ResponderRow {
            certificate_id: of.id,
            issuer_id: ISSUER,
            key_fingerprint: key().fingerprint,
            certificate: of.der,
            not_before: of.not_before,
            not_after: of.not_after,
        };
        let put = move |tx: &store::Tx<'_>| {
            certificates::insert(tx, &certificate(number), &[])?;
            responders::insert(tx, &row, 0)
        };
        store.write(put).await.unwrap();
    }
    let look = async || {
        let read = |reader: &store::Reader<'_>| {
            let is_revoked = |issuer, key: &[u8]| responders::is_key_of_revoked(reader, issuer, key);
            let own = is_revoked(ISSUER, &key().fingerprint)?;
            let other = is_revoked(OTHER_ISSUER, &key().fingerprint)? || is_revoked(ISSUER, &[0; 32])?;
            Ok((own, other, responders::keys_of_revoked(reader)?))
        };
        store.read(read).await.unwrap()
    };
    assert_eq!(look().await, (false, false, HashSet::new()));
    let hold = |tx: &store::Tx<'_>| revocations::put(tx, &revocation(1, 6));
    store.write(hold).await.unwrap();
    let keys = HashSet::from([(ISSUER, key().fingerprint)]);
    assert_eq!(look().await, (true, false, keys));
    store
        .write(|tx| revocations::remove(tx, ISSUER, &serial(1)))
        .await
        .unwrap();
    assert_eq!(look().await, (false, false, HashSet::new()));
}

#[tokio::test]
async fn tokens_are_revoked_once_and_remember_their_last_use() {
    let place = Place::new();
    let store = place.open();
    let token = TokenRow {
        id: "tok1".to_owned(),
        name: "build server".to_owned(),
        role: "requester".to_owned(),
        scopes: "{\"profiles\":[\"tls-server\"]}".to_owned(),
        hash: vec![7; 32],
        created_at: 5,
        expires_at: Some(500),
        revoked_at: None,
        last_used_at: None,
    };
    let row = token.clone();
    store.write(move |tx| tokens::insert(tx, &row)).await.unwrap();
    assert_eq!(
        store.read(tokens::all).await.unwrap(),
        std::slice::from_ref(&token)
    );
    for (at, expected) in [(50, 50), (40, 50), (60, 60)] {
        store
            .write(move |tx| tokens::touch(tx, "tok1", at))
            .await
            .unwrap();
        let found = store
            .read(|reader| tokens::find(reader, "tok1"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.last_used_at, Some(expected));
    }
    assert!(store.write(|tx| tokens::revoke(tx, "tok1", 70)).await.unwrap());
    assert!(!store.write(|tx| tokens::revoke(tx, "tok1", 80)).await.unwrap());
    assert!(!store.write(|tx| tokens::revoke(tx, "unknown", 80)).await.unwrap());
    let expected = TokenRow {
        revoked_at: Some(70),
        last_used_at: Some(60),
        ..token
    };
    assert_eq!(
        store.read(|reader| tokens::find(reader, "tok1")).await.unwrap(),
        Some(expected)
    );
    assert_eq!(
        store
            .read(|reader| tokens::find(reader, "unknown"))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_high_water_mark_never_falls() {
    let place = Place::new();
    let store = place.open();
    for (offered, expected) in [(100, 100), (90, 100), (100, 100), (250, 250), (-1, 250)] {
        assert_eq!(
            store
                .write(move |tx| settings::raise(tx, "clock", offered))
                .await
                .unwrap(),
            expected
        );
        assert_eq!(
            store
                .read(|reader| settings::number(reader, "clock"))
                .await
                .unwrap(),
            Some(expected)
        );
    }
    store
        .write(|tx| settings::put(tx, "clock", "noon"))
        .await
        .unwrap();
    let error = store
        .read(|reader| settings::number(reader, "clock"))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::Corrupt("the setting clock is not a number".to_owned())
    );
}

#[tokio::test]
async fn the_schema_takes_no_value_of_the_wrong_kind() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let mut row = certificate(1);
    row.revoked_at = Some(1);
    let error = store
        .write(move |tx| certificates::insert(tx, &row, &[]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Conflict { .. }),
        "revoked without a reason: {error:?}"
    );
    let wrong = "INSERT INTO profiles (name, version, body, updated_at) VALUES ('p', 'one', '{}', 1)";
    let error = store.write(move |tx| tx.execute(wrong, &[])).await.unwrap_err();
    // SQLite says that the value is wrong, PostgreSQL that the statement is.
    assert!(
        matches!(error, Error::Conflict { .. } | Error::Internal(_)),
        "{error:?}"
    );
}
