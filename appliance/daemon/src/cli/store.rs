//! `chancery store`: the database of the configuration. Works without the server; `migrate` and `copy` want it stopped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use store::{Finding, Location, Progress, Stage, Store, StoreConfig};

use super::progress::Teller;
use super::{Output, Place, table};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the store's schema, or bring it to this program's version. The server does so at its start, too.
    #[command(after_help = "Example: chancery store migrate --dry-run")]
    Migrate {
        /// Only tell what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Look whether the store is whole. Exit status 1 when it is not.
    #[command(
        after_help = "Beside a running server, too; of a large store every row is read.\n\nExample: chancery store check"
    )]
    Check,
    /// Tell how large the store is, table by table.
    #[command(
        after_help = "Beside a running server, too; counts every row. What goes when it is old enough, [retention] says.\n\n\
            Example: chancery store stats"
    )]
    Stats,
    /// Copy the store of this configuration into that of another, for example from SQLite to PostgreSQL, and compare both.
    #[command(
        after_help = "A copy that broke off goes on where it was. The target must be empty. Stop the server first; when it \
            is done, start it with the other configuration.\n\n\
            Example: chancery --config /etc/chancery/chancery.toml store copy --to /etc/chancery/postgres.toml"
    )]
    Copy {
        /// The configuration whose store is the target.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<ExitCode> {
    let config = Config::load(&place.config)?.store_config()?;
    match command {
        Command::Migrate { dry_run } => migrate(place.output, &config, dry_run),
        Command::Check => check(place.output, &config).await,
        Command::Stats => stats(place.output, &config).await,
        Command::Copy { to } => copy(place.output, &config, &to).await,
    }
}

fn migrate(output: Output, config: &StoreConfig, dry_run: bool) -> Result<ExitCode> {
    let (before, known) = Store::schema_versions(config)?;
    if !dry_run {
        Store::open(config)?;
    }
    let is_done = before == known;
    let outcome = match (is_done, dry_run) {
        (true, _) => "is as this program wants it",
        (false, true) => "would be migrated",
        (false, false) => "was migrated",
    };
    let told = json!({ "schema": outcome, "from": before, "to": known });
    table::one(
        output,
        &told,
        &[
            ("Schema", "/schema"),
            ("From version", "/from"),
            ("To version", "/to"),
        ],
    );
    Ok(ExitCode::SUCCESS)
}

async fn check(output: Output, config: &StoreConfig) -> Result<ExitCode> {
    let store = Store::open_read_only(config)?;
    let mut found = store.read_long(store::check).await?;
    found.push(store.read_long(ca::check_audit_tree).await?);
    let is_whole = found.iter().all(|finding| finding.problem.is_none());
    let rows: Vec<Value> = found.iter().map(row).collect();
    table::list(
        output,
        &rows.into(),
        &[("CHECK", "/check"), ("OUTCOME", "/outcome")],
    );
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn stats(output: Output, config: &StoreConfig) -> Result<ExitCode> {
    let store = Store::open_read_only(config)?;
    let read = store.read_long(|reader| Ok((store::stats::size(reader)?, store::stats::tables(reader)?)));
    let (size, tables) = read.await?;
    let rows: Vec<Value> = tables
        .iter()
        .map(|table| json!({ "table": table.name, "rows": table.rows, "bytes": table.octets }))
        .collect();
    let told = json!({ "bytes": size.octets, "free_bytes": size.free, "tables": rows });
    if output == Output::Json {
        table::one(output, &told, &[]);
    } else {
        let columns = [("TABLE", "/table"), ("ROWS", "/rows"), ("BYTES", "/bytes")];
        table::list(output, &rows.into(), &columns);
        table::one(
            output,
            &told,
            &[("Bytes in all", "/bytes"), ("Free", "/free_bytes")],
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn row(finding: &Finding) -> Value {
    let outcome = finding.problem.as_deref().unwrap_or("yes");
    json!({ "check": finding.what, "is_whole": finding.problem.is_none(), "outcome": outcome })
}

async fn copy(output: Output, from: &StoreConfig, to: &Path) -> Result<ExitCode> {
    let to = Config::load(to)?.store_config()?;
    if place_of(from) == place_of(&to) {
        bail!(
            "both configurations name one store, {}: let [store] of --to name the other one",
            place_of(from)
        );
    }
    let source = Store::open_whole(from)
        .await
        .context("opening the source: is its server running? stop it first")?;
    let target = Store::open(&to).context("opening the target")?;
    let mut teller = Teller::new(output);
    let copied = store::copy(&source, &target, |progress| tell(&mut teller, progress)).await?;
    teller.end();
    let files = if from.folder == to.folder {
        0
    } else {
        copy_crls(&source, &target)?
    };
    let told = json!({
        "copied": "done, and both are equal", "rows": copied.rows, "resumed": copied.resumed, "crl_files": files,
        "into": place_of(&to),
    });
    let rows = [
        ("Copy", "/copied"),
        ("Rows", "/rows"),
        ("Of them there already", "/resumed"),
        ("CRL files", "/crl_files"),
        ("Into", "/into"),
    ];
    table::one(output, &told, &rows);
    Ok(ExitCode::SUCCESS)
}

/// The files of the published CRLs, which the server would otherwise sign anew.
fn copy_crls(source: &Store, target: &Store) -> Result<u64> {
    Ok(source.crl_files().copy_to(&target.crl_files())?)
}

fn place_of(config: &StoreConfig) -> String {
    match &config.location {
        Location::File(path) => path.display().to_string(),
        Location::Server(server) => format!("{server}"),
    }
}

fn tell(teller: &mut Teller, progress: Progress) {
    let stage = match progress.stage {
        Stage::Copying => "copying",
        Stage::Comparing => "comparing",
    };
    teller.tell(stage, progress.table, progress.rows, Some(progress.of));
}
