//! The values that go into and come out of SQL, whatever database is underneath.

mod postgres;

use std::borrow::Cow;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::tables::Kind;

/// A parameter. Texts and octets are borrowed where they can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Int(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// Octets.
    Blob(Cow<'a, [u8]>),
    /// An identifier, kept as its octets.
    Id(Uuid),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value.into())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Blob(value.into())
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Blob(value.into())
    }
}

impl From<Uuid> for Value<'_> {
    fn from(value: Uuid) -> Self {
        Self::Id(value)
    }
}

impl<T> From<Option<T>> for Value<'_>
where
    Self: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

impl Value<'_> {
    /// The same, borrowed from nobody.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(value) => Value::Int(value),
            Self::Text(value) => Value::Text(value.into_owned().into()),
            Self::Blob(value) => Value::Blob(value.into_owned().into()),
            Self::Id(value) => Value::Id(value),
        }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
            Self::Id(value) => ValueRef::Blob(value.as_bytes()),
        }))
    }
}

/// One row of an answer; columns are counted from 0.
#[derive(Debug)]
pub struct Row<'a>(pub(crate) Cells<'a>);

/// The row as the database gives it.
#[derive(Debug)]
pub(crate) enum Cells<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// An integer.
    pub fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    /// An integer or NULL.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        match self.0 {
            Cells::Sqlite(row) => Ok(row.get(column)?),
            Cells::Postgres(row) => Ok(row.try_get::<_, Option<postgres::Int>>(column)?.map(|int| int.0)),
        }
    }

    /// A truth value kept as an integer.
    pub fn bool(&self, column: usize) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }

    /// Text.
    pub fn text(&self, column: usize) -> Result<String> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }

    /// Text or NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<String>> {
        match self.0 {
            Cells::Sqlite(row) => Ok(row.get(column)?),
            Cells::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// Octets.
    pub fn blob(&self, column: usize) -> Result<Vec<u8>> {
        self.octets(column).map(<[u8]>::to_vec)
    }

    /// Octets, where they lie.
    pub fn octets(&self, column: usize) -> Result<&[u8]> {
        self.opt_octets(column)?.ok_or_else(|| null(column))
    }

    /// Octets or NULL.
    pub fn opt_blob(&self, column: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.opt_octets(column)?.map(<[u8]>::to_vec))
    }

    /// An identifier.
    pub fn uuid(&self, column: usize) -> Result<Uuid> {
        self.opt_uuid(column)?.ok_or_else(|| null(column))
    }

    /// An identifier or NULL.
    pub fn opt_uuid(&self, column: usize) -> Result<Option<Uuid>> {
        let octets = self.opt_octets(column)?;
        octets
            .map(|octets| Uuid::from_slice(octets).map_err(|error| Error::Corrupt(error.to_string())))
            .transpose()
    }

    fn opt_octets(&self, column: usize) -> Result<Option<&[u8]>> {
        match self.0 {
            Cells::Sqlite(row) => {
                let value = row.get_ref(column)?;
                value
                    .as_blob_or_null()
                    .map_err(|error| Error::Corrupt(error.to_string()))
            }
            Cells::Postgres(row) => Ok(row
                .try_get::<_, Option<postgres::Octets<'_>>>(column)?
                .map(|octets| octets.0)),
        }
    }
}

/// What a copy needs.
impl Row<'_> {
    pub(crate) fn value(&self, column: usize, kind: Kind) -> Result<Value<'static>> {
        Ok(match kind {
            Kind::Int => self.opt_int(column)?.into(),
            Kind::Text => self.opt_text(column)?.into(),
            Kind::Blob => self
                .opt_octets(column)?
                .map_or(Value::Null, |octets| Value::Blob(octets.to_vec().into())),
            Kind::Id => self.opt_uuid(column)?.into(),
        })
    }
}

fn null(column: usize) -> Error {
    Error::Corrupt(format!("column {column} is empty"))
}
