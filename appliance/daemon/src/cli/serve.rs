//! `chancery serve`.

use std::path::Path;

use anyhow::Result;

/// How to run.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Signals: SIGTERM and SIGINT let open requests finish and end the server; SIGHUP reads the configuration \
    again.\n\nExample: chancery --config /etc/chancery/chancery.toml serve"
)]
pub(crate) struct Args {
    /// End when standard input is closed, for a parent that holds its other end.
    #[arg(long)]
    with_parent: bool,
}

pub(crate) async fn run(config: &Path, args: &Args) -> Result<()> {
    crate::run::serve(config, args.with_parent).await
}
