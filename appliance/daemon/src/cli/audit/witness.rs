//! `chancery audit witness`: cosigns the checkpoints of a log that is elsewhere.
//!
//! It works with files alone: a folder of the log (a copy, or one that is mounted), or a proof of consistency that somebody brings. The
//! file of its state is what it is a witness by: it never cosigns what does not continue the checkpoint in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use ca::{Clock, Expected};
use pki::PublicKey;
use serde_json::json;
use tlog::{ConsistencyText, KeyName, Note, NoteKey, SignatureKind};

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
    let pair = key_pair(&args.key)?;
    let witness = witness_key(&args.name, &pair)?;
    let before = args.state.exists().then(|| read_note(&args.state)).transpose()?;
    let expected = Expected {
        key: Some(log),
        old: before.clone().into_iter().collect(),
        witnesses: Vec::new(),
    };
    let note = newest(&args.files, &expected)?;
    let cosigned = cosign(note, &witness, &pair)?;
    // First it is remembered, then it is given away.
    files::write(&args.state, cosigned.to_string().as_bytes(), Readers::All)?;
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

fn cosign(mut note: Note, witness: &NoteKey, pair: &Ed25519KeyPair) -> Result<Note> {
    let keys = [witness.clone()];
    if note.verify(&keys).is_ok() {
        return Ok(note);
    }
    let text = note.unverified_text().to_owned();
    let at = Clock::system().now();
    let signature = pair.sign(&witness.message(&text, at)?);
    note.push(witness.signature(&text, at, signature.as_ref())?)?;
    Ok(note)
}

fn witness_key(name: &str, pair: &Ed25519KeyPair) -> Result<NoteKey> {
    // RFC 8410 section 4: what stands before the octets of the key.
    const SPKI: [u8; 12] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let spki = [SPKI.as_slice(), pair.public_key().as_ref()].concat();
    let key = PublicKey::from_spki_der(&spki)?;
    Ok(NoteKey::new(
        KeyName::new(name)?,
        SignatureKind::Cosignature,
        key,
    )?)
}

fn key_pair(file: &Path) -> Result<Ed25519KeyPair> {
    if !file.exists() {
        let made = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).context("making the key")?;
        let pem = pki::pem::encode("PRIVATE KEY", made.as_ref());
        files::write(file, pem.as_bytes(), Readers::Owner)?;
    }
    let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let unusable = || format!("{} is no Ed25519 key (PKCS#8 in PEM)", file.display());
    let blocks = pki::pem::decode(&text).with_context(unusable)?;
    let der = blocks
        .iter()
        .find(|block| block.label == "PRIVATE KEY")
        .with_context(unusable)?;
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der.der).with_context(unusable)
}
