//! The values that go into and come out of SQL, whatever database is underneath.

use std::borrow::Cow;

use uuid::Uuid;

use crate::error::{Error, Result};

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
pub struct Row<'a>(pub(crate) &'a rusqlite::Row<'a>);

impl Row<'_> {
    /// An integer.
    pub fn int(&self, column: usize) -> Result<i64> {
        Ok(self.0.get(column)?)
    }

    /// An integer or NULL.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        Ok(self.0.get(column)?)
    }

    /// A truth value kept as an integer.
    pub fn bool(&self, column: usize) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }

    /// Text.
    pub fn text(&self, column: usize) -> Result<String> {
        Ok(self.0.get(column)?)
    }

    /// Text or NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<String>> {
        Ok(self.0.get(column)?)
    }

    /// Octets.
    pub fn blob(&self, column: usize) -> Result<Vec<u8>> {
        Ok(self.0.get(column)?)
    }

    /// Octets, where they lie.
    pub fn octets(&self, column: usize) -> Result<&[u8]> {
        let value = self.0.get_ref(column)?;
        value.as_blob().map_err(|error| Error::Corrupt(error.to_string()))
    }

    /// Octets or NULL.
    pub fn opt_blob(&self, column: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(column)?)
    }

    /// An identifier.
    pub fn uuid(&self, column: usize) -> Result<Uuid> {
        Uuid::from_slice(self.octets(column)?).map_err(|error| Error::Corrupt(error.to_string()))
    }

    /// An identifier or NULL.
    pub fn opt_uuid(&self, column: usize) -> Result<Option<Uuid>> {
        let octets = self.opt_blob(column)?;
        octets
            .map(|octets| Uuid::from_slice(&octets).map_err(|error| Error::Corrupt(error.to_string())))
            .transpose()
    }
}
