//! Many rows at once, by COPY in its binary form.

use std::pin::pin;

use tokio_postgres::Client;
use tokio_postgres::Error;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use crate::tables::{Kind, Table, Values};

/// Inserts rows of a table.
pub(super) async fn copy_in(client: &Client, table: &Table, rows: &[Values]) -> Result<(), Error> {
    let sql = format!("COPY {} ({}) FROM STDIN BINARY", table.name, table.column_list());
    let types: Vec<Type> = table.columns.iter().map(|(_, kind)| type_of(*kind)).collect();
    let sink = client.copy_in(&sql).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for row in rows {
        writer.as_mut().write_raw(row).await?;
    }
    writer.finish().await.map(drop)
}

fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Int => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Blob => Type::BYTEA,
        Kind::Id => Type::UUID,
    }
}
