//! All tables as pieces of octets, out of one snapshot: the store's part of a backup.

use std::ops::ControlFlow;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::audit::hex;
use crate::db::Reader;
use crate::error::Result;
use crate::rows;
use crate::tables::{TABLES, Table};

/// How many octets a piece has before the next begins: what is in memory at a time, and what a restore commits at once.
const PIECE: usize = 4 << 20;
/// Holds what a restored store is known by, and goes last.
pub(crate) const SETTINGS: &str = "settings";

/// Rows of a table, which follow on those of the piece before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of which table.
    pub table: &'static str,
    /// How many.
    pub rows: u64,
    /// The rows, as [`rows`] writes them.
    pub octets: Vec<u8>,
}

/// What a table had in it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct TableSum {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of the values of a row.
    pub columns: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 of all its rows in the order of their keys, as [`rows`] writes them, hexadecimal.
    pub digest: String,
}

/// The tables in the order in which they are carried: one that refers to another comes after it, the settings come last.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    let is_last = |table: &&Table| table.name == SETTINGS;
    let first = TABLES.iter().filter(move |table| !is_last(table));
    first.chain(TABLES.iter().filter(is_last))
}

/// Calls `each` with every row of every table, in pieces.
pub fn dump(reader: &Reader<'_>, mut each: impl FnMut(Piece) -> Result<()>) -> Result<Vec<TableSum>> {
    tables()
        .map(|table| dump_table(reader, table, &mut each))
        .collect()
}

/// What a table has in it.
pub fn sum(reader: &Reader<'_>, table: &'static Table) -> Result<TableSum> {
    dump_table(reader, table, &mut |_| Ok(()))
}

fn dump_table(
    reader: &Reader<'_>,
    table: &'static Table,
    each: &mut impl FnMut(Piece) -> Result<()>,
) -> Result<TableSum> {
    let (mut digest, mut all) = (Context::new(&SHA256), 0);
    let empty = || Piece {
        table: table.name,
        rows: 0,
        octets: Vec::with_capacity(64 * 1024),
    };
    let mut piece = empty();
    let mut end = |piece: Piece| {
        digest.update(&piece.octets);
        all += piece.rows;
        each(piece)
    };
    table.for_each_after(reader, None, |row| {
        rows::encode(&row, &mut piece.octets)?;
        piece.rows += 1;
        if piece.octets.len() >= PIECE {
            end(std::mem::replace(&mut piece, empty()))?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if piece.rows > 0 {
        end(piece)?;
    }
    Ok(TableSum {
        name: table.name.to_owned(),
        columns: table.columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
        rows: all,
        digest: hex(digest.finish().as_ref()),
    })
}
