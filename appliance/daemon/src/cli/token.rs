//! `chancery token`: PKCS#11 tokens, without the server. A PIN comes from a file; never from the command line.

mod away;
mod which;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use secrecy::SecretString;
use serde_json::{Value, json};
use token::inspect;

use super::{Output, Place, table};
use crate::files;
use away::Seen;
use which::Chosen;
pub(super) use which::Which;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the slots of the configured modules, the tokens in them and what they can do; or the keys of the tokens. Exit status 5 when
    /// one of several cannot be looked at.
    #[command(
        after_help = "Examples:\n  chancery token list\n  chancery token list --keys\n  chancery token list --module /usr/lib/softhsm/libsofthsm2.so"
    )]
    List {
        #[command(flatten)]
        which: Which,
        /// List the keys; also when --label is given.
        #[arg(long)]
        keys: bool,
        /// Show the mechanisms as well.
        #[arg(long)]
        mechanisms: bool,
    },
    /// Initialise a token that is not initialised yet.
    #[command(
        after_help = "Example: chancery token init --module /usr/lib/softhsm/libsofthsm2.so --label ca --pin-file pin --so-pin-file so-pin"
    )]
    Init {
        #[command(flatten)]
        which: Which,
        /// Its slot; the first with a token that is not initialised when left out.
        #[arg(long)]
        slot: Option<u64>,
        /// The file with the PIN its security officer gets.
        #[arg(long, value_name = "FILE")]
        so_pin_file: PathBuf,
    },
    /// Make and verify a signature with every key of the tokens. Exit status 1 when one fails, 5 when one of several tokens cannot be
    /// looked at.
    #[command(
        after_help = "Examples:\n  chancery token test\n  chancery token test --module /usr/lib/softhsm/libsofthsm2.so --label ca --pin-file pin"
    )]
    Test {
        #[command(flatten)]
        which: Which,
    },
}

pub(crate) fn run(place: &Place, command: Command) -> Result<ExitCode> {
    match command {
        Command::List {
            which,
            keys: shows_keys,
            mechanisms,
        } => {
            if shows_keys || which.names_one() {
                keys(place, &which.tokens(place)?)
            } else {
                slots(place, &which.modules(place)?, mechanisms)
            }
        }
        Command::Init {
            which,
            slot,
            so_pin_file,
        } => {
            let (module, label, pin_file) = which.new_token(place)?;
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
        Command::Test { which } => test(place, &which.tokens(place)?),
    }
}

fn keys(place: &Place, tokens: &[Chosen]) -> Result<ExitCode> {
    let (mut rows, mut seen) = (Vec::<Value>::new(), Seen::default());
    for token in tokens {
        let keys = inspect::keys(&token.config, token.pin.clone(), token.memory.as_deref());
        let line = |problem: String| away::token(&token.config.name, &problem);
        let keys = match seen.take(keys, tokens.len(), line)? {
            Ok(keys) => keys,
            Err(line) => {
                rows.push(line);
                continue;
            }
        };
        rows.extend(keys.iter().map(|key| {
            json!({
                "token": token.config.name, "fingerprint": key.key.to_string(), "label": key.label,
                "kind": key.kind.to_string(), "sensitive": key.attributes.sensitive,
                "extractable": key.attributes.extractable, "local": key.attributes.local,
            })
        }));
    }
    let mut columns = vec![
        ("TOKEN", "/token"),
        ("LABEL", "/label"),
        ("KIND", "/kind"),
        ("SENSITIVE", "/sensitive"),
        ("EXTRACTABLE", "/extractable"),
        ("MADE THERE", "/local"),
        ("FINGERPRINT", "/fingerprint"),
    ];
    if seen.has_problems() {
        columns.push(("PROBLEM", "/problem"));
    }
    list(place, rows, &columns, "no key yet");
    Ok(seen.exit_code())
}

fn slots(place: &Place, modules: &[PathBuf], mechanisms: bool) -> Result<ExitCode> {
    let (mut rows, mut seen) = (Vec::<Value>::new(), Seen::default());
    for module in modules {
        let line = |problem: String| json!({ "module": module, "problem": problem });
        let slots = match seen.take(inspect::slots(module), modules.len(), line)? {
            Ok(slots) => slots,
            Err(line) => {
                rows.push(line);
                continue;
            }
        };
        for slot in slots {
            seen.note_slot(slot.problem.is_some());
            let mut row = serde_json::to_value(slot)?;
            if let Some(row) = row.as_object_mut() {
                row.insert("module".to_owned(), json!(module));
            }
            rows.push(row);
        }
    }
    let mut columns = vec![
        ("SLOT", "/slot"),
        ("TOKEN", "/token/label"),
        ("SERIAL", "/token/serial"),
        ("MODEL", "/token/model"),
        ("INITIALISED", "/token/initialized"),
        ("PIN", "/token/user_pin"),
        ("KEYS IT CAN MAKE", "/token/key_kinds"),
    ];
    if modules.len() > 1 {
        columns.insert(0, ("MODULE", "/module"));
    }
    if mechanisms {
        columns.push(("MECHANISMS", "/token/mechanisms"));
    }
    if seen.has_problems() {
        columns.push(("PROBLEM", "/problem"));
    }
    list(place, rows, &columns, "no slot");
    Ok(seen.exit_code())
}

fn test(place: &Place, tokens: &[Chosen]) -> Result<ExitCode> {
    let (mut rows, mut seen) = (Vec::<Value>::new(), Seen::default());
    let mut all_work = true;
    for token in tokens {
        let tests = inspect::test_signatures(&token.config, token.pin.clone(), token.memory.as_deref());
        let line = |problem: String| away::token(&token.config.name, &problem);
        let tests = match seen.take(tests, tokens.len(), line)? {
            Ok(tests) => tests,
            Err(line) => {
                rows.push(line);
                continue;
            }
        };
        for test in tests {
            all_work &= test.outcome == "ok";
            let mut row = serde_json::to_value(test)?;
            if let Some(row) = row.as_object_mut() {
                row.insert("token".to_owned(), json!(token.config.name));
            }
            rows.push(row);
        }
    }
    let mut columns = vec![
        ("TOKEN", "/token"),
        ("LABEL", "/label"),
        ("KIND", "/kind"),
        ("SCHEME", "/scheme"),
        ("MICROSECONDS", "/microseconds"),
        ("OUTCOME", "/outcome"),
    ];
    if seen.has_problems() {
        columns.push(("PROBLEM", "/problem"));
    }
    list(
        place,
        rows,
        &columns,
        "the PIN is right; no key yet that could be tested",
    );
    Ok(if all_work {
        seen.exit_code()
    } else {
        ExitCode::FAILURE
    })
}

/// A list, or for people a word when it is empty.
fn list(place: &Place, rows: Vec<Value>, columns: &[(&str, &str)], empty: &str) {
    if rows.is_empty() && place.output == Output::Table {
        crate::cli::say::say!("{empty}");
    } else {
        table::list(place.output, &rows.into(), columns);
    }
}

fn secret(file: &std::path::Path) -> Result<SecretString> {
    files::first_line(file).map(SecretString::from).context("a PIN")
}
