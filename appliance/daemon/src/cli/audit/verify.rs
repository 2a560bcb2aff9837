//! `chancery audit verify`: through the server, in the store itself, or with files alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use ca::{AuditTree, AuditTreeVerdict, Expected, FilesVerdict, OfflineFault};
use serde_json::{Value, json};
use store::audit::Verdict;
use store::{Store, StoreConfig};

use super::read_note;
use crate::backup::signature::verifier_key;
use crate::cli::client::Api;
use crate::cli::failure::WrongUsage;
use crate::cli::say::say;
use crate::cli::{Output, Place, table};
use crate::config::Config;

/// What to verify, and with what.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --files nothing else is needed: no configuration, no store, no network.\n\nExamples:\n  \
    chancery audit verify\n  chancery audit verify --offline\n  chancery audit verify --store /var/lib/chancery/chancery.db\n  \
    chancery audit verify --files /srv/audit-log --key audit.vkey --old checkpoint-2030-01\n  \
    chancery audit verify --files entry-17.tlog-proof --key audit.vkey"
)]
pub(crate) struct Args {
    /// Check the store of the configuration itself, beside a running server or without one.
    #[arg(long)]
    offline: bool,
    /// The same for this SQLite file.
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    store: Option<PathBuf>,
    /// Check these files: the folder of a log (`checkpoint`, `tile/…`), or proofs; several must be about the same checkpoint.
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["offline", "store"], requires = "key")]
    files: Vec<PathBuf>,
    /// The verifier key of the log, as `chancery audit key` printed it, or a file with it.
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// An older checkpoint that was kept, which the log must continue; may be given several times.
    #[arg(long, value_name = "CHECKPOINT")]
    old: Vec<PathBuf>,
    /// The verifier key of a witness that must have cosigned the checkpoint, or a file with it; may be given several times.
    #[arg(long, value_name = "VKEY", requires = "files")]
    witness: Vec<String>,
}

pub(super) async fn run(place: &Place, args: &Args) -> Result<ExitCode> {
    let verdict = match (&args.store, args.offline) {
        _ if !args.files.is_empty() => with_files(args)?,
        (Some(file), _) => in_store(StoreConfig::new(file), args).await?,
        (None, true) => in_store(Config::load(&place.config)?.store_config()?, args).await?,
        (None, false) if args.key.is_some() || !args.old.is_empty() => {
            let words = "--key and --old are for --files, --offline and --store: through the server its own key is used";
            return Err(WrongUsage(words.to_owned()).into());
        }
        (None, false) => Api::new(place)?.get("/api/v1/audit/verify").await?,
    };
    let rows = [
        ("Sound", "/sound"),
        ("Entries", "/entries"),
        ("Head", "/head"),
        ("Broken at", "/broken_at"),
        ("Problem", "/problem"),
        ("Signed", "/tree/size"),
        ("Root", "/tree/root"),
        ("Signed at", "/tree/signed_at"),
        ("Key", "/tree/key"),
        ("Log", "/log"),
        ("Continues", "/continues"),
        ("Entries read", "/has_entries"),
        ("Entry", "/entry"),
    ];
    table::one(place.output, &verdict, &rows);
    let is_sound = verdict
        .pointer("/sound")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    if is_sound && place.output == Output::Table && verdict.get("tree").is_some_and(Value::is_null) {
        say!(
            "Nothing of it is signed: what is sound now can be rewritten unseen (chancery audit key says what is missing)"
        );
    }
    Ok(if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn expected(args: &Args) -> Result<Expected> {
    Ok(Expected {
        key: args.key.as_deref().map(verifier_key).transpose()?,
        old: args
            .old
            .iter()
            .map(|file| read_note(file))
            .collect::<Result<_>>()?,
        witnesses: args
            .witness
            .iter()
            .map(|text| verifier_key(text))
            .collect::<Result<_>>()?,
    })
}

async fn in_store(config: StoreConfig, args: &Args) -> Result<Value> {
    let (store, expected) = (Store::open_read_only(&config)?, expected(args)?);
    let broken = |seq: Option<i64>, what: String| json!({ "sound": false, "entries": seq.map_or(0, |seq| seq - 1), "head": null, "broken_at": seq, "problem": what, "tree": null });
    let (entries, head) = match store.read(store::audit::verify).await? {
        Verdict::Sound { entries, head } => (entries, hexadecimal(&head)),
        Verdict::Broken { seq, what } => return Ok(broken(Some(seq), what.to_owned())),
    };
    let read = store.read(move |reader| ca::examine_audit_tree(reader, &expected));
    let tree = match read.await? {
        AuditTreeVerdict::Broken(alarm) => return Ok(broken(alarm.seq, alarm.what)),
        AuditTreeVerdict::Sound(tree) => tree_json(&tree),
        AuditTreeVerdict::Absent => Value::Null,
    };
    Ok(
        json!({ "sound": true, "entries": entries, "head": head, "broken_at": null, "problem": null, "tree": tree }),
    )
}

fn tree_json(tree: &AuditTree) -> Value {
    json!({ "key": tree.key, "size": tree.size, "root": tree.root, "signed_at": tree.signed_at() })
}

/// All files must say the same, and one of them that older checkpoints are continued.
fn with_files(args: &Args) -> Result<Value> {
    let expected = expected(args)?;
    let mut found: Option<FilesVerdict> = None;
    for path in &args.files {
        let verdict = match one(path, &expected) {
            Ok(verdict) => verdict,
            Err(OfflineFault::Wrong(what)) => return Ok(unsound(path, &what)),
            Err(fault) => return Err(fault.into()),
        };
        found = Some(match found {
            None => verdict,
            Some(before) if (before.size, &before.root) != (verdict.size, &verdict.root) => {
                return Ok(unsound(
                    path,
                    "it is about another checkpoint than the files before it",
                ));
            }
            Some(before) => FilesVerdict {
                continues: before.continues || verdict.continues,
                has_entries: before.has_entries || verdict.has_entries,
                entry: before.entry.or(verdict.entry),
                ..verdict
            },
        });
    }
    let Some(found) = found else {
        bail!("name the files")
    };
    if !args.old.is_empty() && !found.continues {
        let what = "nothing shows that the older checkpoint is continued: give the proof that `chancery audit prove --consistency` wrote";
        return Ok(json!({ "sound": false, "problem": what }));
    }
    // Without an older checkpoint nobody asked.
    let continues = (!args.old.is_empty()).then_some(found.continues);
    Ok(json!({
        "sound": true, "problem": null, "log": found.origin, "entries": found.size, "tree": { "root": found.root, "size": found.size },
        "has_entries": found.has_entries, "continues": continues, "entry": found.entry,
    }))
}

fn one(path: &Path, expected: &Expected) -> Result<FilesVerdict, OfflineFault> {
    if path.is_dir() {
        return ca::verify_audit_files(path, expected);
    }
    let octets = std::fs::read(path).map_err(|source| OfflineFault::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    ca::verify_audit_proof(&octets, expected)
}

fn unsound(path: &Path, what: &str) -> Value {
    json!({ "sound": false, "problem": format!("{}: {what}", path.display()) })
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
