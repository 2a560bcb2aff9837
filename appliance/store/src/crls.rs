//! Published CRLs and their numbers, which rise strictly within a shard of an issuer.
//!
//! A number is taken, durably, before anything is signed under it: whatever breaks off afterwards leaves a gap and never a
//! second list of the same number. The lists themselves are files ([`crate::crl_files`]); a list counts once its row is here.

use uuid::Uuid;

use crate::audit::hex;
use crate::changes::Change;
use crate::db::{Reader, Tx};
use crate::error::{Error, Result};
use crate::value::Row;

/// Rows of older CRLs of a shard that are kept.
const KEPT: i64 = 10;

/// One CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlRow {
    /// Whose.
    pub issuer_id: Uuid,
    /// Of which part of its certificates; 0 when it has one part.
    pub shard: u32,
    /// Its number.
    pub number: u64,
    /// The number of the full list that a delta stands on; absent for a full list.
    pub base: Option<u64>,
    /// Epoch milliseconds.
    pub this_update: i64,
    /// Epoch milliseconds.
    pub next_update: i64,
    /// How many entries it has.
    pub entries: i64,
    /// How many changes of the shard's revocations are in it, as [`note_change`] counts.
    pub changes: i64,
    /// The length of its DER.
    pub octets: u64,
    /// The digest of what was signed.
    pub digest: Vec<u8>,
    /// The CRL, when it is not in a file.
    pub der: Option<Vec<u8>>,
}

/// Where the sequence of a shard stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardState {
    /// The last number that was taken; 0 before the first.
    pub last_number: u64,
    /// How often its revocations changed.
    pub changes: i64,
    /// The number of the full list that its deltas stand on; 0 before the first.
    pub base: u64,
    /// When that was made, epoch milliseconds.
    pub base_made_at: i64,
}

/// One change since the list that the deltas stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Whose.
    pub issuer_id: Uuid,
    /// In which shard.
    pub shard: u32,
    /// Of which serial.
    pub serial: Vec<u8>,
    /// Which change it was, as [`note_change`] counts.
    pub change: i64,
    /// When its hold was released, epoch milliseconds; absent while there is a revocation.
    pub released_at: Option<i64>,
    /// The end of the certificate's validity, epoch milliseconds.
    pub not_after: i64,
}

/// A change that is to be noted, as [`ChangeRow`] without its number.
#[derive(Clone, Copy, Debug)]
pub struct NewChange<'a> {
    /// Whose.
    pub issuer_id: Uuid,
    /// In which shard.
    pub shard: u32,
    /// Of which serial.
    pub serial: &'a [u8],
    /// When its hold was released, epoch milliseconds; absent while there is a revocation.
    pub released_at: Option<i64>,
    /// The end of the certificate's validity, epoch milliseconds.
    pub not_after: i64,
}

/// Takes the next number of a shard.
pub fn take_number(tx: &Tx<'_>, issuer_id: Uuid, shard: u32) -> Result<u64> {
    let sql = "INSERT INTO crl_shards (issuer_id, shard, last_number, changes) VALUES (?1, ?2, 1, 0)
        ON CONFLICT (issuer_id, shard) DO UPDATE SET last_number = crl_shards.last_number + 1";
    tx.execute(sql, &[issuer_id.into(), i64::from(shard).into()])?;
    Ok(state(tx, issuer_id, shard)?.last_number)
}

/// Notes, with the change itself, that a revocation of a shard changed: its list is due until one is recorded that has it. It is
/// kept for the deltas to come when there are any; a later one of the same serial takes its place. Gives the number of the change.
pub fn note_change(tx: &Tx<'_>, change: &NewChange<'_>, is_kept: bool) -> Result<i64> {
    let (issuer_id, shard) = (change.issuer_id, i64::from(change.shard));
    let sql = "INSERT INTO crl_shards (issuer_id, shard, last_number, changes) VALUES (?1, ?2, 0, 1)
        ON CONFLICT (issuer_id, shard) DO UPDATE SET changes = crl_shards.changes + 1";
    tx.execute_later(sql, &[issuer_id.into(), shard.into()])?;
    let number = state(tx, issuer_id, change.shard)?.changes;
    tx.tell(Change::Revocation {
        issuer: issuer_id,
        serial: hex(change.serial),
        number,
    });
    if is_kept {
        let sql = "INSERT INTO crl_changes (issuer_id, shard, serial, change, released_at, not_after)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (issuer_id, shard, serial) DO UPDATE SET
                change = excluded.change, released_at = excluded.released_at, not_after = excluded.not_after";
        let values = [
            issuer_id.into(),
            shard.into(),
            change.serial.into(),
            number.into(),
            change.released_at.into(),
            change.not_after.into(),
        ];
        tx.execute_later(sql, &values)?;
    }
    Ok(number)
}

