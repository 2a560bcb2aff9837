//! The audit log: who changes it behind the store's back is found out.

use store::audit::{self, Verdict};
use store::{Error, Store, settings};

use super::ON_SERVER;
use super::fixture::{Place, entry, put};

/// A store with ten entries, closed.
async fn logged() -> Place {
    let place = Place::new();
    let store = place.open();
    for number in 1..=10 {
        let seq = store
            .write(move |tx| audit::append(tx, &entry(&format!("certificate {number}"))))
            .await
            .unwrap();
        assert_eq!(seq, number);
    }
    place
}

async fn verdict(store: &Store) -> Verdict {
    store.read(audit::verify).await.unwrap()
}

/// What is found after somebody went at the database, who may do everything there.
async fn after_tampering(changes: &[&str]) -> Verdict {
    let place = logged().await;
    place.disarm();
    for change in changes {
        place.tamper(change);
    }
    verdict(&place.open()).await
}

const CHANGED: &str = "the entry, or the one before it, was changed";

#[tokio::test]
async fn an_untouched_log_is_sound() {
    let place = logged().await;
    let Verdict::Sound { entries, head } = verdict(&place.open()).await else {
        panic!("broken")
    };
    assert_eq!(entries, 10);
    let last = place
        .open()
        .read(|reader| audit::after(reader, 9, 1))
        .await
        .unwrap();
    assert_eq!(head, last[0].hash);
}

#[tokio::test]
async fn entries_are_chosen_from_either_end_and_by_what_they_are_about() {
    let place = logged().await;
    let store = place.open();
    let chosen = |wanted: audit::Selection, limit: u32| {
        let read = store.read(move |reader| audit::select(reader, &wanted, limit));
        async { read.await.unwrap().iter().map(|one| one.seq).collect::<Vec<_>>() }
    };
    let all = audit::Selection::default();
    assert_eq!(chosen(all.clone(), 3).await, [1, 2, 3]);
    let last = audit::Selection {
        before: Some(10),
        ..all.clone()
    };
    assert_eq!(chosen(last.clone(), 3).await, [7, 8, 9]);
    let between = audit::Selection { after: 7, ..last };
    assert_eq!(chosen(between, 9).await, [8, 9]);
    let about = audit::Selection {
        object: Some("certificate 4".to_owned()),
        ..all.clone()
    };
    assert_eq!(chosen(about.clone(), 9).await, [4]);
    let other = audit::Selection {
        action: Some("nothing".to_owned()),
        ..about
    };
    assert_eq!(chosen(other, 9).await, [0_i64; 0]);
}

#[tokio::test]
async fn an_empty_log_is_sound() {
    let place = Place::new();
    assert_eq!(
        verdict(&place.open()).await,
        Verdict::Sound {
            entries: 0,
            head: Vec::new()
        }
    );
}

#[tokio::test]
async fn every_field_is_under_the_hash() {
    let changes = [
        "UPDATE audit SET at = at + 1 WHERE seq = 4",
        "UPDATE audit SET actor = 'bob' WHERE seq = 4",
        "UPDATE audit SET action = 'certificate.revoke' WHERE seq = 4",
        "UPDATE audit SET object = 'certificate 5' WHERE seq = 4",
        "UPDATE audit SET outcome = 'refused' WHERE seq = 4",
        "UPDATE audit SET details = '[]' WHERE seq = 4",
        "UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 5) WHERE seq = 4",
        // The same letters, with the border between two fields elsewhere.
        "UPDATE audit SET actor = 'alicec', action = 'ertificate.issue' WHERE seq = 4",
    ];
    for change in changes {
        assert_eq!(
            after_tampering(&[change]).await,
            Verdict::Broken {
                seq: 4,
                what: CHANGED
            },
            "{change}"
        );
    }
}

