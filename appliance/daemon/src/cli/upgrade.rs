//! `chancery upgrade check`: what an upgrade to this program would meet, before it is made. Changes nothing.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;
use store::servers::ServerSeen;
use store::{Location, PendingMigration, Store, StoreConfig};
use token::{PinSource, inspect};

use super::{Place, table};
use crate::config::{Config, SignerMode};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what an upgrade to this program would meet: configuration, schema, other servers, disk, tokens. Changes nothing. Exit status
    /// 1 when something is in the way.
    #[command(
        after_help = "Run it with the new program, before the old one is stopped.\n\nExample: /opt/new/chancery --config \
        /etc/chancery/chancery.toml upgrade check"
    )]
    Check,
}

/// How one thing stands.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    /// `ok`, `note`, or `problem`.
    state: &'static str,
    detail: String,
}

impl Finding {
    fn new(what: &'static str, state: &'static str, detail: impl Into<String>) -> Self {
        Self {
            what,
            state,
            detail: detail.into(),
        }
    }
}

pub(crate) fn run(place: &Place, command: &Command) -> Result<ExitCode> {
    let Command::Check = command;
    let findings = check(place);
    let is_clear = findings.iter().all(|finding| finding.state != "problem");
    let columns = [("WHAT", "/what"), ("STATE", "/state"), ("DETAIL", "/detail")];
    table::list(place.output, &serde_json::to_value(&findings)?, &columns);
    Ok(if is_clear {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn check(place: &Place) -> Vec<Finding> {
    let config = match Config::load(&place.config) {
        Ok(config) => config,
        // The text names the key, and the nearest one there is.
        Err(error) => return vec![Finding::new("configuration", "problem", error.to_string())],
    };
    let mut findings = vec![Finding::new(
        "configuration",
        "ok",
        place.config.display().to_string(),
    )];
    match config.store_config() {
        Ok(store) => findings.extend(store_findings(&store)),
        Err(error) => findings.push(Finding::new("store", "problem", format!("{error:#}"))),
    }
    if config.signer.mode == SignerMode::Connect {
        let detail = "the signing process has a configuration of its own: chancery token list --config …";
        findings.push(Finding::new("tokens", "note", detail));
    } else {
        findings.extend(token_findings(&config.path(&config.signer.config)));
    }
    findings
}

fn store_findings(config: &StoreConfig) -> Vec<Finding> {
    let (found, known) = match Store::schema_versions(config) {
        Ok(versions) => versions,
        Err(error) => return vec![Finding::new("store", "problem", error.to_string())],
    };
    let pending = Store::pending_migrations(config, found);
    let mut findings = vec![schema_finding(config, found, known, &pending)];
    match Store::servers(config) {
        Ok(servers) => findings.push(servers_finding(config, &servers, &pending)),
        Err(error) => findings.push(Finding::new("servers", "problem", error.to_string())),
    }
    if let Location::File(path) = &config.location {
        findings.push(disk_finding(path, !pending.is_empty()));
    }
    findings
}

fn schema_finding(config: &StoreConfig, found: i64, known: i64, pending: &[PendingMigration]) -> Finding {
    if found > known {
        return match Store::open_read_only(config) {
            Ok(_) => {
                let detail =
                    format!("version {found} is newer than {known}, and this program may work on it");
                Finding::new("schema", "note", detail)
            }
            Err(error) => Finding::new("schema", "problem", error.to_string()),
        };
    }
    if pending.is_empty() {
        return Finding::new(
            "schema",
            "ok",
            format!("version {known}, as this program wants it"),
        );
    }
    let names: Vec<String> = pending
        .iter()
        .map(|one| format!("V{} {}", one.version, one.name))
        .collect();
    let detail = format!(
        "version {found} becomes {known} at the next start: {}",
        names.join(", ")
    );
    Finding::new("schema", "note", detail)
}

/// Servers that would be shut out by what is pending.
fn servers_finding(config: &StoreConfig, servers: &[ServerSeen], pending: &[PendingMigration]) -> Finding {
    if servers.is_empty() {
        return Finding::new("servers", "ok", "none is at work");
    }
    if matches!(config.location, Location::File(_)) {
        let detail = "one is at work on this file: stop it, then start this program";
        return Finding::new("servers", "note", detail);
    }
    let least = pending.iter().map(|one| one.least).max().unwrap_or(0);
    let is_too_old = |server: &&ServerSeen| server.schema.unwrap_or(0) < least;
    let name = |server: &ServerSeen| {
        let program = server.program.as_deref().unwrap_or("an older program");
        format!("{} ({program})", server.node)
    };
    let too_old: Vec<String> = servers.iter().filter(is_too_old).map(name).collect();
    if too_old.is_empty() {
        let all: Vec<String> = servers.iter().map(name).collect();
        return Finding::new(
            "servers",
            "ok",
            format!("they go on beside this program: {}", all.join(", ")),
        );
    }
    let detail = format!(
        "these do not know schema {least}, which a pending migration takes for granted: stop or upgrade them first: {}",
        too_old.join(", ")
    );
    Finding::new("servers", "problem", detail)
}

/// A migration may write the whole file anew, and its log as well.
fn disk_finding(path: &Path, is_migrating: bool) -> Finding {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let free = match rustix::fs::statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return Finding::new("disk", "problem", format!("{}: {error}", folder.display())),
    };
    let needed = std::fs::metadata(path)
        .map_or(0, |file| file.len())
        .saturating_mul(2);
    let mebibytes = |octets: u64| octets.div_ceil(1 << 20);
    let (free_mib, needed_mib) = (mebibytes(free), mebibytes(needed));
    if is_migrating && free < needed {
        let detail =
            format!("{free_mib} MiB are free, and a migration may take {needed_mib}: make room first");
        return Finding::new("disk", "problem", detail);
    }
    Finding::new(
        "disk",
        "ok",
        format!("{free_mib} MiB are free; a migration takes {needed_mib} at most"),
    )
}

/// Each token is logged in to, as the new program would.
fn token_findings(signing: &Path) -> Vec<Finding> {
    let config = match token::Config::load(signing) {
        Ok(config) => config,
        Err(error) => return vec![Finding::new("tokens", "problem", error.to_string())],
    };
    let look = |token: &token::TokenConfig| {
        let keys =
            PinSource::of(token).and_then(|pin| inspect::keys(token, pin, config.state_directory.as_deref()));
        match keys {
            Ok(keys) => Finding::new("token", "ok", format!("{}: {} keys", token.name, keys.len())),
            Err(error) => Finding::new("token", "problem", format!("{}: {error}", token.name)),
        }
    };
    config.tokens.iter().map(look).collect()
}
