//! The log: lines on standard error, for people or for machines. Its level can change while the server runs.

use anyhow::Result;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// Changes the level of the log.
#[derive(Debug)]
pub(crate) struct Level(reload::Handle<Targets, Registry>);

/// Starts the log of this process. Called once.
pub(crate) fn start(log: &Log) -> Result<Level> {
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Text => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json()).init(),
    }
    Ok(Level(handle))
}

impl Level {
    /// Takes another level.
    pub(crate) fn set(&self, level: &str) -> Result<()> {
        Ok(self.0.reload(filter(level)?)?)
    }
}

/// Levels for modules. The migration library tells at every start that there is nothing to do, and PostgreSQL that its table is there
/// already; who wants to hear it names it in the level.
fn filter(level: &str) -> Result<Targets, ParseError> {
    format!("refinery_core=warn,tokio_postgres=warn,{level}").parse()
}
