//! A store is filled with what another one had: whole, or it is none.

use store::dump::{self, Piece, TableSum};
use store::{
    Error, Restore, Store, audit, certificates, crls, epoch, orders, restore, revocations, settings,
};
use uuid::Uuid;

use super::fixture::{ISSUER, OTHER_ISSUER, Place, certificate, crl, entry, intent, revocation};

/// A store with so many certificates and what belongs to them.
async fn filled(place: &Place, certificates: u64) -> Store {
    let store = place.with_issuers().await;
    let job = store.write(move |tx| {
        for number in 0..certificates {
            let mut row = certificate(number);
            row.subject = format!("CN=Zoë {number}");
            certificates::insert(tx, &row, &[format!("dns:{number}.example")])?;
            orders::insert(tx, &intent(number).order(store::intents::End::Issued(row.id)))?;
            audit::append(tx, &entry(&number.to_string()))?;
        }
        crls::take_number(tx, ISSUER, 0)?;
        crls::insert(tx, &crl(1))?;
        revocations::put(tx, &revocation(1, 4))
    });
    job.await.unwrap();
    store
}

async fn dumped(store: &Store) -> (Vec<Piece>, Vec<TableSum>) {
    let job = |reader: &store::Reader<'_>| {
        let mut pieces = Vec::new();
        let sums = dump::dump(reader, |piece| {
            pieces.push(piece);
            Ok(())
        })?;
        Ok((pieces, sums))
    };
    store.read(job).await.unwrap()
}

async fn load(restore: &mut Restore, pieces: &[Piece]) {
    for piece in pieces {
        let rows = restore.take(piece.table, &piece.octets).await.unwrap();
        assert_eq!(rows, piece.rows);
    }
}

#[tokio::test]
async fn everything_arrives_and_is_a_store_at_the_end() {
    let (place, target) = (Place::new(), Place::new());
    let (pieces, sums) = dumped(&filled(&place, 3000).await).await;
    let mut restore = Restore::begin(target.open(), "one").await.unwrap();
    load(&mut restore, &pieces).await;
    let mut told = Vec::new();
    restore
        .compare(&sums, |sum| told.push(sum.name.clone()))
        .await
        .unwrap();
    assert_eq!(told.len(), sums.len());
    let done = restore
        .settle(|tx| settings::put(tx, "done", "yes"))
        .await
        .unwrap();
    assert_eq!(done, Some(()));
    let unfinished = restore.store().read(restore::unfinished).await.unwrap();
    assert!(unfinished.unwrap().contains("chancery restore"));
    restore::complete(restore.store()).await.unwrap();
    let store = restore.store();
    assert_eq!(store.read(restore::unfinished).await.unwrap(), None);
    let found = store.read(store::check).await.unwrap();
    let problems = found.into_iter().filter_map(|one| one.problem);
    let problems: Vec<_> = problems.filter(|one| !one.contains("fsync is off")).collect();
    assert!(problems.is_empty(), "{problems:?}");
    let (_, again) = dumped(store).await;
    let without = |sums: &[TableSum]| -> Vec<TableSum> {
        sums.iter()
            .filter(|sum| sum.name != "settings")
            .cloned()
            .collect()
    };
    assert_eq!(without(&again), without(&sums));
    let installation = |store: &Store| {
        let store = store.clone();
        async move { store.read(epoch::installation).await.unwrap() }
    };
    assert_eq!(
        installation(store).await,
        installation(&Store::open_read_only(&place.config).unwrap()).await
    );
}

#[tokio::test]
async fn what_broke_off_is_no_store_and_goes_on_with_the_same_backup_alone() {
    let (place, target) = (Place::new(), Place::new());
    let (pieces, sums) = dumped(&filled(&place, 2000).await).await;
    let mut first = Restore::begin(target.open(), "one").await.unwrap();
    load(&mut first, &pieces[..pieces.len() / 2]).await;
    drop(first);
    let refused = Store::open_whole(&target.config).await.unwrap_err();
    assert!(
        refused.to_string().contains("run `chancery restore` again"),
        "{refused}"
    );
    let other = Restore::begin(target.open(), "two").await.map(drop).unwrap_err();
    assert!(matches!(other, Error::Rejected(_)), "{other:?}");
    let mut again = Restore::begin(target.open(), "one").await.unwrap();
    assert!(!again.is_loaded());
    load(&mut again, &pieces).await;
    again.compare(&sums, |_| ()).await.unwrap();
    again.settle(|_| Ok(())).await.unwrap();
    drop(again);
    // All that is missing now is beside the store.
    let mut third = Restore::begin(target.open(), "one").await.unwrap();
    assert!(third.is_loaded());
    load(&mut third, &pieces).await;
    assert_eq!(third.settle(|_| Ok(())).await.unwrap(), None);
    restore::complete(third.store()).await.unwrap();
    drop(third);
    Store::open_whole(&target.config).await.unwrap();
    let full = Restore::begin(target.open(), "one").await.map(drop).unwrap_err();
    assert!(full.to_string().contains("empty database"), "{full}");
}

