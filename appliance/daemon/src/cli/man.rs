//! `chancery man`: a manual page for every subcommand.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

/// Where to.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: chancery man /usr/local/share/man/man1")]
pub(crate) struct Args {
    /// The folder; it must exist.
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    clap_mangen::generate_to(super::Cli::command(), &args.folder)
        .with_context(|| format!("writing manual pages into {}", args.folder.display()))
}
