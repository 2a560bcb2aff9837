//! `chancery profile`: list, show, put, delete.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use pki::profile::Profile;
use reqwest::Method;
use serde_json::Value;

use super::client::Api;
use super::{Output, Place, table};
use crate::cli::say::{say, say_part};

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example: chancery profile show tls-server > my.toml; edit it; chancery profile put my.toml"
)]
pub(crate) enum Command {
    /// List the profiles.
    #[command(after_help = "Example: chancery profile list")]
    List,
    /// Show one, as TOML.
    #[command(after_help = "Example: chancery profile show tls-server > mine.toml")]
    Show {
        /// Its name.
        name: String,
    },
    /// Add one or change it.
    #[command(after_help = "Example: chancery profile put mine.toml")]
    Put {
        /// TOML, as `show` prints it.
        file: PathBuf,
    },
    /// Remove one; what was issued under it stays.
    #[command(after_help = "Example: chancery profile delete mine")]
    Delete {
        /// Its name.
        name: String,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    match command {
        Command::List => {
            let list = api.get("/api/v1/profiles").await?;
            let columns = [
                ("NAME", "/profile/name"),
                ("VERSION", "/version"),
                ("DEFAULT", "/profile/default_validity"),
                ("LONGEST", "/profile/max_ttl"),
                ("DESCRIPTION", "/profile/description"),
            ];
            table::list(
                place.output,
                list.pointer("/items").unwrap_or(&Value::Null),
                &columns,
            );
        }
        Command::Show { name } => {
            let entry = api.get(&format!("/api/v1/profiles/{name}")).await?;
            if place.output == Output::Json {
                table::json(&entry);
            } else {
                let profile: Profile =
                    serde_json::from_value(entry.pointer("/profile").cloned().unwrap_or_default())?;
                say_part!("{}", toml::to_string(&profile)?);
            }
        }
        Command::Put { file } => {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let profile: Profile = toml::from_str(&text).with_context(|| file.display().to_string())?;
            let body = serde_json::to_value(&profile)?;
            let entry = api
                .ask(
                    Method::PUT,
                    &format!("/api/v1/profiles/{}", profile.name),
                    Some(&body),
                )
                .await?;
            table::one(
                place.output,
                &entry,
                &[("Name", "/profile/name"), ("Version", "/version")],
            );
        }
        Command::Delete { name } => {
            api.ask(Method::DELETE, &format!("/api/v1/profiles/{name}"), None)
                .await?;
            say!("profile `{name}` is removed");
        }
    }
    Ok(())
}
