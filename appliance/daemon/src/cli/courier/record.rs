//! What a courier may have, on the command line and as TOML.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use ca::courier::CourierRecord;
use clap::Args;
use serde_json::{Value, json};

use super::{Output, table};
use crate::cli::say::say_part;

/// What a new courier may have.
#[derive(Args, Debug)]
pub(crate) struct Rights {
    /// A name it may have: `host.example.com`, `*.example.com` (one label), `**.example.com` (any depth), `=*.example.com` (the wildcard
    /// itself), `ip:10.0.0.0/8`, `email:*@example.com`, `uri:spiffe://example.com/*`; may be repeated.
    #[arg(long = "allow", value_name = "PATTERN")]
    allowed_names: Vec<String>,
    /// An address or network that it may come from; from anywhere when none is given.
    #[arg(long = "from", value_name = "NETWORK")]
    allowed_ips: Vec<String>,
    /// A profile it may use; the first is taken when it names none.
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// The CA that issues for it; the only one that comes into question when left out.
    #[arg(long = "ca", value_name = "NAME")]
    issuer: Option<String>,
    /// Whether the appliance may make keys for it.
    #[arg(long, value_parser = ["forbid", "allow", "require"], default_value = "forbid")]
    platform_keys: String,
    /// It may revoke certificates of its own.
    #[arg(long)]
    may_revoke: bool,
    /// Its orders wait for somebody's approval.
    #[arg(long)]
    needs_approval: bool,
    /// The whole record as TOML, in place of the options.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allowed_names", "allowed_ips", "profiles", "issuer", "may_revoke", "needs_approval"])]
    record: Option<PathBuf>,
}

impl Rights {
    /// The record.
    pub(super) fn record(&self) -> Result<CourierRecord> {
        if let Some(file) = &self.record {
            return read(file);
        }
        let networks = self.allowed_ips.iter().map(|text| network(text));
        let record = json!({
            "allowed_names": self.allowed_names,
            "allowed_ips": networks.collect::<Vec<_>>(),
            "profiles": self.profiles,
            "issuer": self.issuer,
            "platform_keys": self.platform_keys,
            "may_revoke": self.may_revoke,
            "needs_approval": self.needs_approval,
        });
        serde_json::from_value(record).context("--allow or --from")
    }
}

/// An address alone is the network of that address.
fn network(text: &str) -> String {
    match text.parse::<std::net::IpAddr>() {
        Ok(address) if address.is_ipv4() => format!("{address}/32"),
        Ok(address) => format!("{address}/128"),
        Err(_) => text.to_owned(),
    }
}

/// Reads a record.
pub(super) fn read(file: &Path) -> Result<CourierRecord> {
    let text = crate::cli::read(file)?;
    ensure!(
        text.len() < 1 << 20,
        "{} is longer than any record",
        file.display()
    );
    toml::from_str(&text).with_context(|| file.display().to_string())
}

/// Prints a courier: as JSON whole, else its record as TOML.
pub(super) fn show(output: Output, courier: &Value) -> Result<()> {
    if output == Output::Json {
        table::json(courier);
        return Ok(());
    }
    let told = |pointer: &str| {
        let value = courier.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    say_part!("# {} {}, {}\n", told("/name"), told("/id"), told("/status"));
    let record = courier.pointer("/record").cloned().unwrap_or_default();
    let record: CourierRecord = serde_json::from_value(record)?;
    say_part!("{}", toml::to_string(&record)?);
    Ok(())
}
