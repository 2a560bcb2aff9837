//! `chancery audit`: read the log, verify it (through the server, or the file itself).

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};
use store::audit::Verdict;
use store::{Store, StoreConfig};

use super::client::Api;
use super::{Place, table};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the last entries.
    #[command(after_help = "Example: chancery audit tail -n 50")]
    Tail {
        /// How many.
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u32,
    },
    /// Check that no entry was changed, removed or put in between. Exit status 1 when one was.
    #[command(
        after_help = "Examples:\n  chancery audit verify\n  chancery audit verify --offline\n  chancery audit verify --store /var/lib/chancery/chancery.db"
    )]
    Verify {
        /// Check the store of the configuration itself, beside a running server or without one.
        #[arg(long)]
        offline: bool,
        /// The same for this SQLite file.
        #[arg(long, value_name = "FILE", conflicts_with = "offline")]
        store: Option<PathBuf>,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<ExitCode> {
    match command {
        Command::Tail { lines } => {
            let api = Api::new(place)?;
            let newest = api
                .get("/api/v1/status")
                .await?
                .pointer("/audit_entries")
                .and_then(Value::as_i64)
                .unwrap_or(0);
            let after = (newest - i64::from(lines)).max(0);
            let list = api
                .get(&format!(
                    "/api/v1/audit?after={after}&limit={}",
                    lines.clamp(1, 1000)
                ))
                .await?;
            let columns = [
                ("SEQ", "/seq"),
                ("AT", "/at"),
                ("BY", "/actor"),
                ("ACTION", "/action"),
                ("OBJECT", "/object"),
                ("OUTCOME", "/outcome"),
            ];
            table::list(
                place.output,
                list.pointer("/items").unwrap_or(&Value::Null),
                &columns,
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { offline, store } => {
            let verdict = match (store, offline) {
                (Some(file), _) => look(StoreConfig::new(file)).await?,
                (None, true) => look(Config::load(&place.config)?.store_config()?).await?,
                (None, false) => Api::new(place)?.get("/api/v1/audit/verify").await?,
            };
            let rows = [
                ("Sound", "/sound"),
                ("Entries", "/entries"),
                ("Head", "/head"),
                ("Broken at", "/broken_at"),
                ("Problem", "/problem"),
            ];
            table::one(place.output, &verdict, &rows);
            let is_sound = verdict
                .pointer("/sound")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            Ok(if is_sound {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

async fn look(config: StoreConfig) -> Result<Value> {
    let store = Store::open_read_only(&config)?;
    Ok(match store.read(store::audit::verify).await? {
        Verdict::Sound { entries, head } => {
            let head: String = head.iter().fold(String::new(), |mut text, octet| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{octet:02x}");
                text
            });
            json!({ "sound": true, "entries": entries, "head": head, "broken_at": null, "problem": null })
        }
        Verdict::Broken { seq, what } => {
            json!({ "sound": false, "entries": seq - 1, "head": null, "broken_at": seq, "problem": what })
        }
    })
}
