//! `chancery courier credential`: ways in, other than client secrets.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use ca::courier::Binding;
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::super::client::{Api, escape, fields};
use super::super::{Place, read, table};
use super::path;
use crate::cli::say::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give a courier a way in: what it is bound to, as TOML. `method` is spiffe, azure_jwt, azure_arc, aws_oidc, oidc_jwt or certificate;
    /// the rest is what that method pins.
    #[command(
        after_help = "Example: printf 'method = \"oidc_jwt\"\\nissuer = \"https://idp.example\"\\nsubject = \"web01\"\\n' > way.toml; \
                            chancery courier credential add web01 way.toml"
    )]
    Add {
        /// The courier.
        name: String,
        /// TOML.
        file: PathBuf,
        /// When it ends; never when left out.
        #[arg(long)]
        expires_at: Option<String>,
        /// Of the method certificate: also let in certificates that came of orders of this very courier (`renewals = true`).
        #[arg(long)]
        renewals: bool,
    },
    /// List the ways in of a courier.
    #[command(after_help = "Example: chancery courier credential list web01")]
    List {
        /// The courier.
        name: String,
    },
    /// Take a way in away; sessions that were opened with it end.
    #[command(
        after_help = "Example: chancery courier credential remove web01 0190c0de-0000-7000-8000-000000000000"
    )]
    Remove {
        /// The courier.
        name: String,
        /// The identifier, as `list` prints it.
        id: String,
    },
}

pub(super) async fn run(place: &Place, api: &Api, command: Command) -> Result<()> {
    match command {
        Command::Add {
            name,
            file,
            expires_at,
            renewals,
        } => {
            let mut binding: Binding =
                toml::from_str(&read(&file)?).with_context(|| file.display().to_string())?;
            if renewals {
                let Binding::Certificate(certificate) = &mut binding else {
                    bail!(
                        "--renewals is for the method certificate, not for {}",
                        binding.method()
                    );
                };
                certificate.renewals = true;
            }
            let body = fields(&[
                ("binding", Some(serde_json::to_value(&binding)?)),
                ("expires_at", expires_at.map(Into::into)),
            ]);
            let added = api.post(&format!("{}/credentials", path(&name)), &body).await?;
            let rows = [
                ("Credential", "/id"),
                ("Method", "/method"),
                ("Ends", "/expires_at"),
            ];
            table::one(place.output, &added, &rows);
        }
        Command::List { name } => {
            let told = api.get(&format!("{}/credentials", path(&name))).await?;
            let columns = [
                ("ID", "/id"),
                ("METHOD", "/method"),
                ("CLIENT ID", "/client_id"),
                ("ENDS", "/expires_at"),
                ("LAST USED", "/last_used_at"),
            ];
            table::list(
                place.output,
                told.pointer("/items").unwrap_or(&Value::Null),
                &columns,
            );
        }
        Command::Remove { name, id } => {
            let address = format!("{}/credentials/{}", path(&name), escape(&id));
            api.ask(Method::DELETE, &address, None).await?;
            say!("credential {id} is removed");
        }
    }
    Ok(())
}
