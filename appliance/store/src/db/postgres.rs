//! PostgreSQL: several servers share one database, and any of them writes.
//!
//! Whoever writes takes one lock for the length of its transaction, so that changes come one after the other over all servers,
//! as they do in SQLite: what a change has read stays true until it is committed, numbers rise without gaps, and who has lost a
//! lease finds out before it does harm. What makes that fast is that one transaction carries the changes of many, and
//! that statements whose outcome nobody looks at travel together.
//!
//! A server that stops within a transaction loses it after [`session::MOST_IDLE`], and the lock with it.

mod config;
mod connect;
mod identity;
mod listen;
mod months;
mod pending;
mod refusal;
mod rows;
mod schema;
mod session;
mod tls;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio_postgres::IsolationLevel;
use uuid::Uuid;

use super::Reading;
use super::session::{Session, Writing};
use crate::db::rule::PendingMigration;
use crate::db::transaction::Reader;
use crate::error::{Error, Result};
use crate::servers::{self, ServerSeen};

use identity::Identity;

pub use config::{Credentials, PostgresConfig};

/// How long a connection may take, and a free one of those that read.
const CONNECT: Duration = Duration::from_secs(3);

/// The connections that read, and what drives them.
#[derive(Debug)]
pub(crate) struct Postgres {
    config: PostgresConfig,
    pool: Pool,
    /// The one of whoever follows other servers.
    following: Pool,
    /// That no other server goes by the name of this one; nothing when the database is only read.
    identity: Option<Identity>,
    driver: Driver,
}

/// The thread that the connections' tasks run on. It is left behind when the store goes, because that may happen where nobody
/// may wait.
#[derive(Debug)]
struct Driver(Option<Runtime>);

impl Driver {
    fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-readers")
            .enable_all()
            .build();
        Ok(Self(Some(runtime.map_err(|error| Error::Io(error.to_string()))?)))
    }

    fn handle(&self) -> Result<Handle> {
        self.0
            .as_ref()
            .map(|runtime| runtime.handle().clone())
            .ok_or(Error::Closed)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Postgres {
    /// Makes or migrates the schema: what reads, and what writes.
    pub(crate) fn open(
        config: &PostgresConfig,
        readers: usize,
        node: Uuid,
    ) -> Result<(Self, Box<dyn Writing>)> {
        let mut opened = Self::new(config, readers)?;
        // Before the schema is touched.
        opened.identity = Some(Identity::take(config, node, &opened.driver.handle()?)?);
        let writer = writer::Writer::open(config, node)?;
        Ok((opened, Box::new(writer)))
    }

    /// For a database that is only read, and has the schema already.
    pub(crate) fn open_read_only(config: &PostgresConfig) -> Result<Self> {
        let opened = Self::new(config, 1)?;
        opened.read_elsewhere(schema::require_current)?;
        Ok(opened)
    }

    /// The version of the schema in a database, and that of this program.
    pub(crate) fn schema_versions(config: &PostgresConfig) -> Result<(i64, i64)> {
        Self::new(config, 1)?.read_elsewhere(schema::versions)
    }

    /// The migrations after a version.
    pub(crate) fn pending_migrations(found: i64) -> Vec<PendingMigration> {
        schema::pending(found)
    }

    /// The version that this program knows.
    pub(crate) fn known_schema() -> i64 {
        schema::known_version()
    }

    /// The servers that are there, whatever the schema.
    pub(crate) fn servers(config: &PostgresConfig) -> Result<Vec<ServerSeen>> {
        Self::new(config, 1)?.read_elsewhere(|session| {
            let has_leases = schema::versions(session)?.0 >= servers::SINCE;
            if has_leases {
                servers::alive(&Reader::new(session))
            } else {
                Ok(Vec::new())
            }
        })
    }

    fn new(config: &PostgresConfig, readers: usize) -> Result<Self> {
        let driver = Driver::start()?;
        let pool = |connections: usize| {
            let manager = connect::manager(&config.with_most_idle(session::MOST_IDLE_READING));
            let pool = Pool::builder(manager).max_size(connections).build();
            pool.map_err(|error| Error::Internal(error.to_string()))
        };
        Ok(Self {
            config: config.clone(),
            pool: pool(readers.max(1))?,
            following: pool(1)?,
            identity: None,
            driver,
        })
    }

    /// Whether another server has the name of this one.
    pub(crate) fn is_node_taken(&self) -> bool {
        self.identity.as_ref().is_some_and(Identity::is_taken)
    }

    /// Wakes `wake` when another server, or this one, has left a change.
    pub(crate) fn listen(&self, wake: Arc<Notify>) -> Result<()> {
        let listening = listen::listen(self.config.clone(), wake);
        self.driver.handle()?.spawn(listening);
        Ok(())
    }

    /// Reads on a thread of its own, for callers whose thread may not wait.
    fn read_elsewhere<T: Send>(&self, job: impl FnOnce(&dyn Session) -> Result<T> + Send) -> Result<T> {
        let outcome = std::thread::scope(|scope| scope.spawn(|| self.read(Reading::Usual, job)).join());
        outcome.map_err(|_| Error::Panicked)?
    }

    /// Runs a job on one snapshot.
    pub(crate) fn read<T>(&self, how: Reading, job: impl FnOnce(&dyn Session) -> Result<T>) -> Result<T> {
        let handle = self.driver.handle()?;
        let pool = match how {
            Reading::Following => &self.following,
            Reading::Usual | Reading::Long => &self.pool,
        };
        let patience = (how != Reading::Long).then_some(self.config.patience);
        // Connections that died since they were last used show no sooner than now, and there may be as many as the pool has.
        for _ in 0..=pool.status().max_size {
            let mut client = handle.block_on(connect::within(CONNECT, pool.get()))?;
            let begin = client
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true)
                .start();
            let failed = match handle.block_on(connect::answered(begin)) {
                Ok(transaction) => {
                    let session = session::Snapshot::new(&handle, transaction, patience);
                    let outcome = job(&session);
                    let ended = session.end();
                    return outcome.and_then(|outcome| ended.map(|()| outcome));
                }
                Err(error) => error,
            };
            drop(deadpool_postgres::Object::take(client));
            if !matches!(failed, Error::Unreachable(_)) {
                return Err(failed);
            }
        }
        Err(Error::Unreachable("every connection was closed".to_owned()))
    }
}
