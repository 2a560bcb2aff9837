//! That no two servers go by one name: a lock of the database, held by a connection of its own for as long as the server runs.
//!
//! Leases, intents and changes know a server by its identity. A copy of a state folder would let two of them settle, skip and take
//! over each other's work, so the second one is refused. The database lets go of the lock with the connection: at once when the
//! process ends, after [`KEEPALIVE`] when the machine is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use uuid::Uuid;

use super::config::PostgresConfig;
use super::connect::answered;
use super::tls::Connector;
use crate::error::{Error, Result};

/// How often it tries.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a server that starts waits for the lock: that of one that was killed is free in a moment.
const AT_START: Duration = Duration::from_secs(3);
/// How long a server that lost its connection tries before it takes another for the holder: longer than the database holds
/// the lock of a connection that is gone.
const AT_WORK: Duration = Duration::from_mins(1);
/// How the database finds out that a machine is gone: in fifteen seconds, instead of hours.
const KEEPALIVE: &str = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2 -c idle_session_timeout=0";

/// The lock.
#[derive(Debug)]
pub(super) struct Identity {
    is_taken: Arc<AtomicBool>,
}

/// A connection that has the lock, and what drives it.
struct Holder {
    _client: Client,
    driving: JoinHandle<()>,
}

impl Identity {
    /// Takes it; [`Error::NodeInUse`] when another server has it.
    pub(super) fn take(config: &PostgresConfig, node: Uuid, handle: &Handle) -> Result<Self> {
        let config = config.with_options(KEEPALIVE);
        let is_taken = Arc::<AtomicBool>::default();
        let taking = {
            let config = config.clone();
            handle.spawn(async move { take_within(&config, node, AT_START).await })
        };
        // Opened where other tasks may run, so the waiting is done by a thread of its own.
        let waiting = std::thread::scope(|scope| scope.spawn(|| handle.block_on(taking)).join());
        let taken = waiting.map_err(|_| Error::Panicked)?;
        let holder = taken.map_err(|_| Error::Panicked)??;
        handle.spawn(keep(config, node, holder, Arc::clone(&is_taken)));
        Ok(Self { is_taken })
    }

    /// Whether another server has it by now.
    pub(super) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Relaxed)
    }
}

/// Takes the lock anew whenever the connection is gone.
async fn keep(config: PostgresConfig, node: Uuid, mut holder: Holder, is_taken: Arc<AtomicBool>) {
    loop {
        // It ends with the connection.
        let _ = holder.driving.await;
        holder = loop {
            match take_within(&config, node, AT_WORK).await {
                Ok(again) => break again,
                Err(Error::NodeInUse { .. }) => is_taken.store(true, Ordering::Relaxed),
                // That the database is away shows wherever it is asked for something.
                Err(_) => sleep(PAUSE).await,
            }
        };
    }
}

async fn take_within(config: &PostgresConfig, node: Uuid, patience: Duration) -> Result<Holder> {
    let until = Instant::now() + patience;
    loop {
        match take_once(config, node).await? {
            Some(holder) => return Ok(holder),
            None if Instant::now() >= until => return Err(Error::NodeInUse { node }),
            None => sleep(PAUSE).await,
        }
    }
}

async fn take_once(config: &PostgresConfig, node: Uuid) -> Result<Option<Holder>> {
    let connecting = config.server.connect(Connector(config.tls.clone()));
    let (client, connection) = answered(connecting).await?;
    let driving = tokio::spawn(async move { drop(connection.await) });
    let (high, low) = node.as_u64_pair();
    let key = i64::from_be_bytes((high ^ low).to_be_bytes());
    let row = answered(client.query_one("SELECT pg_try_advisory_lock($1)", &[&key])).await?;
    Ok(row.get::<_, bool>(0).then_some(Holder {
        _client: client,
        driving,
    }))
}
