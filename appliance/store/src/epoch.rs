//! The epoch of a store: it rises when a store is restored, because the time after the backup is missing in it.
//!
//! What was published in that time may be in the hands of others: numbers of CRLs are passed over, and what is kept elsewhere of an
//! older epoch (OCSP answers on disk) is thrown away.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};
use crate::settings;

const EPOCH: &str = "epoch";
const INSTALLATION: &str = "installation";

/// The epoch; 0 in a store that was never restored. It is the time of the restore in epoch milliseconds, so that two restores of one
/// backup are two epochs.
pub fn current(reader: &Reader<'_>) -> Result<i64> {
    Ok(settings::number(reader, EPOCH)?.unwrap_or(0))
}

/// What tells this installation from others.
pub fn installation(reader: &Reader<'_>) -> Result<String> {
    let found = settings::find(reader, INSTALLATION)?;
    found.ok_or_else(|| Error::Corrupt("the installation has no name".to_owned()))
}

/// Begins the epoch of a time (epoch milliseconds); gives its number. Every list of revoked certificates is due, full. Until there is
/// another, the last full one counts: no key may be left that could sign another. Of what issuers signed whose keys are elsewhere nothing
/// goes, and no list of theirs is due: nobody here could make it.
pub fn begin(tx: &Tx<'_>, at: i64, elsewhere: &[Uuid]) -> Result<i64> {
    let epoch = current(tx)?.saturating_add(1).max(at);
    settings::put(tx, EPOCH, &epoch.to_string())?;
    tx.execute("DELETE FROM crl_changes", &[])?;
    for issuer in crate::issuers::all(tx)? {
        if !elsewhere.contains(&issuer.id) {
            let sql = "DELETE FROM published_crls WHERE issuer_id = ?1 AND (is_delta = 1 OR number < (SELECT max(number)
                FROM published_crls AS one WHERE one.issuer_id = published_crls.issuer_id AND one.shard = published_crls.shard
                    AND one.is_delta = 0))";
            tx.execute(sql, &[issuer.id.into()])?;
        }
    }
    let sql = "UPDATE crl_shards SET changes = changes + 1, base = 0, base_made_at = 0";
    tx.execute(sql, &[])?;
    Ok(epoch)
}

/// Passes over numbers of a shard's lists: the next one is above the last by more than `margin`, and above `seen`.
pub fn pass_over(tx: &Tx<'_>, issuer_id: Uuid, shard: u32, margin: i64, seen: i64) -> Result<()> {
    let last = i64::try_from(crate::crls::state(tx, issuer_id, shard)?.last_number)
        .map_err(|_| Error::Corrupt("a CRL number beyond 63 bits".to_owned()))?;
    let next = last.max(seen).checked_add(margin);
    let next = next.ok_or_else(|| Error::Corrupt("a CRL number beyond 63 bits".to_owned()))?;
    let sql = "INSERT INTO crl_shards (issuer_id, shard, last_number, changes) VALUES (?1, ?2, ?3, 1)
        ON CONFLICT (issuer_id, shard) DO UPDATE SET last_number = excluded.last_number";
    tx.execute(sql, &[issuer_id.into(), i64::from(shard).into(), next.into()])?;
    Ok(())
}
