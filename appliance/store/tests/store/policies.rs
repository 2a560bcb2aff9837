//! What may be asked for: domains and policies.

use store::Error;
use store::domains::{self, DomainRow};
use store::policies::{self, PolicyRow};

use super::fixture::Place;

#[tokio::test]
async fn domains_are_listed_by_name() {
    let place = Place::new();
    let store = place.open();
    let domain = |apex: &str| DomainRow {
        apex: apex.to_owned(),
        is_enabled: true,
        record: "{}".to_owned(),
        created_at: 1,
        updated_at: 1,
    };
    let rows = ["c.example", "a.example", "b.example"].map(domain);
    let job = store.write(move |tx| rows.iter().try_for_each(|row| domains::insert(tx, row)));
    job.await.unwrap();
    let twice = domain("a.example");
    let twice = store.write(move |tx| domains::insert(tx, &twice)).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    store
        .write(|tx| domains::update(tx, "a.example", false, "{\"l\":1}", 5))
        .await
        .unwrap();
    let page = async |after: Option<&'static str>| -> Vec<String> {
        let list = store
            .read(move |reader| domains::list(reader, after, 2))
            .await
            .unwrap();
        list.into_iter().map(|row| row.apex).collect()
    };
    assert_eq!(page(None).await, ["a.example", "b.example"]);
    assert_eq!(page(Some("b.example")).await, ["c.example"]);
    let expected = DomainRow {
        is_enabled: false,
        record: "{\"l\":1}".to_owned(),
        updated_at: 5,
        ..domain("a.example")
    };
    let found = store
        .read(|reader| domains::find(reader, "a.example"))
        .await
        .unwrap();
    assert_eq!(found, Some(expected));
    assert!(store.write(|tx| domains::delete(tx, "a.example")).await.unwrap());
    assert!(!store.write(|tx| domains::delete(tx, "a.example")).await.unwrap());
    let gone = store
        .write(|tx| domains::update(tx, "a.example", true, "{}", 6))
        .await;
    assert!(matches!(gone, Err(Error::Absent { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_number_belongs_to_one_policy_for_ever() {
    let place = Place::new();
    let store = place.open();
    let add = async |name: &'static str| {
        store
            .write(move |tx| policies::insert(tx, name, "{}", true, 1))
            .await
    };
    assert_eq!(add("first").await.unwrap(), 1);
    assert!(matches!(add("first").await, Err(Error::Conflict { .. })));
    assert_eq!(add("second").await.unwrap(), 2, "the refused one took no number");
    assert!(store.write(|tx| policies::delete(tx, 2)).await.unwrap());
    assert!(!store.write(|tx| policies::delete(tx, 2)).await.unwrap());
    assert_eq!(add("second").await.unwrap(), 3);
    let mut changed = PolicyRow {
        id: 1,
        name: "baseline".to_owned(),
        body: "{\"rules\":[]}".to_owned(),
        is_enabled: false,
        revision: 1,
        created_at: 1,
        updated_at: 7,
    };
    let row = changed.clone();
    let update = move |tx: &store::Tx<'_>| policies::update(tx, &row);
    assert_eq!(store.write(update.clone()).await.unwrap(), 2);
    let late = store.write(update).await;
    assert!(matches!(late, Err(Error::Absent { .. })), "{late:?}");
    changed.revision = 2;
    let (found, all) = store
        .read(|reader| Ok((policies::find(reader, 1)?, policies::all(reader)?)))
        .await
        .unwrap();
    assert_eq!(found, Some(changed));
    assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 3]);
}
