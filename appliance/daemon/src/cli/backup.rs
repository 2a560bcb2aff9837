//! `chancery backup`: make a backup, look at one, verify one, and make the key that opens it. A private key or a passphrase comes from
//! a file; never from the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use tlog::NoteKey;

use super::failure::{EXIT_PARTLY, WrongUsage};
use super::progress::Teller;
use super::{Output, Place, table};
use crate::backup::manifest::Manifest;
use crate::backup::unpack::Source;
use crate::backup::write::{self, Made, Target};
use crate::backup::{examine, keys, signature};
use crate::interrupt;

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Whoever has the private key of a recipient can restore the backup, and has every secret in it: keep that key away from \
        this machine.\n\nExamples:\n  \
        chancery backup keygen --to /media/safe/backup.key\n  \
        chancery backup --recipient age1… --to /var/backups/chancery.age\n  \
        chancery backup --recipients-file /etc/chancery/backup-recipients --to - | ssh elsewhere 'cat > chancery.age'\n  \
        chancery backup verify /var/backups/chancery.age --identity /media/safe/backup.key --signed-by /media/safe/audit.vkey"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    make: Make,
}

/// What a backup is made of, and for whom.
#[derive(Debug, clap::Args)]
struct Make {
    /// The file to make; `-` for standard output. One that is there is not overwritten.
    #[arg(long, value_name = "FILE", required = true)]
    to: Option<PathBuf>,
    /// Who can open it: `age1…`, as `keygen` tells it. May be given several times.
    #[arg(long = "recipient", value_name = "RECIPIENT")]
    recipients: Vec<String>,
    /// A file with a recipient a line. May be given several times.
    #[arg(long = "recipients-file", value_name = "FILE")]
    lists: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a private key that opens backups; prints the recipient to make them for.
    #[command(after_help = "Example: chancery backup keygen --to /media/safe/backup.key")]
    Keygen {
        /// The file for the private key; one that is there is not overwritten.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Encrypt it by the passphrase in the first line of this file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Tell what a backup has in it.
    #[command(after_help = "Example: chancery backup inspect chancery.age --identity backup.key")]
    Inspect {
        #[command(flatten)]
        opened: Opened,
    },
    /// Restore a backup into a folder that is thrown away, find every CA key and have it sign, check the store, the chains and the audit
    /// log. Exit status 1 when something is wrong.
    #[command(
        after_help = "The keys are looked for where this machine's configuration says, and in the backup itself when it has them. \
            Nothing of a running server is changed. Who signed the backup is held against --signed-by or, without it, against the audit log of \
            this machine's store.\n\nExamples:\n  \
            chancery backup verify chancery.age --identity backup.key\n  \
            chancery backup verify chancery.age --identity backup.key --signing /etc/standby/signerd.toml"
    )]
    Verify {
        #[command(flatten)]
        opened: Opened,
        /// The configuration of a signing process that has the keys, in place of the configured one; its modules are opened here.
        #[arg(long, value_name = "FILE")]
        signing: Option<PathBuf>,
        /// Where to restore to for the time being; it takes as much room as the store.
        #[arg(long, value_name = "DIR")]
        work_dir: Option<PathBuf>,
    },
}

/// A backup, and what opens it.
#[derive(Debug, clap::Args)]
pub(crate) struct Opened {
    /// The backup; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file with the private key of a recipient. May be given several times.
    #[arg(long = "identity", value_name = "FILE", required = true)]
    identities: Vec<PathBuf>,
    /// The file whose first line is the passphrase of an encrypted private key.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The verifier key of the audit log whose key must have signed the backup, as `chancery audit key` printed it, or a file with it.
    /// Anything that is not signed by it is refused.
    #[arg(long, value_name = "KEY")]
    signed_by: Option<String>,
}

impl Opened {
    /// The key that must have signed it.
    pub(crate) fn signed_by(&self) -> Result<Option<NoteKey>> {
        self.signed_by
            .as_deref()
            .map(signature::verifier_key)
            .transpose()
            .context("--signed-by")
    }

