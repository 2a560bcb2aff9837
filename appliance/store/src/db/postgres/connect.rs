//! Connections, and how long anything may take.

use std::future::Future;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, PoolError, RecyclingMethod};
use tokio::time::timeout;

use super::config::PostgresConfig;
use super::tls::Connector;
use crate::error::{Error, Result};

/// How long an answer may take. What reads much does so in parts.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// What makes the connections of a pool. Whether one still lives is not asked beforehand: that shows when it is used.
pub(super) fn manager(config: &PostgresConfig) -> Manager {
    let how = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Manager::from_config(config.server.clone(), Connector(config.tls.clone()), how)
}

/// A connection from the pool.
pub(super) async fn within<T>(
    patience: Duration,
    connection: impl Future<Output = std::result::Result<T, PoolError>>,
) -> Result<T> {
    match timeout(patience, connection).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(PoolError::Backend(error))) => Err(error.into()),
        Ok(Err(other)) => Err(Error::Unreachable(other.to_string())),
        Err(_) => Err(silent(patience)),
    }
}

/// An answer, or that there was none.
pub(super) async fn answered<T>(
    answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
) -> Result<T> {
    answered_within(Some(ANSWER), answer).await
}

/// The same with a limit of its own, or with none: then a connection that is gone ends it.
pub(super) async fn answered_within<T>(
    patience: Option<Duration>,
    answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
) -> Result<T> {
    let Some(patience) = patience else {
        return Ok(answer.await?);
    };
    match timeout(patience, answer).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(silent(patience)),
    }
}

fn silent(patience: Duration) -> Error {
    Error::Unreachable(format!(
        "no answer within {} s: check that it runs and is not overloaded",
        patience.as_secs()
    ))
}
