//! `chancery audit witness`: cosigns the checkpoints of a log that is elsewhere.
//!
//! It works with files alone: a folder of the log (a copy, or one that is mounted), or a proof of consistency that somebody brings. The
//! file of its state is what it is a witness by: it never cosigns what does not continue the checkpoint in it. Key, state and signature
//! are those of a server that is asked over the network (`ca::Witness…`).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ca::{Clock, Expected, SeenFile, WitnessKey};
use serde_json::json;
use tlog::{Checkpoint, ConsistencyText, Note, NoteKey};

use super::read_note;
use crate::cli::say::{say, say_part};
use crate::cli::{Output, table};
use crate::files::{self, Readers};

/// What to cosign, and as whom.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A key of its own is made when the file is not there; its verifier key is printed, for `chancery audit verify \
    --witness`.\n\nExample, every hour on another machine:\n  \
    chancery audit witness --name witness.example --key witness.pem --state witness.checkpoint \\\n    \
    --log-key \"$(cat audit.vkey)\" --files /srv/audit-log --out cosigned"
)]
pub(crate) struct Args {
    /// The name of the witness.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The file of its private key (Ed25519, PKCS#8 in PEM); made when it is not there.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file of the checkpoint that was cosigned last.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Nothing of this log was cosigned with the key yet: the state is made anew.
    #[arg(long)]
    first: bool,
    /// The verifier key of the log.
    #[arg(long, value_name = "VKEY")]
    log_key: String,
    /// The folder of the log, or a proof of consistency with the checkpoint that was cosigned last.
    #[arg(long, value_name = "PATH")]
    files: PathBuf,
    /// Write the checkpoint with its new signature to this file; otherwise it is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(output: Output, args: &Args) -> Result<()> {
    let log: NoteKey = args
        .log_key
        .trim()
        .parse()
        .context("--log-key is no verifier key")?;
    let key = key(args)?;
    let witness = key.verifier();
    // Held until the end, so that two runs do not cosign beside each other's back.
    let mut state = SeenFile::new(&args.state).hold(log.name().as_str(), witness)?;
    let before = state.note().cloned();
    let expected = Expected {
        key: Some(log),
        old: before.clone().into_iter().collect(),
        witnesses: Vec::new(),
    };
    let note = newest(&args.files, &expected)?;
    let head = Checkpoint::parse(note.unverified_text())?.head();
    let cosigned = if note.verify(std::slice::from_ref(witness)).is_ok() {
        note
    } else {
        key.cosign(note, Clock::system().now())?.0
    };
    // First it is remembered, then it is given away.
    state.write(&cosigned, head)?;
    match (&args.out, output) {
        (Some(file), _) => files::write(file, cosigned.to_string().as_bytes(), Readers::All)?,
        (None, Output::Table) => say_part!("{cosigned}"),
        (None, Output::Json) => {
            table::json(&json!({ "checkpoint": cosigned.to_string(), "witness": witness.to_string() }));
        }
    }
    if before.is_none() && output == Output::Table {
        let to = if args.out.is_some() { "" } else { "\n" };
        say!("{to}witness {witness}");
    }
    Ok(())
}

/// The key; made, with the first run, where neither it nor a state is there. A key without a state is one that has forgotten.
fn key(args: &Args) -> Result<WitnessKey> {
    let is_there = |path: &Path| {
        path.try_exists()
            .with_context(|| format!("{} cannot be looked at", path.display()))
    };
    let (has_key, has_state) = (is_there(&args.key)?, is_there(&args.state)?);
    if has_key && !has_state && !args.first {
        bail!(
            "the key {} is there, and the state {} is not: bring the file back from where it was kept. A witness that has forgotten what it \
             cosigned must take another key; if nothing of this log was cosigned with it yet, say --first",
            args.key.display(),
            args.state.display()
        );
    }
    if has_state && !has_key {
        bail!(
            "the state {} is there, and the key {} is not: bring the key back, or name another state for another key",
            args.state.display(),
            args.key.display()
        );
    }
    Ok(WitnessKey::open_or_make(&args.name, &args.key)?)
}

/// The newest checkpoint, which was found to continue the one before.
fn newest(path: &Path, expected: &Expected) -> Result<Note> {
    if path.is_dir() {
        ca::verify_audit_files(path, expected)?;
        return read_note(&path.join("checkpoint"));
    }
    let octets = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if !octets.starts_with(b"old ") {
        bail!(
            "{} is neither a folder nor a proof of consistency",
            path.display()
        );
    }
    let proof = ConsistencyText::parse(&octets)?;
    if expected.old.is_empty() {
        bail!("this witness has seen nothing yet: show it the whole folder of the log first");
    }
    ca::verify_audit_proof(&octets, expected)?;
    Ok(proof.checkpoint)
}
