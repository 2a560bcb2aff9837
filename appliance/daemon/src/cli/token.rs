//! `chancery token`: PKCS#11 tokens, without the server. A PIN comes from a file; never from the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use secrecy::SecretString;
use serde_json::Value;
use token::{PinSource, TokenConfig, inspect};

use super::{Place, table};
use crate::files;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the slots of a module, the tokens in them, their mechanisms; with a PIN also the keys of one token.
    #[command(after_help = "Example: chancery token list --module /usr/lib/softhsm/libsofthsm2.so")]
    List {
        /// The vendor's PKCS#11 module.
        #[arg(long)]
        module: PathBuf,
        /// The label of a token whose keys are to be listed.
        #[arg(long, requires = "pin_file")]
        label: Option<String>,
        /// The file with its PIN.
        #[arg(long)]
        pin_file: Option<PathBuf>,
        /// Show the mechanisms as well.
        #[arg(long)]
        mechanisms: bool,
    },
    /// Initialise a token that is not initialised yet.
    #[command(
        after_help = "Example: chancery token init --module /usr/lib/softhsm/libsofthsm2.so --label ca --pin-file pin --so-pin-file so-pin"
    )]
    Init {
        /// The vendor's PKCS#11 module.
        #[arg(long)]
        module: PathBuf,
        /// Its slot; the first with a token that is not initialised when left out.
        #[arg(long)]
        slot: Option<u64>,
        /// The label it gets.
        #[arg(long)]
        label: String,
        /// The file with the PIN its user gets.
        #[arg(long)]
        pin_file: PathBuf,
        /// The file with the PIN its security officer gets.
        #[arg(long)]
        so_pin_file: PathBuf,
    },
    /// Make and verify a signature with every key of a token. Exit status 1 when one fails.
    #[command(
        after_help = "Example: chancery token test --module /usr/lib/softhsm/libsofthsm2.so --label ca --pin-file pin"
    )]
    Test {
        /// The vendor's PKCS#11 module.
        #[arg(long)]
        module: PathBuf,
        /// The token's label.
        #[arg(long)]
        label: String,
        /// The file with its PIN.
        #[arg(long)]
        pin_file: PathBuf,
    },
}

pub(crate) fn run(place: &Place, command: Command) -> Result<ExitCode> {
    match command {
        Command::List {
            module,
            label: Some(label),
            pin_file: Some(pin_file),
            ..
        } => keys(place, &config(module, label, &pin_file), pin_file),
        Command::List {
            module, mechanisms, ..
        } => slots(place, &module, mechanisms),
        Command::Init {
            module,
            slot,
            label,
            pin_file,
            so_pin_file,
        } => {
            let new = inspect::NewToken {
                slot,
                label,
                so_pin: secret(&so_pin_file)?,
                user_pin: secret(&pin_file)?,
            };
            let report = serde_json::to_value(inspect::init_token(&module, &new)?)?;
            let rows = [
                ("Slot", "/slot"),
                ("Token", "/token/label"),
                ("Serial", "/token/serial"),
            ];
            table::one(place.output, &report, &rows);
            Ok(ExitCode::SUCCESS)
        }
        Command::Test {
            module,
            label,
            pin_file,
        } => test(place, &config(module, label, &pin_file), pin_file),
    }
}

fn keys(place: &Place, config: &TokenConfig, pin_file: PathBuf) -> Result<ExitCode> {
    let row = |key: &token::KeyRecord| {
        serde_json::json!({
            "fingerprint": key.key.to_string(), "label": key.label, "kind": key.kind.to_string(),
            "sensitive": key.attributes.sensitive, "extractable": key.attributes.extractable,
            "local": key.attributes.local,
        })
    };
    let rows: Vec<Value> = inspect::keys(config, PinSource::File(pin_file))?
        .iter()
        .map(row)
        .collect();
    let columns = [
        ("LABEL", "/label"),
        ("KIND", "/kind"),
        ("SENSITIVE", "/sensitive"),
        ("EXTRACTABLE", "/extractable"),
        ("MADE THERE", "/local"),
        ("FINGERPRINT", "/fingerprint"),
    ];
    table::list(place.output, &rows.into(), &columns);
    Ok(ExitCode::SUCCESS)
}

fn slots(place: &Place, module: &std::path::Path, mechanisms: bool) -> Result<ExitCode> {
    let slots = serde_json::to_value(inspect::slots(module)?)?;
    let mut columns = vec![
        ("SLOT", "/slot"),
        ("TOKEN", "/token/label"),
        ("SERIAL", "/token/serial"),
        ("MODEL", "/token/model"),
        ("INITIALISED", "/token/initialized"),
        ("PIN", "/token/user_pin"),
        ("KEYS IT CAN MAKE", "/token/key_kinds"),
    ];
    if mechanisms {
        columns.push(("MECHANISMS", "/token/mechanisms"));
    }
    table::list(place.output, &slots, &columns);
    Ok(ExitCode::SUCCESS)
}

fn test(place: &Place, config: &TokenConfig, pin_file: PathBuf) -> Result<ExitCode> {
    let tests = inspect::test_signatures(config, PinSource::File(pin_file))?;
    let all_work = tests.iter().all(|test| test.outcome == "ok");
    let columns = [
        ("LABEL", "/label"),
        ("KIND", "/kind"),
        ("SCHEME", "/scheme"),
        ("MICROSECONDS", "/microseconds"),
        ("OUTCOME", "/outcome"),
    ];
    table::list(place.output, &serde_json::to_value(tests)?, &columns);
    Ok(if all_work {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn config(module: PathBuf, label: String, pin_file: &std::path::Path) -> TokenConfig {
    TokenConfig {
        name: "token".to_owned(),
        module,
        label: Some(label),
        pin_file: Some(pin_file.to_owned()),
        ..TokenConfig::default()
    }
}

fn secret(file: &std::path::Path) -> Result<SecretString> {
    files::first_line(file).map(SecretString::from).context("a PIN")
}
