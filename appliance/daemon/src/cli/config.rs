//! `chancery config`: check a file, print the reference.

use anyhow::Result;
use clap::Subcommand;

use super::Place;
use crate::cli::say::{say, say_part};
use crate::config::{Config, Reference};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the configuration file and the files it names; all problems are told at once.
    #[command(after_help = "Example: chancery --config /etc/chancery/chancery.toml config check")]
    Check,
    /// Print the reference of all keys with their defaults, as Markdown.
    #[command(after_help = "Example: chancery config reference > configuration.md")]
    Reference,
}

pub(crate) fn run(place: &Place, command: &Command) -> Result<()> {
    match command {
        Command::Check => {
            let config = Config::load(&place.config)?;
            if config.signer.mode != crate::config::SignerMode::Connect {
                token::Config::load(&config.path(&config.signer.config))?;
            }
            config.read_blocklists()?;
            say!("{}: no problem found", place.config.display());
        }
        Command::Reference => say_part!("{Reference}"),
    }
    Ok(())
}
