//! `chancery domain`: under which names certificates are given to couriers at all.

use anyhow::Result;
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::client::{Api, escape};
use super::{Place, table};
use crate::cli::say::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register a domain, with everything below it.
    #[command(after_help = "Example: chancery domain add example.com")]
    Add {
        /// The name.
        apex: String,
        /// It may be a public suffix, under which others have names as well.
        #[arg(long)]
        allow_public_suffix: bool,
    },
    /// List the domains.
    #[command(after_help = "Example: chancery domain list")]
    List,
    /// Give names under a domain again.
    #[command(after_help = "Example: chancery domain enable example.com")]
    Enable {
        /// The name.
        apex: String,
    },
    /// Give no names under a domain for now.
    #[command(after_help = "Example: chancery domain disable example.com")]
    Disable {
        /// The name.
        apex: String,
    },
    /// Remove a domain; what was issued under it stays.
    #[command(after_help = "Example: chancery domain remove example.com")]
    Remove {
        /// The name.
        apex: String,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    let one = |apex: &str| format!("/api/v1/domains/{}", escape(apex));
    let told = match command {
        Command::Add {
            apex,
            allow_public_suffix,
        } => {
            let body = json!({ "apex": apex, "allow_public_suffix": allow_public_suffix });
            api.post("/api/v1/domains", &body).await?
        }
        Command::List => {
            let items = api.all("/api/v1/domains").await?;
            let columns = [
                ("DOMAIN", "/apex"),
                ("ENABLED", "/enabled"),
                ("CHANGED", "/updated_at"),
            ];
            table::list(place.output, &items, &columns);
            return Ok(());
        }
        Command::Enable { apex } => {
            api.ask(Method::PUT, &one(&apex), Some(&json!({ "enabled": true })))
                .await?
        }
        Command::Disable { apex } => {
            api.ask(Method::PUT, &one(&apex), Some(&json!({ "enabled": false })))
                .await?
        }
        Command::Remove { apex } => {
            api.ask(Method::DELETE, &one(&apex), None).await?;
            say!("domain {apex} is removed");
            return Ok(());
        }
    };
    table::one(
        place.output,
        &told,
        &[("Domain", "/apex"), ("Enabled", "/enabled")],
    );
    Ok(())
}
