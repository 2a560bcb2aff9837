//! `chancery courier`: records, credentials, methods and orders of couriers.

mod credential;
mod order;
mod record;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Api, escape, fields};
use super::{Output, Place, table};
use crate::cli::say::say;

pub(crate) use record::Rights;

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example: chancery domain add example.com; chancery courier create web01 --allow web01.example.com --profile tls-server; \
                  chancery courier secret web01"
)]
pub(crate) enum Command {
    /// Make a courier. What is not given is denied.
    #[command(
        after_help = "Example: chancery courier create web01 --allow '*.example.com' --profile tls-server --may-revoke"
    )]
    Create {
        /// Its name: letters, digits, dots, hyphens and underscores.
        name: String,
        #[command(flatten)]
        rights: Rights,
        /// When it ends, for example 2027-01-01T00:00:00Z; never when left out.
        #[arg(long)]
        expires_at: Option<String>,
    },
    /// List the couriers.
    #[command(after_help = "Example: chancery courier list")]
    List,
    /// Show one: its record as TOML, as `change` takes it.
    #[command(after_help = "Example: chancery courier show web01 > web01.toml")]
    Show {
        /// Its name or identifier.
        name: String,
    },
    /// Change what a courier may have: the whole record, as `show` prints it. It counts from the next request on.
    #[command(
        after_help = "Example: chancery courier show web01 > web01.toml; edit it; chancery courier change web01 web01.toml"
    )]
    Change {
        /// Its name or identifier.
        name: String,
        /// TOML.
        file: PathBuf,
        /// When it ends; never when left out.
        #[arg(long)]
        expires_at: Option<String>,
    },
    /// Let a courier in again.
    #[command(after_help = "Example: chancery courier enable web01")]
    Enable {
        /// Its name or identifier.
        name: String,
    },
    /// Let a courier in no more; its sessions end at once.
    #[command(after_help = "Example: chancery courier disable web01")]
    Disable {
        /// Its name or identifier.
        name: String,
    },
    /// Remove a courier with its credentials; what was issued to it stays.
    #[command(after_help = "Example: chancery courier delete web01")]
    Delete {
        /// Its name or identifier.
        name: String,
    },
    /// Make a client secret; it is printed once. Two may be good at the same time.
    #[command(after_help = "Example: chancery courier secret web01 --replaces")]
    Secret {
        /// Its name or identifier.
        name: String,
        /// When the secret ends; never when left out, after a day with --bootstrap.
        #[arg(long)]
        expires_at: Option<String>,
        /// End the secrets before it, and their sessions, at once.
        #[arg(long)]
        replaces: bool,
        /// It ends once the courier has a certificate in use with which it signs in from then on, and after a day.
        #[arg(long)]
        bootstrap: bool,
    },
    /// Ways in: tokens, certificates, identities.
    #[command(subcommand)]
    Credential(credential::Command),
    /// Orders of couriers.
    #[command(subcommand)]
    Order(order::Command),
    /// List the methods that keep a credential on the host, and whether they are let in.
    #[command(after_help = "Example: chancery courier methods")]
    Methods,
    /// Switch such a method on or off for everybody; sessions of a method that is switched off end at once.
    #[command(after_help = "Example: chancery courier method client_secret off")]
    Method {
        /// certificate or client_secret.
        #[arg(value_parser = ["certificate", "client_secret"])]
        method: String,
        /// on or off.
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    match command {
        Command::Create {
            name,
            rights,
            expires_at,
        } => {
            let body = fields(&[
                ("name", Some(name.into())),
                ("record", Some(serde_json::to_value(rights.record()?)?)),
                ("expires_at", expires_at.map(Into::into)),
            ]);
            tell(place, &api.post("/api/v1/couriers", &body).await?);
        }
        Command::List => {
            let items = api.all("/api/v1/couriers").await?;
            let columns = [
                ("ID", "/id"),
                ("NAME", "/name"),
                ("STATUS", "/status"),
                ("NAMES", "/record/allowed_names"),
                ("PROFILES", "/record/profiles"),
                ("ENDS", "/expires_at"),
            ];
            table::list(place.output, &items, &columns);
        }
        Command::Show { name } => {
            let courier = api.get(&path(&name)).await?;
            record::show(place.output, &courier)?;
        }
        Command::Change {
            name,
            file,
            expires_at,
        } => {
            let revision = api.get(&path(&name)).await?.pointer("/revision").cloned();
            let body = fields(&[
                ("record", Some(serde_json::to_value(record::read(&file)?)?)),
                ("expires_at", expires_at.map(Into::into)),
                ("revision", revision),
            ]);
            tell(place, &api.ask(Method::PUT, &path(&name), Some(&body)).await?);
        }
        Command::Enable { name } => tell(
            place,
            &api.post(&format!("{}/enable", path(&name)), &json!({})).await?,
        ),
        Command::Disable { name } => tell(
            place,
            &api.post(&format!("{}/disable", path(&name)), &json!({})).await?,
        ),
        Command::Delete { name } => {
            api.ask(Method::DELETE, &path(&name), None).await?;
            say!("courier `{name}` is removed");
        }
        Command::Secret {
            name,
            expires_at,
            replaces,
            bootstrap,
        } => {
            let body = fields(&[
                ("expires_at", expires_at.map(Into::into)),
                ("replaces", Some(replaces.into())),
                ("bootstrap", bootstrap.then(|| true.into())),
            ]);
            secret(place, &api, &name, &body).await?;
        }
        Command::Credential(command) => credential::run(place, &api, command).await?,
        Command::Order(command) => order::run(place, &api, command).await?,
        Command::Methods => methods(place, &api.get("/api/v1/courier-methods").await?),
        Command::Method { method, state } => {
            let body = json!({ "enabled": state == "on" });
            let address = format!("/api/v1/courier-methods/{method}");
            methods(place, &api.ask(Method::PUT, &address, Some(&body)).await?);
        }
    }
    Ok(())
}

async fn secret(place: &Place, api: &Api, name: &str, body: &Value) -> Result<()> {
    let made = api.post(&format!("{}/client-secrets", path(name)), body).await?;
    let rows = [
        ("Client id", "/client_id"),
        ("Client secret", "/client_secret"),
        ("Ends", "/expires_at"),
    ];
    table::one(place.output, &made, &rows);
    Ok(())
}

/// Where a courier is.
fn path(name: &str) -> String {
    format!("/api/v1/couriers/{}", escape(name))
}

fn tell(place: &Place, courier: &Value) {
    let rows = [
        ("Courier", "/name"),
        ("UUID", "/id"),
        ("Status", "/status"),
        ("Names", "/record/allowed_names"),
        ("Profiles", "/record/profiles"),
        ("Revision", "/revision"),
        ("Ends", "/expires_at"),
    ];
    table::one(place.output, courier, &rows);
}

fn methods(place: &Place, told: &Value) {
    let columns = [
        ("METHOD", "/method"),
        ("LET IN", "/enabled"),
        ("USED BY", "/used_by"),
    ];
    table::list(
        place.output,
        told.pointer("/items").unwrap_or(&Value::Null),
        &columns,
    );
}
