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

/// The threads that answer relying parties live as long as those that do the rest: what a question set going may end after it.
pub(crate) fn run(config: &Path, args: &Args) -> Result<()> {
    let (answering, work) = (super::runtime("public")?, super::runtime("work")?);
    let public = answering.handle().clone();
    work.block_on(crate::run::serve(config, args.with_parent, public))
}
