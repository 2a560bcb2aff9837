//! `chancery audit`: read the log, verify it (through the server, in the store itself, or with files alone), prove what is in it.

mod export;
mod verify;
mod witness;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use serde_json::{Value, json};
use tlog::{Checkpoint, InclusionText, Note};

use super::client::{Api, ApiFailure, escape};
use super::say::{say, say_part};
use super::{Output, Place, table};
use crate::files::{self, Readers};

/// Most entries that the server gives at once.
const PAGE: usize = 1000;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the last entries.
    #[command(
        after_help = "Examples:\n  chancery audit tail -n 50\n  chancery audit tail --action certificate.orphan\n  \
        chancery audit tail --object 019a3f0e-52c1-7c1e-a1f5-0c9d4b1f7a11"
    )]
    Tail(Tail),
    /// Write entries as exports write them, a line of JSON each, for `chancery restore --audit-export`, collectors and auditors. Reads the
    /// store itself, beside a running server or without one.
    Export(export::Args),
    /// Check that no entry was changed, removed or put in between. Exit status 1 when one was.
    Verify(verify::Args),
    /// Print the verifier key of the log: what checkpoints and proofs are verified with, to be noted elsewhere.
    #[command(after_help = "Example: chancery audit key > audit.vkey")]
    Key,
    /// Print the last signed checkpoint, to be kept elsewhere.
    #[command(after_help = "Example: chancery audit checkpoint --out checkpoint-2030-01")]
    Checkpoint {
        /// Write it to this file; one that is there is not overwritten.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Prove that an entry is in the log, with a file that is verified without this server.
    #[command(
        after_help = "Examples:\n  chancery audit prove 17 --out entry-17.tlog-proof\n  \
        chancery audit prove 17 --out entry-17.tlog-proof --old checkpoint-2030-01 --consistency since-2030-01"
    )]
    Prove {
        /// The number of an entry (chancery audit tail), or the object that the first one is about, such as the identifier of a
        /// certificate.
        #[arg(value_name = "ENTRY", required_unless_present = "consistency")]
        entry: Option<String>,
        /// Write the proof to this file; otherwise it is printed.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// An older checkpoint that was kept.
        #[arg(long, value_name = "CHECKPOINT", requires = "consistency")]
        old: Option<PathBuf>,
        /// Write the proof that the log continues the older checkpoint to this file.
        #[arg(long, value_name = "FILE", requires = "old")]
        consistency: Option<PathBuf>,
    },
    /// Cosign checkpoints as a witness: somewhere else than the log is, and only what continues what was cosigned before.
    Witness(witness::Args),
    /// Print the verifier key of this server as a witness: what servers whose logs it watches, and their auditors, are given.
    #[command(after_help = "Example: chancery audit witness-key > witness.vkey")]
    WitnessKey,
    /// Begin the log anew with another key, after a loss that cannot be made good: a database that was restored to an earlier
    /// time, or tampered with. What was signed before stays signed; auditors have to take the new key.
    #[command(
        after_help = "Example: chancery audit begin-anew --reason 'restored from the backup of May 3rd'"
    )]
    BeginAnew {
        /// Why: it stands in the log.
        #[arg(long)]
        reason: String,
    },
}

