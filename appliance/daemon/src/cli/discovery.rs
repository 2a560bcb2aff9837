//! `chancery discovery`: certificates that couriers found on their hosts.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Api, escape};
use super::{Output, Place, table};
use crate::cli::say::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List certificates that were found, by when they were found first.
    #[command(
        after_help = "Example: chancery discovery list --status new --expires-before 2030-01-01T00:00:00Z"
    )]
    List {
        /// Those alone: `new`, which nobody has looked at; `claimed`, which are known; `dismissed`, which do not matter.
        #[arg(long, value_parser = ["new", "claimed", "dismissed"])]
        status: Option<String>,
        /// On the host of this courier alone.
        #[arg(long)]
        courier: Option<String>,
        /// Ending before this instant alone.
        #[arg(long, value_name = "TIME")]
        expires_before: Option<jiff::Timestamp>,
        /// With a private key that others may read alone.
        #[arg(long)]
        key_exposed: bool,
    },
    /// Show one, and where it lies.
    #[command(after_help = "Example: chancery discovery show 0190c0de-0000-7000-8000-000000000000")]
    Show {
        /// Its identifier.
        id: String,
    },
    /// Say to which certificate of this appliance one belongs: it is the same, or that one takes its place.
    #[command(
        after_help = "Example: chancery discovery claim 0190c0de-0000-7000-8000-000000000000 3f2a91c07b5d4e6890aabbccddeeff01"
    )]
    Claim {
        /// Its identifier.
        id: String,
        /// The certificate of this appliance, by identifier or serial.
        certificate: String,
    },
    /// Say that one does not matter.
    #[command(after_help = "Example: chancery discovery dismiss 0190c0de-0000-7000-8000-000000000000")]
    Dismiss {
        /// Its identifier.
        id: String,
    },
    /// Take back what was said of one: it is new again.
    #[command(after_help = "Example: chancery discovery reopen 0190c0de-0000-7000-8000-000000000000")]
    Reopen {
        /// Its identifier.
        id: String,
    },
    /// List scans of hosts.
    #[command(after_help = "Example: chancery discovery scans --courier web01")]
    Scans {
        /// Of this courier alone.
        #[arg(long)]
        courier: Option<String>,
    },
    /// Count what was found.
    #[command(after_help = "Example: chancery discovery summary")]
    Summary,
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    let named = |id: &str| format!("/api/v1/discovered-certificates/{}", escape(id));
    match command {
        Command::List {
            status,
            courier,
            expires_before,
            key_exposed,
        } => {
            let given = [
                ("status", status),
                ("courier", courier),
                ("expires_before", expires_before.map(|at| at.to_string())),
                ("key_exposed", key_exposed.then(|| "true".to_owned())),
            ];
            let query = query(given);
            let items = api
                .all(&format!("/api/v1/discovered-certificates?{query}"))
                .await?;
            let columns = [
                ("ID", "/id"),
                ("STATUS", "/status"),
                ("SUBJECT", "/subject"),
                ("ISSUER", "/issuer"),
                ("ENDS", "/not_after"),
                ("KEY", "/key_algorithm"),
                ("PLACES", "/place_count"),
            ];
            table::list(place.output, &items, &columns);
        }
        Command::Show { id } => show(place, &api.get(&named(&id)).await?),
        Command::Claim { id, certificate } => {
            let body = json!({ "managed_certificate_id": certificate });
            api.post(&format!("{}/claim", named(&id)), &body).await?;
            say!("{id} belongs to {certificate}");
        }
        Command::Dismiss { id } => {
            api.post(&format!("{}/dismiss", named(&id)), &json!({})).await?;
            say!("{id} does not matter");
        }
        Command::Reopen { id } => {
            api.post(&format!("{}/reopen", named(&id)), &json!({})).await?;
            say!("{id} is new again");
        }
        Command::Scans { courier } => {
            let query = query([("courier", courier)]);
            let items = api.all(&format!("/api/v1/discovery-scans?{query}")).await?;
            let columns = [
                ("COURIER", "/courier"),
                ("BEGUN", "/begun_at"),
                ("FINISHED", "/finished_at"),
                ("CERTIFICATES", "/certificates"),
                ("FILES", "/files"),
                ("UNREADABLE", "/unreadable"),
            ];
            table::list(place.output, &items, &columns);
        }
        Command::Summary => {
            let counts = api.get("/api/v1/discovery-summary").await?;
            let rows = [
                ("new", "/new"),
                ("claimed", "/claimed"),
                ("dismissed", "/dismissed"),
                ("key exposed", "/key_exposed"),
            ];
            table::one(place.output, &counts, &rows);
        }
    }
    Ok(())
}

/// What is asked for, as the query of an address.
fn query<const N: usize>(given: [(&str, Option<String>); N]) -> String {
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?))));
    given.collect::<Vec<_>>().join("&")
}

fn show(place: &Place, found: &Value) {
    let rows = [
        ("id", "/id"),
        ("status", "/status"),
        ("belongs to", "/managed_certificate_id"),
        ("subject", "/subject"),
        ("issuer", "/issuer"),
        ("serial", "/serial"),
        ("names", "/names"),
        ("from", "/not_before"),
        ("until", "/not_after"),
        ("key", "/key_algorithm"),
        ("fault", "/fault"),
        ("sha-256", "/fingerprint_sha256"),
        ("found first", "/first_seen_at"),
        ("found last", "/last_seen_at"),
    ];
    table::one(place.output, found, &rows);
    if place.output == Output::Json {
        return;
    }
    let columns = [
        ("COURIER", "/courier"),
        ("PATH", "/path"),
        ("MANAGED", "/managed"),
        ("KEY EXPOSED", "/key_exposed"),
        ("SEEN", "/last_seen_at"),
    ];
    table::list(
        place.output,
        found.pointer("/places").unwrap_or(&Value::Null),
        &columns,
    );
}
