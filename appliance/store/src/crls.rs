//! Published CRLs; their numbers rise strictly.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};
use crate::value::Row;

/// Older CRLs of an issuer that are kept.
const KEPT: i64 = 10;

/// One CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlRow {
    /// Whose.
    pub issuer_id: Uuid,
    /// Its number.
    pub number: u64,
    /// Epoch milliseconds.
    pub this_update: i64,
    /// Epoch milliseconds.
    pub next_update: i64,
    /// How many entries it has.
    pub entries: i64,
    /// The CRL.
    pub der: Vec<u8>,
}

/// Records a CRL. A number that does not rise above the last one is refused; the oldest ones go.
pub fn insert(tx: &Tx<'_>, crl: &CrlRow) -> Result<()> {
    let last = last_number(tx, crl.issuer_id)?;
    if crl.number <= last {
        return Err(Error::CrlNumber {
            offered: crl.number,
            last,
        });
    }
    let sql = "INSERT INTO crls (issuer_id, number, this_update, next_update, entries, der)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let number = to_stored(crl.number)?;
    let values = [
        crl.issuer_id.into(),
        number.into(),
        crl.this_update.into(),
        crl.next_update.into(),
        crl.entries.into(),
        (&crl.der).into(),
    ];
    tx.execute(sql, &values)?;
    let sql = "DELETE FROM crls WHERE issuer_id = ?1 AND number <= ?2";
    tx.execute(sql, &[crl.issuer_id.into(), number.saturating_sub(KEPT).into()])
        .map(|_| ())
}

/// The last number of an issuer; 0 when it has published none.
pub fn last_number(reader: &Reader<'_>, issuer_id: Uuid) -> Result<u64> {
    let sql = "SELECT coalesce(max(number), 0) FROM crls WHERE issuer_id = ?1";
    let last = reader.first(sql, &[issuer_id.into()], |row| row.int(0))?;
    Ok(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0))
}

/// The newest CRL of one issuer.
pub fn newest_of(reader: &Reader<'_>, issuer_id: Uuid) -> Result<Option<CrlRow>> {
    let sql =
        "SELECT issuer_id, number, this_update, next_update, entries, der FROM crls WHERE issuer_id = ?1
        ORDER BY number DESC LIMIT 1";
    reader.first(sql, &[issuer_id.into()], read)
}

/// The newest CRL of every issuer.
pub fn newest(reader: &Reader<'_>) -> Result<Vec<CrlRow>> {
    let sql = "SELECT issuer_id, number, this_update, next_update, entries, der FROM crls AS one
        WHERE number = (SELECT max(number) FROM crls WHERE issuer_id = one.issuer_id)";
    reader.all(sql, &[], read)
}

fn to_stored(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::Corrupt("a CRL number beyond 63 bits".to_owned()))
}

fn read(row: &Row<'_>) -> Result<CrlRow> {
    Ok(CrlRow {
        issuer_id: row.uuid(0)?,
        number: u64::try_from(row.int(1)?).map_err(|_| Error::Corrupt("a negative CRL number".to_owned()))?,
        this_update: row.int(2)?,
        next_update: row.int(3)?,
        entries: row.int(4)?,
        der: row.blob(5)?,
    })
}