/// Lets the deltas of a shard stand on this list, which has these changes (serial and number) in it.
pub fn set_base(tx: &Tx<'_>, base: &CrlRow, within: &[(Vec<u8>, i64)]) -> Result<()> {
    let (issuer_id, shard) = (base.issuer_id, i64::from(base.shard));
    let sql = "UPDATE crl_shards SET base = ?3, base_made_at = ?4 WHERE issuer_id = ?1 AND shard = ?2";
    let values = [
        issuer_id.into(),
        shard.into(),
        to_stored(base.number)?.into(),
        base.this_update.into(),
    ];
    tx.execute(sql, &values)?;
    let sql = "DELETE FROM crl_changes WHERE issuer_id = ?1 AND shard = ?2 AND serial = ?3 AND change = ?4";
    for (serial, change) in within {
        tx.execute_later(
            sql,
            &[issuer_id.into(), shard.into(), serial.into(), (*change).into()],
        )?;
    }
    Ok(())
}

const CHANGES: &str = "SELECT issuer_id, shard, serial, change, released_at, not_after FROM crl_changes";

/// Every change that is kept.
pub fn changes(reader: &Reader<'_>) -> Result<Vec<ChangeRow>> {
    reader.all(CHANGES, &[], read_change)
}

/// The change of a serial that is kept.
pub fn change_of(reader: &Reader<'_>, issuer_id: Uuid, serial: &[u8]) -> Result<Option<ChangeRow>> {
    let sql = format!("{CHANGES} WHERE issuer_id = ?1 AND serial = ?2");
    reader.first(&sql, &[issuer_id.into(), serial.into()], read_change)
}

/// Where a shard stands.
pub fn state(reader: &Reader<'_>, issuer_id: Uuid, shard: u32) -> Result<ShardState> {
    let sql =
        "SELECT last_number, changes, base, base_made_at FROM crl_shards WHERE issuer_id = ?1 AND shard = ?2";
    let state = reader.first(sql, &[issuer_id.into(), i64::from(shard).into()], |row| {
        Ok(ShardState {
            last_number: number(row.int(0)?)?,
            changes: row.int(1)?,
            base: number(row.int(2)?)?,
            base_made_at: row.int(3)?,
        })
    })?;
    Ok(state.unwrap_or_default())
}

/// Records a CRL. A number that does not rise above the last one of its kind is refused; the oldest rows go.
pub fn insert(tx: &Tx<'_>, crl: &CrlRow) -> Result<()> {
    let (issuer, shard, is_delta) = (crl.issuer_id, i64::from(crl.shard), i64::from(crl.base.is_some()));
    let sql = "SELECT coalesce(max(number), 0) FROM published_crls WHERE issuer_id = ?1 AND shard = ?2 AND is_delta = ?3";
    let key = [issuer.into(), shard.into(), is_delta.into()];
    let last = number(tx.first(sql, &key, |row| row.int(0))?.unwrap_or(0))?;
    if crl.number <= last {
        return Err(Error::CrlNumber {
            offered: crl.number,
            last,
        });
    }
    let stored = to_stored(crl.number)?;
    let sql = "INSERT INTO published_crls
        (issuer_id, shard, is_delta, number, base, this_update, next_update, entries, changes, octets, digest, der)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let values = [
        issuer.into(),
        shard.into(),
        is_delta.into(),
        stored.into(),
        crl.base.map(to_stored).transpose()?.into(),
        crl.this_update.into(),
        crl.next_update.into(),
        crl.entries.into(),
        crl.changes.into(),
        to_stored(crl.octets)?.into(),
        (&crl.digest).into(),
        crl.der.as_ref().into(),
    ];
    tx.execute(sql, &values)?;
    tx.tell(Change::Crl {
        issuer: crl.issuer_id,
        shard: crl.shard,
    });
    let sql =
        "DELETE FROM published_crls WHERE issuer_id = ?1 AND shard = ?2 AND is_delta = ?3 AND number <= ?4";
    let values = [
        issuer.into(),
        shard.into(),
        is_delta.into(),
        stored.saturating_sub(KEPT).into(),
    ];
    tx.execute(sql, &values).map(|_| ())
}