#[tokio::test]
async fn a_missing_entry_is_found() {
    let verdict = after_tampering(&["DELETE FROM audit WHERE seq = 6"]).await;
    assert_eq!(
        verdict,
        Verdict::Broken {
            seq: 6,
            what: "the entry is missing"
        }
    );
    let verdict = after_tampering(&["DELETE FROM audit WHERE seq = 1"]).await;
    assert_eq!(
        verdict,
        Verdict::Broken {
            seq: 1,
            what: "the entry is missing"
        }
    );
}

#[tokio::test]
async fn entries_that_changed_places_are_found() {
    let swap = "UPDATE audit SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4)";
    let changes = [swap, "UPDATE audit SET seq = -seq WHERE seq < 0"];
    assert_eq!(
        after_tampering(&changes).await,
        Verdict::Broken {
            seq: 3,
            what: CHANGED
        }
    );
}

#[tokio::test]
async fn a_cut_end_is_found() {
    let cut = Verdict::Broken {
        seq: 8,
        what: "the entry and those after it were cut off",
    };
    assert_eq!(after_tampering(&["DELETE FROM audit WHERE seq > 7"]).await, cut);
    let everything = Verdict::Broken {
        seq: 1,
        what: "the entry and those after it were cut off",
    };
    assert_eq!(after_tampering(&["DELETE FROM audit"]).await, everything);
}

#[tokio::test]
async fn a_head_that_was_tampered_with_is_found() {
    let changed = Verdict::Broken {
        seq: 11,
        what: "the head of the log was changed",
    };
    let removed = Verdict::Broken {
        seq: 11,
        what: "the head of the log was removed",
    };
    let cases = [
        (
            "UPDATE settings SET value = '10 00' WHERE key = 'audit.head'",
            &changed,
        ),
        (
            "UPDATE settings SET value = '9 ' || substr(value, 4) WHERE key = 'audit.head'",
            &changed,
        ),
        (
            "UPDATE settings SET value = 'nonsense' WHERE key = 'audit.head'",
            &changed,
        ),
        (
            "UPDATE settings SET value = '10 z' WHERE key = 'audit.head'",
            &changed,
        ),
        ("DELETE FROM settings WHERE key = 'audit.head'", &removed),
    ];
    for (change, expected) in cases {
        assert_eq!(&after_tampering(&[change]).await, expected, "{change}");
    }
}

#[tokio::test]
async fn a_log_that_was_cut_takes_nothing_more() {
    let place = logged().await;
    place.cut_after(7);
    let store = place.open();
    let job = store.write(|tx| {
        settings::put(tx, "unlogged", "v")?;
        audit::append(tx, &entry("later"))
    });
    assert!(matches!(job.await.unwrap_err(), Error::Corrupt(_)));
    assert_eq!(super::fixture::find(&store, "unlogged").await, None);
}

#[tokio::test]
async fn a_cut_that_was_covered_up_shows_where_the_log_goes_on() {
    // Every trigger dropped, the end cut, and the log continued by a program that takes the head at its word.
    let later = "INSERT INTO audit SELECT 11, at, actor, action, object, outcome, details, hash FROM audit WHERE seq = 1";
    let changes = ["DELETE FROM audit WHERE seq > 7", later];
    assert_eq!(
        after_tampering(&changes).await,
        Verdict::Broken {
            seq: 8,
            what: "the entry is missing"
        }
    );
}

#[tokio::test]
async fn the_triggers_refuse_all_but_appending() {
    let place = logged().await;
    let store = place.open();
    let refused = [
        "UPDATE audit SET actor = 'bob' WHERE seq = 10",
        "DELETE FROM audit WHERE seq = 10",
        "DELETE FROM audit",
        if ON_SERVER {
            "UPDATE audit SET seq = 12 WHERE seq = 10"
        } else {
            "INSERT OR REPLACE INTO audit SELECT seq, at, 'bob', action, object, outcome, details, hash FROM audit WHERE seq = 10"
        },
        "INSERT INTO audit SELECT 12, at, 'bob', action, object, outcome, details, hash FROM audit WHERE seq = 10",
        "INSERT INTO audit SELECT -1, at, 'bob', action, object, outcome, details, hash FROM audit WHERE seq = 10",
        "INSERT INTO audit SELECT CAST(NULL AS BIGINT), at, 'bob', action, object, outcome, details, hash FROM audit WHERE seq = 10",
    ];
    for sql in refused {
        let error = store.write(move |tx| tx.execute(sql, &[])).await.unwrap_err();
        let expected = Error::Conflict {
            constraint: "the audit log is only appended to".to_owned(),
        };
        assert_eq!(error, expected, "{sql}");
    }
    assert!(matches!(
        verdict(&store).await,
        Verdict::Sound { entries: 10, .. }
    ));
}

