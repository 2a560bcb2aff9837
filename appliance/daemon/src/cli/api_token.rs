//! `chancery api-token`: create, list, revoke.

use anyhow::Result;
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::client::{Api, fields};
use super::{Output, Place, table};
use crate::cli::say::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token; its secret is printed once.
    #[command(
        after_help = "Example: chancery api-token create web --role requester --profile tls-server > web.token"
    )]
    Create {
        /// Whose it is. Certificates belong to this name: to replace a token, make another of the same name, then revoke
        /// the old one.
        name: String,
        /// admin, operator, requester or auditor.
        #[arg(long)]
        role: String,
        /// A CA it may use, by name or identifier; all when none is given. What it may read follows from its role.
        #[arg(long = "ca")]
        issuers: Vec<String>,
        /// A profile it may use; all when none is given.
        #[arg(long = "profile")]
        profiles: Vec<String>,
        /// When it ends, for example 2027-01-01T00:00:00Z; never when left out.
        #[arg(long)]
        expires_at: Option<String>,
    },
    /// List the tokens.
    #[command(after_help = "Example: chancery api-token list")]
    List,
    /// Revoke a token.
    #[command(after_help = "Example: chancery api-token revoke 0190c0de-0000-7000-8000-000000000000")]
    Revoke {
        /// Its identifier.
        id: String,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    match command {
        Command::Create {
            name,
            role,
            issuers,
            profiles,
            expires_at,
        } => {
            let body = fields(&[
                ("name", Some(name.into())),
                ("role", Some(role.into())),
                ("issuers", Some(issuers.into())),
                ("profiles", Some(profiles.into())),
                ("expires_at", expires_at.map(Into::into)),
            ]);
            let made = api.post("/api/v1/api-tokens", &body).await?;
            if place.output == Output::Json {
                table::json(&made);
            } else {
                say!(
                    "{}",
                    made.pointer("/secret")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                );
            }
        }
        Command::List => {
            let list = api.get("/api/v1/api-tokens").await?;
            let columns = [
                ("ID", "/id"),
                ("NAME", "/name"),
                ("ROLE", "/role"),
                ("CAS", "/issuers"),
                ("PROFILES", "/profiles"),
                ("ENDS", "/expires_at"),
                ("REVOKED", "/revoked_at"),
                ("LAST USED", "/last_used_at"),
            ];
            table::list(
                place.output,
                list.pointer("/items").unwrap_or(&Value::Null),
                &columns,
            );
        }
        Command::Revoke { id } => {
            let token = api
                .ask(Method::DELETE, &format!("/api/v1/api-tokens/{id}"), None)
                .await?;
            table::one(
                place.output,
                &token,
                &[("Token", "/id"), ("Name", "/name"), ("Revoked at", "/revoked_at")],
            );
        }
    }
    Ok(())
}