#[tokio::test]
async fn a_difference_is_found() {
    let (place, target) = (Place::new(), Place::new());
    let (mut pieces, sums) = dumped(&filled(&place, 50).await).await;
    let certificates = pieces
        .iter_mut()
        .find(|piece| piece.table == "certificates")
        .unwrap();
    let last = certificates.octets.last_mut().unwrap();
    *last ^= 1;
    let mut restore = Restore::begin(target.open(), "one").await.unwrap();
    load(&mut restore, &pieces).await;
    let error = restore.compare(&sums, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("certificates differs"), "{error}");
}

#[tokio::test]
async fn an_epoch_passes_over_numbers_and_lets_every_list_be_due() {
    let place = Place::new();
    let store = filled(&place, 3).await;
    let begun = store.write(|tx| {
        let first = epoch::begin(tx, 1000, &[])?;
        epoch::pass_over(tx, ISSUER, 0, 500, 7)?;
        epoch::pass_over(tx, ISSUER, 3, 500, 0)?;
        Ok((first, epoch::begin(tx, 1000, &[])?))
    });
    assert_eq!(begun.await.unwrap(), (1000, 1001));
    let look = store.read(|reader| {
        let first = crls::state(reader, ISSUER, 0)?;
        Ok((
            first,
            crls::state(reader, ISSUER, 3)?,
            crls::newest(reader)?,
            epoch::current(reader)?,
        ))
    });
    let (first, other, newest, epoch) = look.await.unwrap();
    assert_eq!((first.last_number, first.base, other.last_number), (507, 0, 500));
    // It is due, and until it is made the last full one counts.
    assert!(first.changes > 0);
    let newest: Vec<_> = newest.iter().map(|row| (row.issuer_id, row.number)).collect();
    assert_eq!(newest, [(ISSUER, 1)]);
    assert_eq!(epoch, 1001);
    let next = store.write(|tx| crls::take_number(tx, ISSUER, 0)).await.unwrap();
    assert_eq!(next, 508);
    let id = Uuid::from_u128(9);
    assert!(
        store
            .write(move |tx| epoch::pass_over(tx, id, 0, i64::MAX, 1))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_epoch_keeps_the_last_list_of_each_and_all_of_issuers_whose_keys_are_elsewhere() {
    let place = Place::new();
    let store = filled(&place, 3).await;
    let begun = store.write(|tx| {
        crls::insert(tx, &crl(2))?;
        let mut far = crl(4);
        far.issuer_id = OTHER_ISSUER;
        crls::insert(tx, &far)?;
        epoch::begin(tx, 1000, &[OTHER_ISSUER])?;
        far.der = Some(b"list".to_vec());
        crls::put_der(tx, &far)
    });
    begun.await.unwrap();
    let left = store.read(crls::newest).await.unwrap();
    let told: Vec<_> = left.iter().map(|row| (row.issuer_id, row.number)).collect();
    assert_eq!(told, [(ISSUER, 2), (OTHER_ISSUER, 4)]);
    assert_eq!(left[1].der.as_deref(), Some(&b"list"[..]));
}

#[tokio::test]
async fn it_is_known_whether_a_restore_broke_off_before_or_after_it_made_a_store() {
    let (place, target) = (Place::new(), Place::new());
    let (pieces, _) = dumped(&filled(&place, 3).await).await;
    let mut restore = Restore::begin(target.open(), "one").await.unwrap();
    let is_settled = |restore: &Restore| {
        let store = restore.store().clone();
        async move { store.read(restore::is_settled).await.unwrap() }
    };
    load(&mut restore, &pieces).await;
    assert!(!is_settled(&restore).await);
    restore.settle(|_| Ok(())).await.unwrap();
    assert!(is_settled(&restore).await);
    restore::complete(restore.store()).await.unwrap();
    assert!(!is_settled(&restore).await);
}