    pub(crate) fn source(self) -> Result<Source> {
        Ok(Source {
            signed_by: self.signed_by()?,
            identities: keys::identities(&self.identities, self.passphrase_file.as_deref())?,
            file: self.file,
        })
    }
}

pub(crate) async fn run(place: &Place, args: Args) -> Result<ExitCode> {
    interrupt::listen()?;
    match args.command {
        None => return create(place, args.make).await,
        Some(Command::Keygen { to, passphrase_file }) => {
            keygen(place.output, &to, passphrase_file.as_deref())?;
        }
        Some(Command::Inspect { opened }) => inspect(place.output, opened).await?,
        Some(Command::Verify {
            opened,
            signing,
            work_dir,
        }) => {
            let wanted = examine::Wanted {
                source: opened.source()?,
                signing,
                config: place.config.clone(),
                work_dir,
            };
            return verify(place.output, wanted).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(place: &Place, wanted: Make) -> Result<ExitCode> {
    let to = wanted.to.context("name the file to make by --to")?;
    if wanted.recipients.is_empty() && wanted.lists.is_empty() {
        return Err(WrongUsage(
            "nobody could open this backup: name a recipient by --recipient or --recipients-file (`chancery backup keygen` makes one)"
                .to_owned(),
        )
        .into());
    }
    let is_output = to == Path::new("-");
    if !is_output && to.exists() {
        bail!("{} is there already: name another file", to.display());
    }
    let recipients = keys::recipients(&wanted.recipients, &wanted.lists)?;
    let mut teller = Teller::new(place.output);
    let told = Box::new(move |table, rows, of| {
        teller.tell("backing up", table, rows, Some(of));
        if rows == of {
            teller.end();
        }
    });
    let target = if is_output {
        Target::Output
    } else {
        Target::File(to.clone())
    };
    let count = recipients.len();
    let made = write::write(&place.config, target, recipients, told).await?;
    let status = made
        .unsigned
        .as_ref()
        .map_or(ExitCode::SUCCESS, |_| ExitCode::from(EXIT_PARTLY));
    if !is_output {
        let mut told = summary(&made.manifest);
        add(&mut told, "file", json!(to));
        add(&mut told, "octets", json!(made.octets));
        add(&mut told, "recipients", json!(count));
        let signed_by = made.manifest.log_key.as_ref().filter(|_| made.unsigned.is_none());
        add(&mut told, "signed_by", json!(signed_by));
        add(&mut told, "unsigned_because", json!(made.unsigned));
        tell_one(place.output, &told, &made);
    }
    if let Some(why) = &made.unsigned {
        eprintln!(
            "warning: the backup is whole, but NOT signed, and `--signed-by` will refuse it: {why}; make another one when that is mended"
        );
    }
    Ok(status)
}

fn tell_one(output: Output, told: &Value, made: &Made) {
    let rows = [
        ("Backup", "/id"),
        ("File", "/file"),
        ("Octets", "/octets"),
        ("Recipients", "/recipients"),
        ("Signed by", "/signed_by"),
        ("Taken at", "/taken_at"),
        ("Rows", "/rows"),
        ("Certificates", "/certificates"),
        ("Files", "/files"),
        ("Keys in it", "/keys_included"),
        ("Keys not in it", "/keys_not_included"),
    ];
    table::one(output, told, &rows);
    if output == Output::Table {
        for what in &made.manifest.left_out {
            eprintln!("left out: {what}");
        }
    }
}

/// A backup in a few words.
fn summary(manifest: &Manifest) -> Value {
    let header = &manifest.header;
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    let of = |name: &str| {
        manifest
            .tables
            .iter()
            .find(|table| table.name == name)
            .map(|table| table.rows)
    };
    let (included, others): (Vec<_>, Vec<_>) = manifest.keys.iter().partition(|key| key.is_included);
    json!({
        "id": header.id, "taken_at": header.taken_at, "installation": header.installation, "epoch": header.epoch,
        "version": header.version, "schema": header.schema, "rows": rows, "certificates": of("certificates"),
        "revocations": of("revocations"), "audit_entries": manifest.audit.entries, "audit_head": manifest.audit.head,
        "files": manifest.files.len(), "keys_included": included.len(), "keys_not_included": others.len(),
        "left_out": manifest.left_out,
    })
}

fn add(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn keygen(output: Output, to: &Path, passphrase_file: Option<&Path>) -> Result<()> {
    let recipient = keys::generate(to, passphrase_file)?;
    let told = json!({ "recipient": recipient.to_string(), "file": to });
    table::one(
        output,
        &told,
        &[("Recipient", "/recipient"), ("Private key", "/file")],
    );
    Ok(())
}

async fn inspect(output: Output, opened: Opened) -> Result<()> {
    let source = opened.source()?;
    let (manifest, signature) = source.inspect().await?;
    let trusted = source.signed_by.as_ref();
    if output == Output::Json {
        let mut told = serde_json::to_value(&manifest)?;
        add(&mut told, "signature", signature.json(trusted));
        table::json(&told);
        return Ok(());
    }
    let rows = [
        ("Backup", "/id"),
        ("Taken at", "/taken_at"),
        ("Installation", "/installation"),
        ("Epoch", "/epoch"),
        ("Made by version", "/version"),
        ("Schema", "/schema"),
        ("Rows", "/rows"),
        ("Certificates", "/certificates"),
        ("Revocations", "/revocations"),
        ("Audit entries", "/audit_entries"),
        ("Audit head", "/audit_head"),
        ("Files", "/files"),
        ("Signed", "/signed"),
    ];
    let mut told = summary(&manifest);
    add(&mut told, "signed", json!(signature.words(trusted)));
    table::one(output, &told, &rows);
    let keys = serde_json::to_value(&manifest.keys)?;
    let columns = [
        ("USED BY", "/used_by"),
        ("KIND", "/algorithm"),
        ("TOKEN", "/token"),
        ("LABEL", "/label"),
        ("IN IT", "/is_included"),
        ("FINGERPRINT", "/fingerprint"),
    ];
    table::list(output, &keys, &columns);
    for what in &manifest.left_out {
        super::say::say!("left out: {what}");
    }
    Ok(())
}

async fn verify(output: Output, wanted: examine::Wanted) -> Result<ExitCode> {
    let mut teller = Teller::new(output);
    let examined = examine::examine(wanted, &mut |stage, table, rows, of| {
        teller.tell(stage, table, rows, of);
    })
    .await;
    teller.end();
    let examined = examined?;
    let is_sound = examined.looks.iter().all(|look| look.problem.is_none());
    if output == Output::Json {
        let mut told = summary(&examined.manifest);
        add(
            &mut told,
            "signature",
            examined.signature.json(examined.trusted.as_ref()),
        );
        add(&mut told, "is_sound", json!(is_sound));
        add(&mut told, "checks", serde_json::to_value(&examined.looks)?);
        table::json(&told);
    } else {
        let rows: Vec<Value> = examined
            .looks
            .iter()
            .map(|look| json!({ "check": look.check, "outcome": look.problem.as_deref().unwrap_or("yes") }))
            .collect();
        table::list(
            output,
            &rows.into(),
            &[("CHECK", "/check"), ("OUTCOME", "/outcome")],
        );
        if examined.trusted.is_none() {
            super::say::say!("signed: {}", examined.signature.words(None));
        }
    }
    if is_sound {
        return Ok(ExitCode::SUCCESS);
    }
    let wrong = examined
        .looks
        .iter()
        .filter(|look| look.problem.is_some())
        .count();
    eprintln!(
        "chancery: the backup is NOT sound: {wrong} of {} checks failed",
        examined.looks.len()
    );
    Ok(ExitCode::FAILURE)
}
