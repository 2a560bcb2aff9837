//! `chancery bridge`: the instances through which couriers come from other network segments.

use anyhow::Result;
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::client::{Api, escape, fields};
use super::{Output, Place, table};
use crate::cli::say::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token for one registration; it is printed once.
    #[command(
        after_help = "Example: chancery bridge token plant-7 > token; courier-bridge register --token token"
    )]
    Token {
        /// The bridge whose instance comes to be with it; several instances have the same.
        bridge: String,
        /// The CA that issues for it; the only one that comes into question when left out.
        #[arg(long = "ca")]
        issuer: Option<String>,
        /// How many minutes it is good for: 1440 at most.
        #[arg(long)]
        minutes: Option<u32>,
        /// The instance forwards nothing before it is approved.
        #[arg(long)]
        approval: bool,
    },
    /// List the instances.
    #[command(after_help = "Example: chancery bridge list")]
    List,
    /// Approve an instance that waits for it.
    #[command(after_help = "Example: chancery bridge approve 0190c0de-0000-7000-8000-000000000000")]
    Approve {
        /// Its identifier.
        id: String,
    },
    /// Retire an instance: what it says counts no more, and its certificates are revoked.
    #[command(after_help = "Example: chancery bridge retire 0190c0de-0000-7000-8000-000000000000")]
    Retire {
        /// Its identifier.
        id: String,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    match command {
        Command::Token {
            bridge,
            issuer,
            minutes,
            approval,
        } => {
            let body = fields(&[
                ("bridge", Some(bridge.into())),
                ("issuer", issuer.map(Into::into)),
                ("minutes", minutes.map(Into::into)),
                ("needs_approval", approval.then(|| true.into())),
            ]);
            let made = api.post("/api/v1/bridge-tokens", &body).await?;
            if place.output == Output::Json {
                table::json(&made);
            } else {
                say!(
                    "{}",
                    made.pointer("/token").and_then(Value::as_str).unwrap_or_default()
                );
            }
        }
        Command::List => {
            let items = api.all("/api/v1/bridges").await?;
            let columns = [
                ("ID", "/id"),
                ("BRIDGE", "/bridge"),
                ("STATUS", "/status"),
                ("VERSION", "/version"),
                ("SEEN", "/seen_at"),
                ("CONNECTIONS", "/report/connections_open"),
                ("FAILURES", "/report/failures"),
                ("CERTIFICATE ENDS", "/certificate_ends_at"),
            ];
            table::list(place.output, &items, &columns);
        }
        Command::Approve { id } => {
            let path = format!("/api/v1/bridges/{}/approve", escape(&id));
            api.ask(Method::POST, &path, None).await?;
            say!("instance {id} is approved");
        }
        Command::Retire { id } => {
            api.ask(Method::DELETE, &format!("/api/v1/bridges/{}", escape(&id)), None)
                .await?;
            say!("instance {id} is retired");
        }
    }
    Ok(())
}
