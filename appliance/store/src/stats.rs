//! How large the store is, and how much of what is in it.

use crate::db::Reader;
use crate::error::Result;
use crate::tables::{PASSING, TABLES};

/// How large a database is, in octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// All of it, with its log of what is not in its place yet where that can be seen.
    pub octets: u64,
    /// Of these, what is free for new rows; 0 where the database does not tell.
    pub free: u64,
    /// Tables with their indexes, where the database tells cheaply.
    pub tables: Vec<(String, u64)>,
}

/// A table in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// Its name.
    pub name: &'static str,
    /// Its rows.
    pub rows: u64,
    /// Octets with its indexes, where the database tells.
    pub octets: Option<u64>,
}

/// How large the database is, without counting rows: cheap.
pub fn size(reader: &Reader<'_>) -> Result<Size> {
    reader.size()
}

/// Every table. Counts the rows, so that a large store is read for a while.
pub fn tables(reader: &Reader<'_>) -> Result<Vec<TableStats>> {
    let size = reader.size()?;
    let names = TABLES
        .iter()
        .map(|table| table.name)
        .chain(PASSING.iter().copied());
    names
        .map(|name| {
            let rows = reader.first(&format!("SELECT count(*) FROM {name}"), &[], |row| row.int(0))?;
            let octets = size.tables.iter().find(|(table, _)| table == name);
            Ok(TableStats {
                name,
                rows: rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0),
                octets: octets.map(|(_, octets)| *octets),
            })
        })
        .collect()
}