/// Which entries to print.
#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    /// How many.
    #[arg(long, short = 'n', default_value_t = 20)]
    lines: usize,
    /// Only entries about this object: the identifier of a certificate (`chancery cert show`) or of a CA, the name of a profile, …
    #[arg(long)]
    object: Option<String>,
    /// Only entries of this action, such as `certificate.revoke`.
    #[arg(long)]
    action: Option<String>,
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<ExitCode> {
    match command {
        Command::Tail(wanted) => tail(place, &wanted).await?,
        Command::Export(args) => export::run(place, &args).await?,
        Command::Verify(args) => return verify::run(place, &args).await,
        Command::Key => {
            let answer = Api::new(place)?.get("/api/v1/audit/key").await?;
            match (place.output, answer.pointer("/key").and_then(Value::as_str)) {
                (Output::Json, _) => table::json(&answer),
                (Output::Table, Some(key)) => say!("{key}"),
                (Output::Table, None) => anyhow::bail!(
                    "the log has no key and is not signed: a key is made, within seconds, in the token of the first CA whose token is there, \
                     or in `audit.token`; when there is a CA and no key after a minute, /readyz says why (audit_checkpoint_late)"
                ),
            }
        }
        Command::Checkpoint { out } => {
            // What was kept is what a later log is held against.
            if let Some(there) = out.as_deref().filter(|file| file.is_file()) {
                anyhow::bail!("{} is there already: name another file", there.display());
            }
            let answer = Api::new(place)?.get("/api/v1/audit/checkpoint").await?;
            put(place.output, &answer, "/checkpoint", out.as_deref())?;
        }
        Command::Prove {
            entry,
            out,
            old,
            consistency,
        } => {
            let api = Api::new(place)?;
            let mut to = String::new();
            if let Some(entry) = entry {
                let proof = api
                    .get(&format!("/api/v1/audit/proof?entry={}", escape(&entry)))
                    .await;
                let proof = proof.map_err(|error| match error.downcast_ref() {
                    Some(failure) if ApiFailure::code(failure) == "not_found" => error.context(format!(
                        "no entry is `{entry}` or about it: see what there is by `chancery audit tail`"
                    )),
                    _ => error,
                })?;
                put(place.output, &proof, "/proof", out.as_deref())?;
                // Both proofs are about the same checkpoint, also while more are signed.
                let text = proof
                    .pointer("/proof")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let text = InclusionText::parse(text.as_bytes()).context("the server's proof")?;
                to = format!(
                    "&new={}",
                    size_of(&text.checkpoint).context("the server's proof")?
                );
            }
            if let (Some(old), Some(file)) = (old, consistency) {
                let size = size_of(&read_note(&old)?).with_context(|| old.display().to_string())?;
                let proof = api
                    .get(&format!("/api/v1/audit/consistency?old={size}{to}"))
                    .await?;
                put(place.output, &proof, "/proof", Some(&file))?;
            }
        }
        Command::Witness(args) => witness::run(place.output, &args)?,
        Command::WitnessKey => {
            let answer = Api::new(place)?.get("/api/v1/audit/witness").await?;
            put(place.output, &answer, "/key", None)?;
            if place.output == Output::Table {
                say!("");
            }
        }
        Command::BeginAnew { reason } => {
            let body = json!({ "reason": reason });
            Api::new(place)?.post("/api/v1/audit/begin-anew", &body).await?;
            say!(
                "the next checkpoint is one of a new log: `chancery audit key` prints its key in a few seconds"
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// From the end, a page at a time, until so many are there.
async fn tail(place: &Place, wanted: &Tail) -> Result<()> {
    let api = Api::new(place)?;
    let mut about = String::new();
    for (name, text) in [("object", &wanted.object), ("action", &wanted.action)] {
        if let Some(text) = text {
            about = format!("{about}&{name}={}", escape(text));
        }
    }
    let mut entries: VecDeque<Value> = VecDeque::new();
    let mut before = i64::MAX;
    while entries.len() < wanted.lines {
        let limit = (wanted.lines - entries.len()).min(PAGE);
        let page = api
            .get(&format!("/api/v1/audit?before={before}&limit={limit}{about}"))
            .await?;
        let items = page.pointer("/items").and_then(Value::as_array);
        for item in items.into_iter().flatten().rev() {
            entries.push_front(item.clone());
        }
        match page.pointer("/next").and_then(Value::as_i64) {
            Some(next) => before = next,
            None => break,
        }
    }
    if let (Some(object), true, Output::Table) = (&wanted.object, entries.is_empty(), place.output) {
        eprintln!(
            "no entry is about `{object}`. A CA or a certificate has its entries under its identifier: `chancery ca show {object}`, `chancery \
             cert show {object}`"
        );
    }
    let columns = [
        ("SEQ", "/seq"),
        ("AT", "/at"),
        ("BY", "/actor"),
        ("ACTION", "/action"),
        ("OBJECT", "/object"),
        ("OUTCOME", "/outcome"),
    ];
    table::list(place.output, &entries.into_iter().collect(), &columns);
    Ok(())
}

/// Writes a text of an answer to a file, or prints it; as JSON the whole answer.
fn put(output: Output, answer: &Value, pointer: &str, file: Option<&Path>) -> Result<()> {
    let text = answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default();
    match (file, output) {
        (Some(file), _) => files::write(file, text.as_bytes(), Readers::All)?,
        (None, Output::Json) => table::json(answer),
        (None, Output::Table) => say_part!("{text}"),
    }
    Ok(())
}

/// A file that holds a signed note.
fn read_note(file: &Path) -> Result<Note> {
    let octets = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Note::parse(&octets).with_context(|| format!("{} is not a checkpoint", file.display()))
}

/// The size that a checkpoint speaks of; who signed it is looked at when a proof is verified.
fn size_of(note: &Note) -> Result<u64> {
    let checkpoint = Checkpoint::parse(note.unverified_text()).context("not a checkpoint")?;
    Ok(checkpoint.head().size())
}
