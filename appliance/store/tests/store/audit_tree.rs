//! Tiles, checkpoints and exports of the audit log: what is kept is what was given.

use store::audit_tree::{self, CheckpointRow};

use super::fixture::Place;

const DAY: i64 = 24 * 60 * 60 * 1000;

fn checkpoint(size: i64, at: i64) -> CheckpointRow {
    CheckpointRow {
        size,
        at,
        note: format!("log\n{size}\n\n— log AAAA\n"),
    }
}

#[tokio::test]
async fn a_tile_is_replaced_by_a_wider_one() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        audit_tree::put_tile(tx, 0, 7, &[1; 32])?;
        audit_tree::put_tile(tx, 1, 7, &[2; 32])?;
        audit_tree::put_tile(tx, 0, 7, &[1; 64])
    });
    job.await.unwrap();
    let read = store.read(|reader| {
        let tile = |level, place| audit_tree::tile(reader, level, place);
        Ok((tile(0, 7)?, tile(1, 7)?, tile(0, 8)?))
    });
    assert_eq!(read.await.unwrap(), (Some(vec![1; 64]), Some(vec![2; 32]), None));
}

#[tokio::test]
async fn the_newest_checkpoint_is_found_and_may_get_another_note() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(store.read(audit_tree::last_checkpoint).await.unwrap(), None);
    let job = store.write(|tx| {
        audit_tree::put_checkpoint(tx, &checkpoint(9, 10))?;
        audit_tree::put_checkpoint(tx, &checkpoint(100, 20))
    });
    job.await.unwrap();
    let cosigned = CheckpointRow {
        note: "cosigned".to_owned(),
        ..checkpoint(100, 20)
    };
    let note = cosigned.clone();
    store
        .write(move |tx| audit_tree::put_checkpoint(tx, &note))
        .await
        .unwrap();
    assert_eq!(
        store.read(audit_tree::last_checkpoint).await.unwrap(),
        Some(cosigned)
    );
    assert_eq!(store.read(audit_tree::checkpoints).await.unwrap().len(), 2);
    let of = |size| store.read(move |reader| audit_tree::checkpoint_of(reader, size));
    assert_eq!(of(9).await.unwrap(), Some(checkpoint(9, 10)));
    assert_eq!(of(10).await.unwrap(), None);
    let newest = |most| store.read(move |reader| audit_tree::newest_checkpoints(reader, most));
    let sizes = |rows: Vec<CheckpointRow>| rows.iter().map(|row| row.size).collect::<Vec<_>>();
    assert_eq!(sizes(newest(1).await.unwrap()), [100]);
    assert_eq!(sizes(newest(9).await.unwrap()), [100, 9]);
}

/// The first of each day stays, and the newest thousand.
#[tokio::test]
async fn old_checkpoints_are_thinned_out() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        for size in 1..=1500 {
            // Three hundred a day.
            audit_tree::put_checkpoint(tx, &checkpoint(size, size * DAY / 300))?;
        }
        audit_tree::trim_checkpoints(tx)
    });
    let removed = job.await.unwrap();
    let left = store.read(audit_tree::checkpoints).await.unwrap();
    assert_eq!(left.len() + removed, 1500);
    assert!((1000..1010).contains(&left.len()), "{} are left", left.len());
    let sizes: Vec<i64> = left.iter().map(|one| one.size).collect();
    assert_eq!(sizes[..3], [1, 300, 497]);
    assert_eq!(sizes.last(), Some(&1500));
}

#[tokio::test]
async fn an_export_goes_on_where_it_was() {
    let place = Place::new();
    let store = place.open();
    let at = |name: &'static str| store.read(move |reader| audit_tree::exported(reader, name));
    assert_eq!(at("siem").await.unwrap(), 0);
    for seq in [5, 9] {
        let put = store.write(move |tx| audit_tree::put_exported(tx, "siem", seq, 1));
        put.await.unwrap();
    }
    assert_eq!((at("siem").await.unwrap(), at("file").await.unwrap()), (9, 0));
}

#[tokio::test]
async fn a_log_that_is_begun_anew_has_neither_tiles_nor_checkpoints() {
    let place = Place::new();
    let store = place.open();
    let job = store.write(|tx| {
        audit_tree::put_tile(tx, 0, 0, &[1; 32])?;
        audit_tree::put_checkpoint(tx, &checkpoint(1, 10))?;
        audit_tree::clear(tx)
    });
    job.await.unwrap();
    let read = store.read(|reader| {
        Ok((
            audit_tree::tile(reader, 0, 0)?,
            audit_tree::last_checkpoint(reader)?,
        ))
    });
    assert_eq!(read.await.unwrap(), (None, None));
}
