//! `chancery config`: check a file, print the reference.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::{Output, Place, table};
use crate::cli::say::{say, say_part};
use crate::compose;
use crate::config::{Config, ConfigError, Reference, SignerMode};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the configuration file and the files it names; all problems are told at once.
    #[command(after_help = "Example: chancery --config /etc/chancery/chancery.toml config check")]
    Check,
    /// Print the reference of all keys with their defaults, as Markdown or JSON.
    #[command(after_help = "Example: chancery config reference > configuration.md")]
    Reference,
}

pub(crate) fn run(place: &Place, command: &Command) -> Result<()> {
    match command {
        Command::Check => {
            let outcome = check(place);
            if place.output == Output::Json {
                let problems = outcome.as_ref().err().map(problems).unwrap_or_default();
                table::json(&json!({ "file": place.config, "problems": problems }));
            } else if outcome.is_ok() {
                say!("{}: no problem found", place.config.display());
            }
            outcome
        }
        Command::Reference => {
            match place.output {
                Output::Table => say_part!("{Reference}"),
                Output::Json => table::json(&Reference::keys()),
            }
            Ok(())
        }
    }
}

fn check(place: &Place) -> Result<()> {
    let config = Config::load(&place.config)?;
    if config.signer.mode != SignerMode::Connect {
        let signing = token::Config::load(&config.path(&config.signer.config))?;
        let problems = signing.check_files();
        if !problems.is_empty() {
            return Err(token::ConfigError::Problems(problems).into());
        }
    }
    config.read_blocklists()?;
    compose::audit_exports(&config)?;
    compose::audit_witnesses(&config)?;
    compose::check_witness(&config)?;
    Ok(())
}

/// What is wrong, one text for each thing.
fn problems(error: &anyhow::Error) -> Vec<String> {
    if let Some(ConfigError::Problems { problems, .. }) = error.downcast_ref() {
        return problems.clone();
    }
    match error.downcast_ref() {
        Some(token::ConfigError::Problems(problems)) => problems.clone(),
        _ => vec![format!("{error:#}")],
    }
}
