//! How values and columns travel to and from PostgreSQL, in its binary form.
//!
//! An identifier is a `uuid` there, every number a `bigint`; what the database derives by itself (a count, a constant) may be
//! narrower.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::Value;

type Outcome<T> = Result<T, Box<dyn Error + Sync + Send>>;

/// An integer of any width.
pub(super) struct Int(pub(super) i64);

impl<'a> FromSql<'a> for Int {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Outcome<Self> {
        Ok(Self(match *ty {
            Type::INT2 => i16::from_sql(ty, raw)?.into(),
            Type::INT4 => i32::from_sql(ty, raw)?.into(),
            _ => i64::from_sql(ty, raw)?,
        }))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8)
    }
}

/// Octets, or those of an identifier.
pub(super) struct Octets<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Octets<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        Ok(Self(raw))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::BYTEA | Type::UUID)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => match *ty {
                Type::INT2 => i16::try_from(*value)?.to_sql(ty, out),
                Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
                Type::INT8 => value.to_sql(ty, out),
                _ => value.to_string().to_sql(ty, out),
            },
            Self::Text(value) => value.as_ref().to_sql(ty, out),
            Self::Blob(value) => value.as_ref().to_sql(ty, out),
            Self::Id(value) => value.as_bytes().as_slice().to_sql(ty, out),
        }
    }

    /// What does not fit the column is refused by the database.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
