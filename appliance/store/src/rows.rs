//! Rows as octets, the same for every database: how a backup has them.
//!
//! A value is an octet that says what it is, and what belongs to it: `n` NULL; `i` an integer in 8 octets, big-endian; `t` text and
//! `b` octets, each behind its length in 4 octets, big-endian; `u` an identifier in 16 octets. A row is the values of its columns in
//! the order of [`Table::columns`]; rows follow each other with nothing between.

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::tables::{Kind, Table, Values};
use crate::value::Value;

/// Appends a row.
pub fn encode(row: &[Value<'_>], out: &mut Vec<u8>) -> Result<()> {
    for value in row {
        match value {
            Value::Null => out.push(b'n'),
            Value::Int(value) => {
                out.push(b'i');
                out.extend_from_slice(&value.to_be_bytes());
            }
            Value::Text(text) => counted(b't', text.as_bytes(), out)?,
            Value::Blob(octets) => counted(b'b', octets, out)?,
            Value::Id(id) => {
                out.push(b'u');
                out.extend_from_slice(id.as_bytes());
            }
        }
    }
    Ok(())
}

fn counted(kind: u8, octets: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let length = u32::try_from(octets.len());
    let length = length.map_err(|_| Error::Internal("a value of more than four GiB".to_owned()))?;
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(octets);
    Ok(())
}

/// The rows of a table that the octets are; [`Error::Corrupt`] when they are not.
pub fn decode(table: &Table, octets: &[u8]) -> Result<Vec<Values>> {
    let mut input = Input(octets);
    let mut rows = Vec::new();
    while !input.0.is_empty() {
        let columns = table.columns.iter();
        let row: Option<Values> = columns.map(|(_, kind)| input.value(*kind)).collect();
        rows.push(row.ok_or_else(|| Error::Corrupt(format!("rows of {}", table.name)))?);
    }
    Ok(rows)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn value(&mut self, kind: Kind) -> Option<Value<'static>> {
        let ([what], rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(match (what, kind) {
            (b'n', _) => Value::Null,
            (b'i', Kind::Int) => Value::Int(i64::from_be_bytes(self.fixed()?)),
            (b't', Kind::Text) => Value::Text(std::str::from_utf8(self.counted()?).ok()?.to_owned().into()),
            (b'b', Kind::Blob) => Value::Blob(self.counted()?.to_vec().into()),
            (b'u', Kind::Id) => Value::Id(Uuid::from_bytes(self.fixed()?)),
            _ => return None,
        })
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_be_bytes(self.fixed()?)).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use proptest::prelude::*;

    use super::*;

    const TABLE: Table = Table {
        name: "all",
        columns: &[
            ("a", Kind::Int),
            ("b", Kind::Text),
            ("c", Kind::Blob),
            ("d", Kind::Id),
            ("e", Kind::Text),
        ],
        key: 1,
        month: None,
    };

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in proptest::collection::vec((any::<i64>(), ".{0,20}", proptest::collection::vec(any::<u8>(), 0..40), any::<u128>()), 0..8)
        ) {
            let rows: Vec<Values> = rows
                .into_iter()
                .map(|(int, text, octets, id)| {
                    vec![Value::Int(int), text.into(), Value::Blob(octets.into()), Value::Id(Uuid::from_u128(id)), Value::Null]
                })
                .collect();
            let mut octets = Vec::new();
            rows.iter().try_for_each(|row| encode(row, &mut octets)).unwrap();
            prop_assert_eq!(decode(&TABLE, &octets).unwrap(), rows);
            if let Some((_, cut)) = octets.split_last() {
                prop_assert!(decode(&TABLE, cut).is_err());
            }
        }

        #[test]
        fn nothing_panics(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&TABLE, &octets);
        }
    }
}
