//! The connection that writes: one transaction after the other, each alone in the whole database.

use std::time::{Duration, Instant};

use deadpool_postgres::ClientWrapper;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use super::config::PostgresConfig;
use super::months::Months;
use super::session::{Changing, MOST_IDLE};
use super::tls::Connector;
use super::{CONNECT, connect, schema};
use crate::db::session::{Run, Writing};
use crate::error::{Error, Result};

/// Statements see what was committed when they begin, and nobody else commits while the lock is held.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(1128812099, 2)";
/// A commit that is answered is on the disk. Whoever asks for more, as for that of a standby, keeps it.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local')";
/// After a failure to connect, for how long there is no other try.
const REST: Duration = Duration::from_millis(250);

/// The connection, its runtime, and how to make another one.
pub(super) struct Writer {
    runtime: Runtime,
    config: PostgresConfig,
    node: Uuid,
    client: Option<ClientWrapper>,
    failed: Option<(Instant, Error)>,
    months: Months,
}

impl Writer {
    /// Connects and makes or migrates the schema.
    pub(super) fn open(config: &PostgresConfig, node: Uuid) -> Result<Self> {
        let config = config.with_most_idle(MOST_IDLE);
        // Opened where other tasks may run, so the waiting is done by a thread of its own.
        let opening = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let mut writer = Self {
                runtime: runtime.map_err(|error| Error::Io(error.to_string()))?,
                config,
                node,
                client: None,
                failed: None,
                months: Months::default(),
            };
            let mut client = writer.connect()?;
            writer.runtime.block_on(schema::migrate(&mut client))?;
            writer.client = Some(client);
            Ok(writer)
        });
        opening.join().map_err(|_| Error::Panicked)?
    }

    fn connect(&mut self) -> Result<ClientWrapper> {
        if let Some((at, error)) = &self.failed
            && at.elapsed() < REST
        {
            return Err(error.clone());
        }
        let outcome = self.runtime.block_on(connect(&self.config));
        self.failed = outcome
            .as_ref()
            .err()
            .map(|error| (Instant::now(), error.clone()));
        outcome
    }

    /// A connection in a transaction that holds the lock.
    fn begin(&mut self) -> Result<ClientWrapper> {
        if let Some(client) = self.client.take() {
            match self.order(&client, BEGIN) {
                Ok(()) => return Ok(client),
                // It was closed since it was last used.
                Err(Error::Unreachable(_)) => {}
                Err(other) => return Err(other),
            }
        }
        let client = self.connect()?;
        self.order(&client, BEGIN)?;
        Ok(client)
    }

    fn order(&self, client: &ClientWrapper, sql: &str) -> Result<()> {
        self.runtime
            .block_on(connect::answered(client.batch_execute(sql)))
    }
}

impl Writing for Writer {
    fn transaction(&mut self, run: &mut Run<'_>) -> Result<Option<u64>> {
        let client = self.begin()?;
        let session = Changing::new(&self.runtime, &client, self.node, &self.months);
        let outcome = run(&session);
        let end = match &outcome {
            Ok(Some(_)) => "COMMIT",
            _ => "ROLLBACK",
        };
        let ended = self.order(&client, end);
        if !matches!(ended, Err(Error::Unreachable(_))) {
            self.client = Some(client);
        }
        match outcome {
            // What failed says more than that the rest could not be undone either.
            Err(error) => Err(error),
            Ok(kept) => ended.map(|()| kept),
        }
    }
}

async fn connect(config: &PostgresConfig) -> Result<ClientWrapper> {
    let connecting = async {
        let (client, connection) = config.server.connect(Connector(config.tls.clone())).await?;
        // How it ends shows at the statement that meets it.
        let driving = tokio::spawn(async move { drop(connection.await) });
        client.batch_execute(DURABLE).await?;
        Ok::<_, tokio_postgres::Error>(ClientWrapper::new(client, driving))
    };
    match tokio::time::timeout(CONNECT, connecting).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Error::Unreachable(format!(
            "no connection within {} s: check that it runs, and that store.url names it",
            CONNECT.as_secs()
        ))),
    }
}