#[tokio::test]
async fn an_entry_stands_and_falls_with_its_change() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        audit::append(tx, &entry("undone"))?;
        Err::<(), _>(Error::Absent {
            what: "something".to_owned(),
        })
    });
    job.await.unwrap_err();
    let seq = store.write(|tx| audit::append(tx, &entry("done"))).await.unwrap();
    assert_eq!(seq, 1, "the number of the undone entry was not used up");
    assert!(matches!(verdict(&store).await, Verdict::Sound { entries: 1, .. }));
}

#[tokio::test]
async fn many_at_once_make_one_chain() {
    let place = Place::new();
    let store = place.open();
    let jobs: Vec<_> = (0..100)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(move |tx| audit::append(tx, &entry(&number.to_string())))
                    .await
            })
        })
        .collect();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    assert!(matches!(
        verdict(&store).await,
        Verdict::Sound { entries: 100, .. }
    ));
    let (page, last) = store
        .read(|reader| Ok((audit::after(reader, 97, 2)?, audit::last(reader)?)))
        .await
        .unwrap();
    assert_eq!(page.iter().map(|logged| logged.seq).collect::<Vec<_>>(), [98, 99]);
    assert_eq!(last, 100);
}

/// The octets under the hash, written down once more by another program (testdata/audit/README.md has the command).
#[tokio::test]
async fn the_hash_is_the_one_that_is_described() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        audit::append(tx, &entry("certificate 1"))?;
        audit::append(tx, &entry("ü"))
    });
    job.await.unwrap();
    let logged = store.read(|reader| audit::after(reader, 0, 10)).await.unwrap();
    let expected = include_str!("../../testdata/audit/chain.txt");
    let expected: Vec<Vec<u8>> = expected.lines().map(octets).collect();
    assert_eq!(
        logged
            .iter()
            .map(|logged| logged.hash.clone())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(logged[1].entry, entry("ü"));
}

#[tokio::test]
async fn it_can_be_verified_beside_a_running_server_and_without_one() {
    let place = logged().await;
    let server = place.open();
    put(&server, "k", "v").await.unwrap().unwrap();
    let beside = Store::open_read_only(&place.config).unwrap();
    assert!(matches!(
        verdict(&beside).await,
        Verdict::Sound { entries: 10, .. }
    ));
    drop((beside, server));
    let alone = Store::open_read_only(&place.config).unwrap();
    assert!(matches!(
        verdict(&alone).await,
        Verdict::Sound { entries: 10, .. }
    ));
}

/// The octets that are written in hexadecimal.
fn octets(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[tokio::test]
async fn the_first_thing_that_somebody_did_is_found() {
    let place = Place::new();
    let store = place.open();
    let told = store.write(|tx| {
        let by = |actor: &str, outcome: &str| audit::AuditEntry {
            actor: actor.to_owned(),
            outcome: outcome.to_owned(),
            ..entry("certificate")
        };
        for (actor, outcome) in [
            ("anna", "ok"),
            ("bert", "refused"),
            ("bert", "ok"),
            ("bert", "ok"),
        ] {
            audit::append(tx, &by(actor, outcome))?;
        }
        Ok(["bert", "ber", "carl"].map(|actor| audit::first_done_by(tx, actor)))
    });
    let [first, other, none] = told.await.unwrap();
    assert_eq!(
        (first.unwrap(), other.unwrap(), none.unwrap()),
        (Some(3), None, None)
    );
}
