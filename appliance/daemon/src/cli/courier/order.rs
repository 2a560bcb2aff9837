//! `chancery courier order`: what couriers ordered, and what waits for somebody's word.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::super::client::{Api, escape};
use super::super::{Place, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List orders, the oldest first.
    #[command(after_help = "Example: chancery courier order list --status pending_approval")]
    List {
        /// Of this courier.
        #[arg(long)]
        courier: Option<String>,
        /// With this status: pending, pending_approval, signing, issued, delivered, installed, rejected, failed, cancelled or expired.
        #[arg(long)]
        status: Option<String>,
    },
    /// Show one.
    #[command(after_help = "Example: chancery courier order show 0190c0de-0000-7000-8000-000000000000")]
    Show {
        /// Its identifier.
        id: String,
    },
    /// Let one be signed that waits for approval.
    #[command(after_help = "Example: chancery courier order approve 0190c0de-0000-7000-8000-000000000000")]
    Approve {
        /// Its identifier.
        id: String,
    },
    /// Refuse one that waits for approval.
    #[command(
        after_help = "Example: chancery courier order reject 0190c0de-0000-7000-8000-000000000000 --reason 'not ours'"
    )]
    Reject {
        /// Its identifier.
        id: String,
        /// Why; the courier is told.
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(place: &Place, api: &Api, command: Command) -> Result<()> {
    let one = |id: &str| format!("/api/v1/courier-orders/{}", escape(id));
    let told = match command {
        Command::List { courier, status } => {
            let given = [("courier", courier), ("status", status)];
            let given = given
                .into_iter()
                .filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?))));
            let query = given.collect::<Vec<_>>().join("&");
            let told = api.get(&format!("/api/v1/courier-orders?{query}")).await?;
            let columns = [
                ("UUID", "/uuid"),
                ("STATUS", "/status"),
                ("COURIER", "/requested_by/name"),
                ("KIND", "/kind"),
                ("NAMES", "/names"),
                ("UPDATED", "/updated_at"),
            ];
            table::list(
                place.output,
                told.pointer("/items").unwrap_or(&Value::Null),
                &columns,
            );
            return Ok(());
        }
        Command::Show { id } => api.get(&one(&id)).await?,
        Command::Approve { id } => api.post(&format!("{}/approve", one(&id)), &json!({})).await?,
        Command::Reject { id, reason } => {
            let body = json!({ "reason": reason });
            api.post(&format!("{}/reject", one(&id)), &body).await?
        }
    };
    let rows = [
        ("Order", "/uuid"),
        ("Status", "/status"),
        ("Courier", "/requested_by/name"),
        ("Kind", "/kind"),
        ("Names", "/names"),
        ("Profile", "/profile"),
        ("Warnings", "/warnings"),
        ("Error", "/error/message"),
        ("Serial", "/certificate/serial"),
        ("Ends", "/certificate/not_after"),
    ];
    table::one(place.output, &told, &rows);
    Ok(())
}
