//! The servers that share a store, and which program each of them runs: what an upgrade has to know.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;

/// The first schema in which servers say that they are there.
pub(crate) const SINCE: i64 = 4;
/// What the names of their leases begin with.
const LEASES: &str = "node:";

/// A server that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerSeen {
    /// Which.
    pub node: Uuid,
    /// The version of its program; absent for one that does not tell.
    pub program: Option<String>,
    /// The version of the schema that it knows, likewise.
    pub schema: Option<i64>,
}

fn key(node: Uuid) -> String {
    format!("program:{node}")
}

/// Says which program a server runs.
pub fn tell(tx: &Tx<'_>, node: Uuid, program: &str, schema: i64) -> Result<()> {
    crate::settings::put(tx, &key(node), &format!("{program} {schema}"))
}

/// Those that are there.
pub fn alive(reader: &Reader<'_>) -> Result<Vec<ServerSeen>> {
    let now = reader.database_time()?;
    let sql = "SELECT node FROM leases WHERE instr(name, ?1) = 1 AND until > ?2 ORDER BY name";
    let nodes = reader.all(sql, &[LEASES.into(), now.into()], |row| row.uuid(0))?;
    let seen = |node: Uuid| {
        let told = crate::settings::find(reader, &key(node))?;
        let (program, schema) = told.as_deref().and_then(|told| told.split_once(' ')).unzip();
        Ok(ServerSeen {
            node,
            program: program.map(str::to_owned),
            schema: schema.and_then(|schema| schema.parse().ok()),
        })
    };
    nodes.into_iter().map(seen).collect()
}
