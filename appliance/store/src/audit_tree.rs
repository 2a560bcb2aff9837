//! What is computed from the audit log, and what was signed of it: tiles, checkpoints, and how far exports have got.
//!
//! All of it is octets here; what they mean is for the use cases. Tiles and the newest checkpoints are kept for ever. Of the
//! older checkpoints one a day stays: whoever holds another one has it from elsewhere, and a proof from its size is made of tiles.

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// Newest checkpoints that stay, whatever their age.
const KEPT: i64 = 1000;
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    /// How many entries it speaks for.
    pub size: i64,
    /// Epoch milliseconds.
    pub at: i64,
    /// The signed note.
    pub note: String,
}

/// The octets of the tile at a place, the widest there was so far.
pub fn tile(reader: &Reader<'_>, level: u8, place: i64) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT octets FROM audit_tiles WHERE level = ?1 AND place = ?2";
    reader.first(sql, &[i64::from(level).into(), place.into()], |row| row.blob(0))
}

/// Records a tile, a new one or a wider one.
pub fn put_tile(tx: &Tx<'_>, level: u8, place: i64, octets: &[u8]) -> Result<()> {
    let sql = "INSERT INTO audit_tiles (level, place, octets) VALUES (?1, ?2, ?3)
        ON CONFLICT (level, place) DO UPDATE SET octets = excluded.octets";
    tx.execute_later(sql, &[i64::from(level).into(), place.into(), octets.into()])
}

const COLUMNS: &str = "size, at, note";

/// The newest checkpoint.
pub fn last_checkpoint(reader: &Reader<'_>) -> Result<Option<CheckpointRow>> {
    let sql = format!("SELECT {COLUMNS} FROM audit_checkpoints ORDER BY size DESC LIMIT 1");
    reader.first(&sql, &[], read)
}

/// The checkpoint of so many entries, if it is kept.
pub fn checkpoint_of(reader: &Reader<'_>, size: i64) -> Result<Option<CheckpointRow>> {
    let sql = format!("SELECT {COLUMNS} FROM audit_checkpoints WHERE size = ?1");
    reader.first(&sql, &[size.into()], read)
}

/// All checkpoints that are kept, the oldest first.
pub fn checkpoints(reader: &Reader<'_>) -> Result<Vec<CheckpointRow>> {
    let sql = format!("SELECT {COLUMNS} FROM audit_checkpoints ORDER BY size");
    reader.all(&sql, &[], read)
}

/// The newest checkpoints, at most so many, the newest first.
pub fn newest_checkpoints(reader: &Reader<'_>, most: u32) -> Result<Vec<CheckpointRow>> {
    let sql = format!("SELECT {COLUMNS} FROM audit_checkpoints ORDER BY size DESC LIMIT ?1");
    reader.all(&sql, &[i64::from(most).into()], read)
}

/// Records a checkpoint, or another note of the same size.
pub fn put_checkpoint(tx: &Tx<'_>, checkpoint: &CheckpointRow) -> Result<()> {
    let sql = format!(
        "INSERT INTO audit_checkpoints ({COLUMNS}) VALUES (?1, ?2, ?3)
        ON CONFLICT (size) DO UPDATE SET note = excluded.note"
    );
    let values = [
        checkpoint.size.into(),
        checkpoint.at.into(),
        (&checkpoint.note).into(),
    ];
    tx.execute_later(&sql, &values)
}

/// Removes the checkpoint before this one of the same day, when it is not one of the newest any more.
pub fn trim_checkpoints(tx: &Tx<'_>) -> Result<usize> {
    let sql = "DELETE FROM audit_checkpoints WHERE size IN (
        SELECT old.size FROM audit_checkpoints AS old WHERE EXISTS (
            SELECT 1 FROM audit_checkpoints AS before WHERE before.size < old.size AND before.at / ?1 = old.at / ?1)
        ORDER BY old.size DESC LIMIT 1000000 OFFSET ?2)";
    tx.execute(sql, &[DAY.into(), KEPT.into()])
}

/// Forgets tiles and checkpoints: a log that is begun anew.
pub fn clear(tx: &Tx<'_>) -> Result<()> {
    tx.execute("DELETE FROM audit_tiles", &[])?;
    tx.execute("DELETE FROM audit_checkpoints", &[]).map(drop)
}

/// Up to which entry an export has got; 0 for one that has not begun.
pub fn exported(reader: &Reader<'_>, name: &str) -> Result<i64> {
    let sql = "SELECT seq FROM audit_exports WHERE name = ?1";
    Ok(reader.first(sql, &[name.into()], |row| row.int(0))?.unwrap_or(0))
}

/// Records up to which entry an export has got.
pub fn put_exported(tx: &Tx<'_>, name: &str, seq: i64, at: i64) -> Result<()> {
    let sql = "INSERT INTO audit_exports (name, seq, at) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, at = excluded.at";
    tx.execute_later(sql, &[name.into(), seq.into(), at.into()])
}

fn read(row: &Row<'_>) -> Result<CheckpointRow> {
    Ok(CheckpointRow {
        size: row.int(0)?,
        at: row.int(1)?,
        note: row.text(2)?,
    })
}
