//! Lists of certificates: every filter against a plain model of it, page by page.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::certificates::{self, CertificateRow, Filter, Status};
use store::{Store, revocations};
use uuid::Uuid;

use super::fixture::{ISSUER, OTHER_ISSUER, Place, certificate, revocation, serial};

/// A certificate with its names.
type Named = (CertificateRow, Vec<String>);

fn certificates_of_any_kind() -> impl Strategy<Value = Vec<Named>> {
    let one = (
        any::<bool>(),
        0..3_usize,
        0..3_usize,
        0..40_i64,
        any::<bool>(),
        vec(0..6_usize, 0..3),
    );
    vec(one, 0..40).prop_map(|choices| {
        let made = choices.into_iter().zip(1..).map(
            |((other, profile, requester, end, is_revoked, names), number)| {
                let mut row = certificate(number);
                row.issuer_id = if other { OTHER_ISSUER } else { ISSUER };
                row.serial = serial(number / 2);
                ["tls-server", "device", "smime"][profile].clone_into(&mut row.profile);
                ["alice", "bob", "carol"][requester].clone_into(&mut row.requester);
                row.not_after = end;
                row.revoked_at = is_revoked.then_some(2_000);
                row.revocation_reason = is_revoked.then_some(1);
                let names = names.into_iter().map(|name| NAMES[name].to_owned()).collect();
                (row, names)
            },
        );
        let mut seen = std::collections::HashSet::new();
        made.filter(|(row, _)| seen.insert((row.issuer_id, row.serial.clone())))
            .collect()
    })
}

const NAMES: [&str; 6] = [
    "dns:a.example",
    "dns:*.a.example",
    "dns:b.example",
    "ip:10.0.0.1",
    "email:Alice@a.example",
    "uri:urn:x",
];
const WANTED: [&str; 9] = [
    "a.example",
    "DNS:A.EXAMPLE",
    "10.0.0",
    "10.0.0.1",
    "CN=host3",
    "cn=host3.example",
    "%",
    "",
    "alice@A.example",
];

fn filters() -> impl Strategy<Value = Filter> {
    let who = (
        option::of(any::<bool>()),
        option::of(0..3_usize),
        option::of(0..3_usize),
    );
    let when = (
        option::of(0..3_usize),
        option::of(0..40_i64),
        option::of(0..40_i64),
        0..40_i64,
    );
    let what = (
        option::of(0..WANTED.len()),
        option::of(0..WANTED.len()),
        option::of(0..20_u64),
        1..8_u32,
    );
    (who, when, what).prop_map(
        |((other, profile, requester), (status, before, after, now), what)| Filter {
            issuer_id: other.map(|other| if other { OTHER_ISSUER } else { ISSUER }),
            profile: profile.map(|index| ["tls-server", "device", "unused"][index].to_owned()),
            requester: requester.map(|index| ["alice", "bob", "unused"][index].to_owned()),
            status: status.map(|index| Status::ALL[index]),
            expires_before: before,
            expires_after: after,
            now,
            name: what.0.map(|index| WANTED[index].to_owned()),
            name_exact: what.1.map(|index| WANTED[index].to_owned()),
            serial: what.2.map(serial),
            after: None,
            limit: what.3,
        },
    )
}

/// What the filter means, said without a database.
fn is_wanted(filter: &Filter, (row, names): &Named) -> bool {
    let searched: Vec<String> = names
        .iter()
        .chain([&row.subject])
        .map(|name| name.to_lowercase())
        .collect();
    let has_part = |part: &String| searched.iter().any(|name| name.contains(&part.to_lowercase()));
    let has_whole = |whole: &String| {
        let whole = whole.to_lowercase();
        let kinds = ["", "dns:", "ip:", "email:", "uri:", "upn:"];
        searched
            .iter()
            .any(|name| kinds.iter().any(|kind| *name == format!("{kind}{whole}")))
    };
    filter
        .issuer_id
        .is_none_or(|issuer_id| issuer_id == row.issuer_id)
        && filter
            .profile
            .as_ref()
            .is_none_or(|profile| *profile == row.profile)
        && filter
            .requester
            .as_ref()
            .is_none_or(|requester| *requester == row.requester)
        && filter.serial.as_ref().is_none_or(|serial| *serial == row.serial)
        && filter.expires_before.is_none_or(|before| row.not_after < before)
        && filter.expires_after.is_none_or(|after| row.not_after >= after)
        && filter
            .status
            .is_none_or(|status| status == row.status(filter.now))
        && filter.name.as_ref().is_none_or(has_part)
        && filter.name_exact.as_ref().is_none_or(has_whole)
}

/// All pages, one after the other.
async fn every_page(store: &Store, mut filter: Filter) -> Vec<CertificateRow> {
    let mut found = Vec::new();
    loop {
        let asked = filter.clone();
        let page = store
            .read(move |reader| certificates::list(reader, &asked))
            .await
            .unwrap();
        assert!(page.len() <= usize::try_from(filter.limit).unwrap());
        let Some(last) = page.last() else { return found };
        filter.after = Some(last.id);
        found.extend(page);
    }
}

/// One store for all cases; the certificates of each are gone when it ends.
#[test]
fn a_list_is_what_its_filter_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let place = Place::new();
    let store = runtime.block_on(place.with_issuers());
    let settings = ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cases = (certificates_of_any_kind(), vec(filters(), 12));
    let outcome = TestRunner::new(settings).run(&cases, |(rows, filters)| {
        runtime.block_on(async {
            let stored = rows.clone();
            let job = store.write(move |tx| {
                tx.execute("DELETE FROM certificate_names", &[])?;
                tx.execute("DELETE FROM certificates", &[])?;
                stored
                    .iter()
                    .try_for_each(|(row, names)| certificates::insert(tx, row, names))
            });
            job.await.unwrap();
            for filter in filters {
                let wanted = rows.iter().filter(|row| is_wanted(&filter, row));
                let expected: Vec<_> = wanted.map(|(row, _)| row.clone()).collect();
                prop_assert_eq!(every_page(&store, filter.clone()).await, expected, "{:?}", filter);
            }
            Ok(())
        })
    });
    outcome.unwrap();
}

#[tokio::test]
async fn a_page_holds_still_while_certificates_come_in() {
    let place = Place::new();
    let store = place.with_issuers().await;
    let add = |numbers: Vec<u64>| {
        store.write(move |tx| {
            numbers
                .iter()
                .try_for_each(|number| certificates::insert(tx, &certificate(*number), &[]))
        })
    };
    add(vec![1, 2, 3, 4]).await.unwrap();
    let page = |after: Option<Uuid>| {
        let filter = Filter {
            limit: 2,
            after,
            ..Filter::default()
        };
        store.read(move |reader| certificates::list(reader, &filter))
    };
    let first = page(None).await.unwrap();
    add(vec![5]).await.unwrap();
    store
        .write(|tx| revocations::put(tx, &revocation(3, 1)))
        .await
        .unwrap();
    let second = page(Some(first[1].id)).await.unwrap();
    let third = page(Some(second[1].id)).await.unwrap();
    let ids: Vec<_> = [first, second, third]
        .concat()
        .iter()
        .map(|row| row.id.as_u128())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

#[test]
fn statuses_have_their_texts() {
    for status in Status::ALL {
        assert_eq!(Status::from_text(status.as_str()), Some(status));
    }
    assert_eq!(Status::from_text("Valid"), None);
}
