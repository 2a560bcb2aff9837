//! `chancery policy`: what orders of couriers are held against.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use pki::policy::Policy;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Api;
use super::{Output, Place, read, table};
use crate::cli::say::{say, say_part};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the policies.
    #[command(after_help = "Example: chancery policy list")]
    List,
    /// Show one, as TOML.
    #[command(after_help = "Example: chancery policy show 1 > baseline.toml")]
    Show {
        /// Its number.
        id: i64,
    },
    /// Add one, or put it in the place of another. It counts from the next order on.
    #[command(after_help = "Example: chancery policy put baseline.toml --id 1")]
    Put {
        /// TOML, as `show` prints it.
        file: PathBuf,
        /// The number of the one whose place it takes; a new one when left out.
        #[arg(long)]
        id: Option<i64>,
    },
    /// Hold orders against it again.
    #[command(after_help = "Example: chancery policy enable 1")]
    Enable {
        /// Its number.
        id: i64,
    },
    /// Hold no orders against it for now.
    #[command(after_help = "Example: chancery policy disable 1")]
    Disable {
        /// Its number.
        id: i64,
    },
    /// Remove one.
    #[command(after_help = "Example: chancery policy delete 1")]
    Delete {
        /// Its number.
        id: i64,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    let told = match command {
        Command::List => {
            let told = api.get("/api/v1/policies").await?;
            let columns = [
                ("NUMBER", "/id"),
                ("NAME", "/policy/name"),
                ("ENABLED", "/policy/is_enabled"),
                ("ACTION", "/policy/matching_criteria/action"),
                ("DOMAINS", "/policy/matching_criteria/domains"),
            ];
            table::list(
                place.output,
                told.pointer("/items").unwrap_or(&Value::Null),
                &columns,
            );
            return Ok(());
        }
        Command::Show { id } => {
            let told = api.get(&format!("/api/v1/policies/{id}")).await?;
            if place.output == Output::Json {
                table::json(&told);
                return Ok(());
            }
            let policy: Policy =
                serde_json::from_value(told.pointer("/policy").cloned().unwrap_or_default())?;
            say_part!("{}", toml::to_string(&policy)?);
            return Ok(());
        }
        Command::Put { file, id } => {
            let policy: Policy = toml::from_str(&read(&file)?).with_context(|| file.display().to_string())?;
            let body = serde_json::to_value(&policy)?;
            match id {
                Some(id) => {
                    api.ask(Method::PUT, &format!("/api/v1/policies/{id}"), Some(&body))
                        .await?
                }
                None => api.post("/api/v1/policies", &body).await?,
            }
        }
        Command::Enable { id } => {
            api.post(&format!("/api/v1/policies/{id}/enable"), &json!({}))
                .await?
        }
        Command::Disable { id } => {
            api.post(&format!("/api/v1/policies/{id}/disable"), &json!({}))
                .await?
        }
        Command::Delete { id } => {
            api.ask(Method::DELETE, &format!("/api/v1/policies/{id}"), None)
                .await?;
            say!("policy {id} is removed");
            return Ok(());
        }
    };
    let rows = [
        ("Policy", "/id"),
        ("Name", "/policy/name"),
        ("Enabled", "/policy/is_enabled"),
        ("Revision", "/revision"),
    ];
    table::one(place.output, &told, &rows);
    Ok(())
}