/// Gives the row of a CRL its octets, when they were gone.
pub fn put_der(tx: &Tx<'_>, crl: &CrlRow) -> Result<()> {
    let sql = "UPDATE published_crls SET der = ?5 WHERE issuer_id = ?1 AND shard = ?2 AND is_delta = ?3 AND number = ?4";
    let values = [
        crl.issuer_id.into(),
        i64::from(crl.shard).into(),
        i64::from(crl.base.is_some()).into(),
        to_stored(crl.number)?.into(),
        crl.der.as_ref().into(),
    ];
    tx.execute(sql, &values)?;
    tx.tell(Change::Crl {
        issuer: crl.issuer_id,
        shard: crl.shard,
    });
    Ok(())
}

const NEWEST: &str =
    "SELECT issuer_id, shard, number, base, this_update, next_update, entries, changes, octets, digest, der
    FROM published_crls AS one WHERE number = (SELECT max(number) FROM published_crls
        WHERE issuer_id = one.issuer_id AND shard = one.shard AND is_delta = one.is_delta)";

/// The newest CRL of every kind of every shard of every issuer.
pub fn newest(reader: &Reader<'_>) -> Result<Vec<CrlRow>> {
    reader.all(NEWEST, &[], read)
}

/// The newest CRL of every kind of one shard.
pub fn newest_of(reader: &Reader<'_>, issuer_id: Uuid, shard: u32) -> Result<Vec<CrlRow>> {
    let sql = format!("{NEWEST} AND issuer_id = ?1 AND shard = ?2");
    reader.all(&sql, &[issuer_id.into(), i64::from(shard).into()], read)
}

/// Keeps a part of a list for servers that did not make it. A list is recorded when all its parts are there.
pub fn put_part(tx: &Tx<'_>, crl: &CrlRow, part: u32, octets: &[u8]) -> Result<()> {
    let sql = "INSERT INTO crl_parts (issuer_id, shard, is_delta, number, part, octets) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = [
        crl.issuer_id.into(),
        i64::from(crl.shard).into(),
        i64::from(crl.base.is_some()).into(),
        to_stored(crl.number)?.into(),
        i64::from(part).into(),
        octets.into(),
    ];
    tx.execute_later(sql, &values)
}

/// Takes away the parts of older lists of the same kind.
pub fn drop_older_parts(tx: &Tx<'_>, crl: &CrlRow) -> Result<()> {
    let sql = "DELETE FROM crl_parts WHERE issuer_id = ?1 AND shard = ?2 AND is_delta = ?3 AND number < ?4";
    let values = [
        crl.issuer_id.into(),
        i64::from(crl.shard).into(),
        i64::from(crl.base.is_some()).into(),
        to_stored(crl.number)?.into(),
    ];
    tx.execute_later(sql, &values)
}

/// Calls `each` with the parts of a list in their order.
pub fn for_each_part(
    reader: &Reader<'_>,
    crl: &CrlRow,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT octets FROM crl_parts WHERE issuer_id = ?1 AND shard = ?2 AND is_delta = ?3 AND number = ?4 AND part = ?5";
    for part in 0_i64.. {
        let values = [
            crl.issuer_id.into(),
            i64::from(crl.shard).into(),
            i64::from(crl.base.is_some()).into(),
            to_stored(crl.number)?.into(),
            part.into(),
        ];
        if reader.first(sql, &values, |row| each(row.octets(0)?))?.is_none() {
            break;
        }
    }
    Ok(())
}

fn to_stored(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::Corrupt("a CRL number beyond 63 bits".to_owned()))
}

fn number(stored: i64) -> Result<u64> {
    u64::try_from(stored).map_err(|_| Error::Corrupt("a negative CRL number".to_owned()))
}

fn read(row: &Row<'_>) -> Result<CrlRow> {
    let shard = u32::try_from(row.int(1)?).map_err(|_| Error::Corrupt("the shard of a CRL".to_owned()))?;
    Ok(CrlRow {
        issuer_id: row.uuid(0)?,
        shard,
        number: number(row.int(2)?)?,
        base: row.opt_int(3)?.map(number).transpose()?,
        this_update: row.int(4)?,
        next_update: row.int(5)?,
        entries: row.int(6)?,
        changes: row.int(7)?,
        octets: number(row.int(8)?)?,
        digest: row.blob(9)?,
        der: row.opt_blob(10)?,
    })
}

fn read_change(row: &Row<'_>) -> Result<ChangeRow> {
    Ok(ChangeRow {
        issuer_id: row.uuid(0)?,
        shard: u32::try_from(row.int(1)?).map_err(|_| Error::Corrupt("the shard of a change".to_owned()))?,
        serial: row.blob(2)?,
        change: row.int(3)?,
        released_at: row.opt_int(4)?,
        not_after: row.int(5)?,
    })
}
